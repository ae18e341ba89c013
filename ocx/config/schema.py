"""The one table of settings: types, ranges, defaults, variables. Everything else reads it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Kind = Literal["text", "url", "choice", "key name", "number", "integer", "list", "headers"]

DEFAULT_BASE_URL = "https://opencodex.hk/api/v1"
DEFAULT_PROFILE = "default"
SANDBOX = "sandbox"


class Setting(NamedTuple):
    """One key of `[profiles.NAME]`.

    `low` and `high` bound numbers, both included; `variable` tells whether the environment may
    set it (`env_name`); `local` whether it describes the endpoint, so that the sandbox, an
    endpoint of its own, does not take it from a profile.
    """

    name: str
    kind: Kind
    help: str
    default: Any = None
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    variable: bool = False
    local: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "base_url",
        "url",
        "where the API is, used exactly as written",
        DEFAULT_BASE_URL,
        variable=True,
        local=True,
    ),
    Setting(
        "auth",
        "choice",
        "`none` sends no key and allows http to any host (an Ollama in the LAN)",
        "key",
        choices=("key", "none"),
        local=True,
    ),
    Setting("model", "text", "model id or alias", "deepseek-chat", variable=True),
    Setting("key_name", "key name", "stored key to use (`ocx keys add NAME`)", local=True),
    Setting(
        "api_key_command",
        "list",
        "program that prints the key, run without a shell",
        (),
        local=True,
    ),
    Setting("system", "text", "system prompt"),
    Setting("temperature", "number", "randomness", low=0, high=2),
    Setting("top_p", "number", "nucleus sampling", low=0, high=1),
    Setting("max_tokens", "integer", "most tokens to generate", low=1, high=2**31 - 1),
    Setting("stop", "list", "stop sequences", ()),
    Setting("headers", "headers", "headers added to every request", local=True),
    Setting(
        "timeout",
        "number",
        "seconds for a whole call, retries included (else 600 for chat, 15 for models and balance)",
        low=0.001,
        high=86_400,
        variable=True,
    ),
    Setting("connect_timeout", "number", "seconds to connect", 10.0, low=0.001, high=86_400),
    Setting(
        "idle_timeout",
        "number",
        "seconds that a stream may say nothing",
        120.0,
        low=0.001,
        high=86_400,
    ),
    Setting(
        "retries",
        "integer",
        "how often a failed request is tried again",
        2,
        low=0,
        high=100,
        variable=True,
    ),
    Setting(
        "proxy",
        "url",
        "proxy instead of the environment's (http, https, socks5, socks5h); empty for none",
        local=True,
    ),
    Setting("ca_bundle", "text", "file with the CA certificates to trust", local=True),
    Setting(
        "balance_path",
        "text",
        "where the balance stands in the answer: dots and indexes",
        local=True,
    ),
    Setting(
        "balance_scale",
        "number",
        "what to multiply that number by",
        low=1e-12,
        high=1e12,
        local=True,
    ),
    Setting(
        "history",
        "choice",
        "keep calls: `on`, `off`, or `auto`: where stdout is a terminal, and with -c",
        "auto",
        choices=("auto", "on", "off"),
        variable=True,
    ),
)

BY_NAME: dict[str, Setting] = {setting.name: setting for setting in SETTINGS}


def env_name(name: str) -> str:
    """The one place that derives a variable from a setting."""
    return f"OCX_{name.upper()}"


_KEYS = (
    (env_name("api_key"), "the key; before OPENCODEX_API_KEY, and to whatever endpoint is in use"),
    (
        "OPENCODEX_API_KEY",
        "the key as the provider documents it; sent only to opencodex.hk, or to a base URL given "
        "by flag or environment in the same call",
    ),
)
_CHOICES = (
    (env_name("profile"), "profile to use; -P comes first"),
    (env_name("sandbox"), "1 uses the built-in offline server, whatever the profile"),
    (env_name("config"), "config file to use instead of config.toml in the config folder"),
)
_FOREIGN = (
    ("XDG_CONFIG_HOME", "its folder ocx holds config and credentials (default ~/.config)"),
    ("XDG_STATE_HOME", "its folder ocx holds history and sandbox ledger (default ~/.local/state)"),
    ("XDG_CACHE_HOME", "its folder ocx holds the lists for completion (default ~/.cache)"),
    (
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        "proxies, in upper or lower case; never used for loopback",
    ),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "CA certificates to trust"),
    (
        "NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM",
        "colour, in this order; --color comes first",
    ),
    ("VISUAL, EDITOR", "editor for `ocx config edit` and `ocx chat -e`"),
    ("CI", "when set, nothing is ever asked"),
)

ENVIRONMENT: tuple[tuple[str, str], ...] = (
    *_KEYS,
    *((env_name(s.name), s.help) for s in SETTINGS if s.variable),
    *_CHOICES,
    *_FOREIGN,
)
"""Rows of (variable, meaning) for `ocx help environment`."""

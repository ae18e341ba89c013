"""The settings, each declared once: its type, default, help, example and variable.

Every list of settings is derived from these declarations: the config file and its template,
`ocx config`, the variables, the manual and the completion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ocx.config.paths import env_name
from ocx.config.values import (
    FilePath,
    Headers,
    Integer,
    KeyName,
    ModelList,
    Number,
    OneOf,
    StopSequences,
    Text,
    TextList,
    Url,
    ValueType,
)
from ocx.record import record

if TYPE_CHECKING:
    from decimal import Decimal


class Source(NamedTuple):
    """What a value comes from; as text it is shown to users.

    Attributes:
        detail: the name of the variable or of the profile.
    """

    layer: Literal["flag", "environment", "profile", "default_profile", "sandbox", "default"]
    detail: str = ""

    @property
    def is_flag(self) -> bool:
        return self.layer == "flag"

    @property
    def is_explicit(self) -> bool:
        """Whether it was given for this call, by flag or environment, and not by a file."""
        return self.layer in {"flag", "environment"}

    def __str__(self) -> str:
        return f"{self.layer} {self.detail}".rstrip()


class Choice(NamedTuple):
    """A value and where it comes from."""

    value: Any
    source: Source


DEFAULT_BASE_URL = "https://opencodex.hk/api/v1"
DEFAULT_PROFILE = "default"
SANDBOX = "sandbox"

_PROXY = r"(?:(?:https?|socks5h?)://[^/\s?#]+/?)?"
_SECONDS = Number(0.001, 86_400)


class Setting(NamedTuple):
    """One key of `[profiles.NAME]`.

    Attributes:
        type: how its values are read and checked.
        help: for the manual and the template of the config file.
        example: a value, as TOML.
        env: a variable of the environment may set it.
        of_endpoint: it describes the endpoint; with --sandbox the profile's value is ignored.
        sent: it is a field of a chat request.
    """

    name: str
    type: ValueType
    help: str
    default: Any
    example: str
    env: bool = False
    of_endpoint: bool = False
    sent: bool = False

    @property
    def variable(self) -> str | None:
        """The variable of the environment that sets it."""
        return env_name(self.name) if self.env else None


def _setting(
    type_: ValueType, help_: str, default: Any = None, *, example: str = "", **flags: bool
) -> Any:
    """A field of `Settings` that is a setting and gives it its name.

    Args:
        example: the default, if it is not given.
    """
    shown = example or (f'"{default}"' if isinstance(default, str) else str(default))
    return field(metadata={"setting": Setting("", type_, help_, default, shown, **flags)})


@record
class Settings:
    """The settings of one call, and where each comes from.

    Attributes:
        profile_base_url: the profile's own endpoint, the only one that its stored or commanded
            key may go to.
        sources: by the name of the setting; also `profile`, and `sandbox` if it is in use.
        timeout: None means the command's own.
    """

    profile: str
    profile_base_url: str
    sandbox: bool
    aliases: Mapping[str, str]
    sources: Mapping[str, Source]
    warnings: tuple[str, ...]

    base_url: str = _setting(
        Url(),
        "where the API is, used exactly as written",
        DEFAULT_BASE_URL,
        env=True,
        of_endpoint=True,
    )
    auth: str = _setting(
        OneOf("key", "none"),
        "`none` sends no key and allows http to any host (an Ollama in the LAN)",
        "key",
        of_endpoint=True,
    )
    model: str = _setting(
        Text(r"(?s:.*\S.*)", "cannot be empty"), "model id or alias", "deepseek-chat", env=True
    )
    fallback_models: tuple[str, ...] = _setting(
        ModelList(),
        "models to ask in turn if the model is unknown, overloaded or limited",
        (),
        example='["gpt-4o-mini"]',
        env=True,
    )
    key_name: str | None = _setting(
        KeyName(), "stored key to use (`ocx keys add NAME`)", example='"work"', of_endpoint=True
    )
    api_key_command: tuple[str, ...] = _setting(
        TextList(),
        "program that prints the key, run without a shell",
        (),
        example='["pass", "show", "opencodex"]',
        of_endpoint=True,
    )
    system: str | None = _setting(Text(), "system prompt", example='"Answer in one sentence."')
    temperature: float | None = _setting(Number(0, 2), "randomness", example="1.0", sent=True)
    top_p: float | None = _setting(Number(0, 1), "nucleus sampling", example="1.0", sent=True)
    max_tokens: int | None = _setting(
        Integer(1, 2**31 - 1), "maximum number of tokens to generate", example="4096", sent=True
    )
    stop: tuple[str, ...] = _setting(
        StopSequences(), "stop sequences", (), example='["END"]', sent=True
    )
    headers: Mapping[str, str] = _setting(
        Headers(),
        "headers added to every request",
        example='{ "X-Team" = "docs" }',
        of_endpoint=True,
    )
    timeout: float | None = _setting(
        _SECONDS,
        "seconds for a whole call, retries included (else 600 for chat, 15 for models and balance)",
        example="600.0",
        env=True,
    )
    connect_timeout: float = _setting(_SECONDS, "seconds to connect", 10.0)
    idle_timeout: float = _setting(_SECONDS, "seconds that a stream may say nothing", 120.0)
    retries: int = _setting(
        Integer(0, 100), "how often a failed request is tried again", 2, env=True
    )
    proxy: str | None = _setting(
        Text(_PROXY, "must be an http, https, socks5 or socks5h URL of a host"),
        "proxy instead of the environment's (http, https, socks5, socks5h); empty for none",
        example='"socks5://127.0.0.1:1080"',
        of_endpoint=True,
    )
    ca_bundle: str | None = _setting(
        FilePath(),
        "file with the CA certificates to trust",
        example='"/etc/ssl/ca.pem"',
        of_endpoint=True,
    )
    balance_path: str | None = _setting(
        Text(),
        "where the balance stands in the answer: dots and indexes",
        example='"data.balance"',
        of_endpoint=True,
    )
    balance_scale: Decimal | None = _setting(
        Number(1e-12, 1e12), "what to multiply that number by", example="0.000002", of_endpoint=True
    )
    price_scale: float | None = _setting(
        Number(1e-12, 1e12),
        "credits for one unit of the prices in `/models`, for --estimate and budgets",
        example="100.0",
        of_endpoint=True,
    )
    history: str = _setting(
        OneOf("auto", "on", "off"),
        "keep calls: `on`, `off`, or `auto`: if stdout is a terminal, and with -c",
        "auto",
        example='"on"',
        env=True,
    )

    @property
    def profile_in_use(self) -> str:
        """The profile that a call belongs to: with --sandbox the built-in one."""
        return SANDBOX if self.sandbox else self.profile

    def from_flag(self, name: str) -> bool:
        """Whether a flag of this call gave the setting."""
        return name in self.sources and self.sources[name].is_flag


SETTINGS: tuple[Setting, ...] = tuple(
    item.metadata["setting"]._replace(name=item.name) for item in fields(Settings) if item.metadata
)
BY_NAME: dict[str, Setting] = {setting.name: setting for setting in SETTINGS}

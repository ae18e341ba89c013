"""The environment under which any OpenAI-compatible tool uses our endpoint and key.

OpenAI's SDKs read OPENAI_BASE_URL and OPENAI_API_KEY, their versions before 1.0 and tools built
on LiteLLM (aider) OPENAI_API_BASE; an organization or project of another account is refused by
most gateways.
"""

from __future__ import annotations

from typing import NamedTuple

from ocx.config.paths import env_name
from ocx.config.schema import DEFAULT_PROFILE, SETTINGS
from ocx.config.settings import Settings
from ocx.errors import UsageError
from ocx.keys.lookup import KEY_VARIABLES, endpoint, find_key
from ocx.runtime import Runtime
from ocx.secret import Secret

NO_KEY = "none"
"""Stands for a key if the endpoint wants none: the SDKs do not start without one."""


class ToolEnvironment(NamedTuple):
    """Variables to set, in order, and to remove; `secret` is the one value not to show."""

    variables: dict[str, str]
    removed: tuple[str, ...]
    secret: Secret | None

    def masked(self) -> dict[str, str]:
        """The variables with the key masked."""
        if self.secret is None:
            return self.variables
        key, shown = self.secret.reveal(), self.secret.masked()
        return {name: shown if text == key else text for name, text in self.variables.items()}


def tool_environment(run: Runtime, settings: Settings) -> ToolEnvironment:
    """What a tool needs to use this call's endpoint, after every check that a request would pass.

    Raises:
        UsageError: the sandbox is in use, which ends with this process.
        AuthError, ConfigError: there is no key, or it must not go there.
    """
    if settings.sandbox:
        raise UsageError(
            "the sandbox lives only as long as one command of ocx, and other tools cannot reach it",
            hint="`ocx serve -- CMD` runs a tool against the same server",
        )
    key = find_key(run, settings).secret
    url = endpoint(settings, key).base_url
    variables = {
        "OPENAI_BASE_URL": url,
        "OPENAI_API_BASE": url,
        "OPENAI_API_KEY": key.reveal() if key else NO_KEY,
        env_name("base_url"): url,
    }
    removed = ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID", env_name("sandbox")]
    own, file, provider = KEY_VARIABLES
    if key:
        variables |= dict.fromkeys((own, provider), key.reveal())
    else:
        removed += [own, provider, file]
    if settings.sources["model"].layer != "default":
        variables |= {"OPENAI_MODEL": settings.model, env_name("model"): settings.model}
    # An `ocx` below sees what this one does: its profile, and the flags of this call.
    if settings.profile != DEFAULT_PROFILE:
        variables[env_name("profile")] = settings.profile
    for setting in SETTINGS:
        if setting.variable and setting.name != "base_url" and settings.from_flag(setting.name):
            variables[setting.variable] = str(getattr(settings, setting.name))
    return ToolEnvironment(variables, tuple(removed), key)

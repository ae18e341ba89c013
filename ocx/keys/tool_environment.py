"""The environment under which any OpenAI-compatible tool uses our endpoint and key; pure.

OpenAI's SDKs read OPENAI_BASE_URL and OPENAI_API_KEY, their versions before 1.0 and tools built
on LiteLLM (aider) OPENAI_API_BASE; an organization or project of another account is refused by
most gateways.
"""

from __future__ import annotations

from typing import NamedTuple

from ocx.config.schema import DEFAULT_PROFILE, SETTINGS, SourceKind, env_name
from ocx.config.settings import Settings
from ocx.errors import UsageError
from ocx.keys.lookup import FILE_VARIABLE, PROVIDER_VARIABLE
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


def refuse_sandbox(settings: Settings) -> None:
    """Refuse to hand over the sandbox, which ends with this process.

    Raises:
        UsageError: it is in use.
    """
    if settings.sandbox:
        raise UsageError(
            "the sandbox lives only as long as one command of ocx, and other tools cannot reach it",
            hint="`ocx serve -- CMD` runs a tool against the same server",
        )


def handover(settings: Settings, key: Secret | None) -> ToolEnvironment:
    """What a tool needs to use the endpoint of `settings` with `key`.

    Raises:
        UsageError: the sandbox is in use.
    """
    refuse_sandbox(settings)
    keys = (env_name("api_key"), PROVIDER_VARIABLE)
    text = key.reveal() if key else NO_KEY
    variables = {
        "OPENAI_BASE_URL": settings.base_url,
        "OPENAI_API_BASE": settings.base_url,
        "OPENAI_API_KEY": text,
        env_name("base_url"): settings.base_url,
    }
    if key:
        variables |= dict.fromkeys(keys, text)
    variables |= _model(settings) | _for_ocx(settings)
    removed = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", env_name("sandbox"))
    return ToolEnvironment(variables, removed if key else (*removed, *keys, FILE_VARIABLE), key)


def _model(settings: Settings) -> dict[str, str]:
    if settings.sources["model"].kind is SourceKind.DEFAULT:
        return {}
    return {"OPENAI_MODEL": settings.model, env_name("model"): settings.model}


def _for_ocx(settings: Settings) -> dict[str, str]:
    """So that an `ocx` below sees what this one does: its profile, and the flags of this call."""
    found = {}
    if settings.profile != DEFAULT_PROFILE:
        found[env_name("profile")] = settings.profile
    for setting in SETTINGS:
        if setting.variable and setting.name != "base_url" and settings.from_flag(setting.name):
            found[setting.variable] = str(getattr(settings, setting.name))
    return found

"""The next step after an error, where the settings know more than the server's answer tells."""

from __future__ import annotations

from ocx.config.settings import Settings
from ocx.errors import AuthError, NetworkError, OcxError


def advise(error: OcxError, settings: Settings) -> None:
    """Give `error` the hint that fits the endpoint of `settings`, if there is a better one."""
    if isinstance(error, AuthError) and error.status is not None and settings.auth == "none":
        error.hint = (
            f"no key was sent: profile {settings.profile} has auth = none; if it needs one:"
            f" `ocx -P {settings.profile} config unset auth`, then `ocx keys add`"
        )
    elif isinstance(error, NetworkError) and "Connection refused" in error.message:
        error.hint = f"is the server running? `{_doctor(settings)}` tells more"


def _doctor(settings: Settings) -> str:
    words = ["ocx"]
    if settings.from_flag("base_url"):
        words += ["--base-url", settings.base_url]
    elif settings.profile != "default":
        words += ["-P", settings.profile]
    return " ".join([*words, "doctor"])

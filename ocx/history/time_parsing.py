"""Times as people type them: `30d`, `12h`, `2026-01-31`, `2026-01-31T12:00`."""

from __future__ import annotations

import re
from datetime import datetime

from ocx.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"([0-9]{1,6})([smhdw])")


def parse_age(text: str, option: str) -> float:
    """Seconds of `90s`, `15m`, `12h`, `30d` or `2w`.

    Raises:
        UsageError: it is not an age.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"{option} takes an age like 30d, 12h or 2w, not {text!r}")
    return int(match.group(1)) * _SECONDS[match.group(2)]


def parse_time(text: str, option: str, now: float) -> float:
    """Seconds since the epoch: an age before `now`, or a date in local time (ISO 8601).

    Raises:
        UsageError: it is neither.
    """
    if _AGE.fullmatch(text):
        return now - parse_age(text, option)
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{option} takes a date like 2026-01-31 or an age like 7d, not {text!r}"
        ) from None

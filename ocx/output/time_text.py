"""Times as a person reads them: how long ago, and the date of what is long ago."""

from __future__ import annotations

import time
from datetime import date, datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LONG_AGO_DAYS = 30


def now() -> datetime:
    """In local time."""
    return datetime.fromtimestamp(time.time()).astimezone()


def ago(when: datetime, at: datetime) -> str:
    """`40 s ago`, `3 h ago`, `2 days ago`, and the ISO date of what is more than a month ago.

    A time in the future, of another clock, is its date and minute.
    """
    seconds = int((at - when).total_seconds())
    if seconds < 0:
        return when.isoformat(" ", "minutes")[:16]
    if seconds < _MINUTE:
        return f"{seconds} s ago"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min ago"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h ago"
    return _days(seconds // _DAY, when.date())


def day_text(day: date, today: date) -> str:
    """`today`, `yesterday`, `3 days ago`, and the ISO date of what is more than a month ago."""
    days = (today - day).days
    if days < 0:
        return day.isoformat()
    return ("today", "yesterday")[days] if days < 2 else _days(days, day)


def _days(days: int, day: date) -> str:
    if days > _LONG_AGO_DAYS:
        return day.isoformat()
    return "1 day ago" if days == 1 else f"{days} days ago"

"""Which calls a command is about, as SQL conditions; times as people type them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ocx.errors import UsageError

# Scripts without spaces between words: the full-text index sees a sentence as one word.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class Filters:
    """Every condition that is set must hold.

    Attributes:
        since, until: seconds since the epoch; `until` itself is excluded.
        model: id asked for or returned.
        conversation: a name, or an id in digits.
        text: words that all stand in prompt or answer.
    """

    since: float | None = None
    until: float | None = None
    model: str | None = None
    profile: str | None = None
    conversation: str | None = None
    text: str | None = None
    ids: tuple[int, ...] | None = None

    @property
    def selects(self) -> bool:
        """Whether there is any condition: without one, all calls are meant."""
        return self != Filters()

    def where(self) -> tuple[str, list[Any]]:
        """A condition on the tables `call` and `conversation`, and its values."""
        simple = (
            ("call.started >= ?", self.since),
            ("call.started < ?", self.until),
            ("? IN (call.model, call.model_returned)", self.model),
            ("call.profile = ?", self.profile),
        )
        conditions: list[tuple[str, list[Any]]] = [("1", [])]
        conditions += [(sql, [value]) for sql, value in simple if value is not None]
        if self.conversation is not None:
            word = self.conversation
            number = int(word) if word.isascii() and word.isdigit() and len(word) < 19 else None
            either = "(conversation.name = ? OR conversation.id = ?)"
            conditions.append((either, [word, number]))
        if self.text is not None:
            conditions += _words(self.text)
        if self.ids is not None:
            marks = ",".join("?" * len(self.ids))
            # As texts, which SQLite reads as numbers: Python's may be too large for it.
            conditions.append((f"call.id IN ({marks})", [*map(str, self.ids)]))
        where = " AND ".join(condition for condition, _ in conditions)
        return where, [value for _, values in conditions for value in values]


def profile_filter(flags: Mapping[str, Any]) -> str | None:
    """The profile that a call names; a default profile must not hide the others' calls."""
    name: str | None = flags.get("profile")
    return "sandbox" if flags.get("sandbox") and name is None else name


def _words(text: str) -> list[tuple[str, list[Any]]]:
    """Each word a phrase for the index; one without spaces in its script is looked for as is."""
    words = text.split()
    spaced = [word for word in words if not _UNSPACED.search(word)]
    conditions: list[tuple[str, list[Any]]] = [
        ("instr(lower(call.prompt || char(10) || call.answer), lower(?)) > 0", [word])
        for word in words
        if word not in spaced
    ]
    if spaced or not words:
        quoted = " ".join('"' + word.replace('"', '""').replace("\0", "") + '"' for word in spaced)
        match = "call.id IN (SELECT rowid FROM call_text WHERE call_text MATCH ?)"
        conditions.append((match, [quoted or '""']))
    return conditions


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"([0-9]{1,6})([smhdw])")


def parse_age(text: str, option: str) -> float:
    """Seconds of `90s`, `15m`, `12h`, `30d` or `2w`.

    Raises:
        UsageError: it is not an age.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"{option} takes an age like 30d, 12h or 2w, not {text!r}")
    return int(match.group(1)) * _UNITS[match.group(2)]


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
        what = "a date like 2026-01-31 or an age like 7d"
        raise UsageError(f"{option} takes {what}, not {text!r}") from None

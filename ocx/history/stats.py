"""Tokens and credits by day and model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ocx.history.call import Entry


@dataclass
class Day:
    """What one model took on one day (local time).

    Attributes:
        day: ISO 8601.
        prompt_tokens, completion_tokens, credits: the sums of what is known.
        unknown: how many calls took an unknown number of credits.
        uncounted: how many have no tokens: the server did not count them.
    """

    day: str
    model: str
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    credits: Decimal = Decimal(0)
    unknown: int = 0
    uncounted: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def add(self, entry: Entry) -> None:
        self.calls += 1
        prompt, completion = entry.tokens("prompt_tokens"), entry.tokens("completion_tokens")
        self.prompt_tokens += prompt or 0
        self.completion_tokens += completion or 0
        self.uncounted += prompt is None and completion is None
        if entry.credits is None:
            self.unknown += 1
        else:
            self.credits += entry.credits


def by_day(entries: Iterable[Entry]) -> list[Day]:
    """One row a day and model, oldest first."""
    days: dict[tuple[str, str], Day] = {}
    for entry in entries:
        key = (entry.when.date().isoformat(), entry.model)
        days.setdefault(key, Day(*key)).add(entry)
    return [days[key] for key in sorted(days)]

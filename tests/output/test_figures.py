"""Times and usage as a person reads them; no number is made up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ocx.api.answer import Answer
from ocx.output.figures import ago, day_text, usage_line

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(), "0 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(hours=24), "1 day ago"),
        (timedelta(days=30), "30 days ago"),
        (timedelta(days=31), "2026-02-28"),
        (timedelta(minutes=-5), "2026-03-31 12:05"),
    ],
)
def test_ago(age: timedelta, text: str) -> None:
    assert ago(NOW - age, NOW) == text


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ("2026-03-31", "today"),
        ("2026-03-30", "yesterday"),
        ("2026-03-29", "2 days ago"),
        ("2026-02-28", "2026-02-28"),
        ("2026-04-01", "2026-04-01"),
    ],
)
def test_days(day: str, text: str) -> None:
    assert day_text(date.fromisoformat(day), NOW.date()) == text


def used(*counts: object, cached: object = None, reasoning: object = None) -> dict[str, Any]:
    """A usage of as many of its three counts as are given."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    details = {
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    return {**dict(zip(names, counts, strict=False)), **details}


UNKNOWN = "? prompt + ? completion = ? tokens, 2.00 s"


@pytest.mark.parametrize(
    ("usage", "first", "line"),
    [
        (None, None, "tokens unknown (the server sent none), 2.00 s"),
        ({"prompt_tokens": 20}, None, "20 prompt + ? completion = ? tokens, 2.00 s"),
        (used(20, 10, 30), 0.5, "20 prompt + 10 completion = 30 tokens, first token after 0.50 s,"
         " 2.00 s, 5 tokens/s"),
        (used(20, 10, 30, cached=15, reasoning=4), None, "20 prompt (15 cached) + 10 completion"
         " (4 reasoning) = 30 tokens, 2.00 s, 5 tokens/s"),
        (used(20, cached=0, reasoning="\x1b[2J"), None,
         "20 prompt + ? completion = ? tokens, 2.00 s"),
        (used(float("inf"), 10**400, -1), None, UNKNOWN),
        (used("\x1b[2J", True, [1]), None, UNKNOWN),
    ],
)  # fmt: skip
def test_usage_line(usage: dict[str, Any] | None, first: float | None, line: str) -> None:
    answer = Answer(usage=usage, seconds=2.0, first_token_seconds=first)
    assert usage_line(answer) == f"usage: {line}"

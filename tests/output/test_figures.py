"""Times and usage as a person reads them; no number is made up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

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


@pytest.mark.parametrize(
    ("usage", "first", "line"),
    [
        (None, None, "usage: tokens unknown (the server sent none), 2.00 s"),
        (
            {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
            0.5,
            "usage: 20 prompt + 10 completion = 30 tokens, first token after 0.50 s, 2.00 s,"
            " 5 tokens/s",
        ),
        (
            {
                "prompt_tokens": 20,
                "completion_tokens": 10,
                "total_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 15},
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            None,
            "usage: 20 prompt (15 cached) + 10 completion (4 reasoning) = 30 tokens, 2.00 s,"
            " 5 tokens/s",
        ),
        (
            {
                "prompt_tokens": 20,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": "\x1b[2J"},
            },
            None,
            "usage: 20 prompt + ? completion = ? tokens, 2.00 s",
        ),
        ({"prompt_tokens": 20}, None, "usage: 20 prompt + ? completion = ? tokens, 2.00 s"),
        (
            {"prompt_tokens": float("inf"), "completion_tokens": 10**400, "total_tokens": -1},
            None,
            "usage: ? prompt + ? completion = ? tokens, 2.00 s",
        ),
        (
            {"prompt_tokens": "\x1b[2J", "completion_tokens": True, "total_tokens": [1]},
            None,
            "usage: ? prompt + ? completion = ? tokens, 2.00 s",
        ),
    ],
)
def test_usage_line(usage: dict[str, Any] | None, first: float | None, line: str) -> None:
    assert usage_line(usage, 2.0, first) == line

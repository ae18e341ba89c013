"""How long ago something was, for a person."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ocx.output.figures import ago, day_text

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

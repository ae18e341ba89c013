from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from ocx.errors import UsageError
from ocx.history.call import Entry, by_day
from ocx.history.filters import parse_age, parse_time

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)],
)
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text, "--older-than") == seconds
    assert parse_time(text, "--since", NOW) == NOW - seconds


@pytest.mark.parametrize("text", ["", "30", "d", "1.5h", "-3d", "30 d", "9999999d", "١d", "1y"])
def test_bad_ages(text: str) -> None:
    with pytest.raises(UsageError, match="--older-than takes an age"):
        parse_age(text, "--older-than")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-01-31", datetime(2026, 1, 31)),
        ("2026-01-31T12:30", datetime(2026, 1, 31, 12, 30)),
        ("2026-01-31 12:30:05", datetime(2026, 1, 31, 12, 30, 5)),
        ("2026-01-31T12:30:00+08:00", datetime.fromisoformat("2026-01-31T12:30:00+08:00")),
    ],
)
def test_dates_are_local(text: str, date: datetime) -> None:
    assert parse_time(text, "--since", NOW) == date.timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "31.01.2026", "2026-13-01", "0001-01-01x"])
def test_bad_dates(text: str) -> None:
    with pytest.raises(UsageError, match="--since takes a date"):
        parse_time(text, "--since", NOW)


def entry(number: int, day: int, model: str, credits: str | None) -> Entry:
    return Entry(
        id=number,
        conversation=1,
        started=datetime(2026, 1, day, 12).timestamp(),
        profile="p",
        base_url="u",
        model=model,
        outcome="finished",
        exit_code=0,
        seconds=1,
        usage={"prompt_tokens": 10, "completion_tokens": 5},
        credits=None if credits is None else Decimal(credits),
    )


def test_sums_by_day_and_model() -> None:
    """Unknown credits are counted, never added as 0."""
    rows = by_day(
        [
            entry(1, 2, "b", "0.1"),
            entry(2, 2, "b", "0.2"),
            entry(3, 2, "a", None),
            entry(4, 1, "b", "1"),
        ]
    )
    assert [(row.day, row.model, row.calls, row.tokens) for row in rows] == [
        ("2026-01-01", "b", 1, 15),
        ("2026-01-02", "a", 1, 15),
        ("2026-01-02", "b", 2, 30),
    ]
    assert [(row.credits, row.unknown) for row in rows] == [
        (Decimal("1"), 0),
        (Decimal("0"), 1),
        (Decimal("0.3"), 0),
    ]

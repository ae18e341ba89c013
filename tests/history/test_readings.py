"""Readings of the balance beside the calls, and what they foretell."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.history.call import DAY, SLACK, Forecast, Point, forecast
from ocx.history.filters import Filters
from ocx.history.store import Account, History, Reading, keep_readings, points
from tests.history.test_store import call, user

HERE = Account("default", "https://opencodex.hk/api/v1")


def test_each_account_and_unit_has_its_own(tmp_path: Path) -> None:
    exact = Decimal("0.10000000000000000001")
    keep_readings(tmp_path, HERE, [Reading(2, "credits", exact), Reading(1, "CNY", Decimal(7))])
    for other in (Account("work", HERE.base_url), Account("default", "http://127.0.0.1:1/v1")):
        keep_readings(tmp_path, other, [Reading(3, "credits", Decimal(9))])
    assert points(tmp_path, HERE, "credits", 0) == [(2, exact)]
    assert points(tmp_path, HERE, "CNY", 0) == [(1, Decimal(7))]
    assert points(tmp_path, HERE, "credits", 2.5) == []
    assert points(tmp_path, HERE, "USD", 0) == []


def test_looking_makes_no_file(tmp_path: Path) -> None:
    assert points(tmp_path, HERE, "credits", 0) == []
    assert list(tmp_path.iterdir()) == []


def test_very_old_ones_go(tmp_path: Path) -> None:
    for day in (0, 300, 500):
        keep_readings(tmp_path, HERE, [Reading(day * 86_400, "credits", Decimal(day))])
    assert [amount for _, amount in points(tmp_path, HERE, "credits", 0)] == [300, 500]


def test_removing_all_calls_removes_them(tmp_path: Path) -> None:
    keep_readings(tmp_path, HERE, [Reading(1, "credits", Decimal(7))])
    with History(tmp_path) as history:
        for _ in range(2):
            history.record(call(), user("hi"))
        history.remove(Filters(ids=(1,)))
        assert points(tmp_path, HERE, "credits", 0)
        history.remove(Filters())
    assert not points(tmp_path, HERE, "credits", 0)


NOW = 1_767_268_800.0
WEEK = 7 * DAY


def told(*days_and_amounts: tuple[float, str], left: str, over: float = WEEK) -> Forecast:
    """The forecast from readings so many days ago."""
    points = [Point(NOW - days * DAY, Decimal(amount)) for days, amount in days_and_amounts]
    return forecast(points, Decimal(left), NOW, over)


@pytest.mark.parametrize(
    ("before", "left", "a_day", "days"),
    [
        ([(2, "120")], "100", "10", "10"),
        ([(4, "140"), (2, "120")], "100", "10", "10"),
        ([(4, "20"), (3, "10"), (2, "110")], "90", "7.5", "12"),  # topped up by 100
        ([(2, "50")], "90", "0", None),  # only topped up
        ([(2, "100")], "100", "0", None),
        ([(2, "10")], "0", "5", "0"),
        ([(2, "0")], "-10", "5", "0"),
        ([(8, "900"), (2, "120")], "100", "10", "10"),  # before the time looked at
        ([(7.001, "170")], "100", "10", "10"),  # a weekly cron job
        ([(2, "120"), (-1, "0")], "100", "10", "10"),  # of another clock
        ([(1, "110")], "100", "10", "10"),
        ([(0.998, "110")], "100", "10.02", "9.98"),  # a daily cron job, late by three minutes
        ([(0.9, "110")], "100", None, None),
        ([], "100", None, None),
    ],
)
def test_a_forecast(
    before: list[tuple[float, str]], left: str, a_day: str | None, days: str | None
) -> None:
    found = told(*before, left=left)

    def cents(amount: Decimal | str | None) -> Decimal | None:
        return None if amount is None else Decimal(amount).quantize(Decimal("0.01"))

    assert (cents(found.a_day), cents(found.days)) == (cents(a_day), cents(days))
    assert found.endless == (a_day == "0" and Decimal(left) > 0)


def test_an_empty_account_that_spends_nothing_is_not_endless() -> None:
    """Nor unknown: it lasts for no day, readings or not."""
    for found in (told((2, "0"), left="0"), told(left="0"), told(left="-2")):
        assert (found.days, found.endless) == (0, False)


def test_what_has_no_limit_has_no_end() -> None:
    found = forecast([], None, NOW, WEEK)
    assert (found.endless, found.days, found.readings) == (True, None, 0)


def test_a_gap_is_shared_among_its_days() -> None:
    found = told((3, "130"), left="100")
    assert sum(spent for _, spent in found.by_day) == pytest.approx(Decimal(30))
    assert len(found.by_day) in {3, 4}
    assert [day for day, _ in found.by_day] == sorted(day for day, _ in found.by_day)
    assert all(spent <= Decimal("10.5") for _, spent in found.by_day)


AMOUNTS = st.decimals(0, 10_000, places=3)
POINTS = st.lists(
    st.builds(Point, st.floats(NOW - 9 * DAY, NOW + DAY, allow_nan=False), AMOUNTS), max_size=12
)


@given(POINTS, AMOUNTS, st.randoms())
def test_spending_is_the_sum_of_what_fell(
    points: list[Point], left: Decimal, random: object
) -> None:
    found = forecast(points, left, NOW, WEEK)
    shuffled = list(points)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert forecast(shuffled, left, NOW, WEEK).spent == found.spent
    assert found.spent >= 0
    assert abs(sum((spent for _, spent in found.by_day), Decimal(0)) - found.spent) < Decimal(
        "0.000001"
    )
    assert (found.a_day is None) == (found.seconds < DAY - SLACK)
    if found.days is not None and found.a_day is not None:
        assert abs(found.days * found.a_day - left) < Decimal("0.000001")

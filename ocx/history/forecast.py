"""How long the credits last, by what was spent between readings of the balance; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

DAY = 86_400.0
SLACK = 600.0
"""Seconds: the runs of a daily or weekly cron job are never quite a day or a week apart."""


class Point(NamedTuple):
    """What was left at a time in seconds since the epoch."""

    at: float
    amount: Decimal


@dataclass(frozen=True)
class Forecast:
    """What was spent, and what follows from it.

    Attributes:
        amount: what is left now; None if there is no limit.
        over: seconds that it looks back.
        readings: how many there are in that time.
        seconds: between the first and the last of them.
        spent: between them. A balance that rises was topped up, which is not spending.
        by_day: what was spent on each day (local time), oldest first.
    """

    amount: Decimal | None
    over: float
    readings: int
    seconds: float
    spent: Decimal
    by_day: tuple[tuple[date, Decimal], ...]

    @property
    def a_day(self) -> Decimal | None:
        """What was spent a day; None with readings of less than a day."""
        if self.seconds < DAY - SLACK:
            return None
        return self.spent * Decimal(DAY) / Decimal(self.seconds)

    @property
    def days(self) -> Decimal | None:
        """For how long it lasts; None if that is unknown, or if there is no end in sight."""
        if self.amount is not None and self.amount <= 0:
            return Decimal(0)
        if self.amount is None or not self.a_day:
            return None
        return self.amount / self.a_day

    @property
    def endless(self) -> bool:
        """No limit, or nothing was spent, so any number of days is surely there."""
        return self.amount is None or (self.a_day == 0 and self.amount > 0)


def forecast(points: Sequence[Point], amount: Decimal | None, now: float, over: float) -> Forecast:
    """By the readings of the last `over` seconds, in any order; `amount` is read now."""
    found = sorted(point for point in points if now - over - SLACK <= point.at <= now)
    if amount is not None:
        found.append(Point(now, amount))
    days: dict[date, Decimal] = {}
    spent = Decimal(0)
    for before, after in pairwise(found):
        drop = max(Decimal(0), before.amount - after.amount)
        spent += drop
        for day, part in _shares(before.at, after.at):
            days[day] = days.get(day, Decimal(0)) + drop * part
    seconds = found[-1].at - found[0].at if found else 0.0
    return Forecast(amount, over, len(found), seconds, spent, tuple(days.items()))


def _shares(start: float, end: float) -> Iterator[tuple[date, Decimal]]:
    """The days between two times, each with its share of them."""
    at = start
    while True:
        day = datetime.fromtimestamp(at).astimezone().date()
        midnight = datetime.combine(day + timedelta(days=1), time()).astimezone().timestamp()
        until = min(end, max(midnight, at + 1))
        whole = end - start
        yield day, Decimal(until - at) / Decimal(whole) if whole else Decimal(1)
        if until >= end:
            return
        at = until

"""`--max-credits` and `--min-balance`: rows are sent only while their worst case fits.

Every row in flight holds what it may cost at most: by the model's price, else the largest cost
seen times 1.5. Until a cost is known rows go one at a time. A failure that may have been charged
counts with its hold.

How far it can go over:
- `--max-credits` with a price: not at all, if the server charges that price and keeps max_tokens.
- `--max-credits` without: by what the rows in flight cost more than 1.5 times the largest before.
  If only the balance tells the costs, these are the rows since the last reading too, three times
  -j at most, and "the largest" is the mean of a reading.
- `--min-balance`: the balance is read again before the rows sent since have held an eighth of
  what is left, or one row a worker. With S runs at once, up to eight, it can fall below by the
  worst case of S times -j rows. Whatever the answers say they cost, it is read every 5 s or 200
  answers, and before the end: a server that lies takes what it takes between two readings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from ocx.batch.control import RunLimits

MARGIN = Decimal("1.5")
_SHARE = 8
READ_EVERY = 5.0
READ_AFTER = 200
_NONE = Decimal(0)
_PLENTY = Decimal("Infinity")

Admission = Literal["go", "wait", "read", "over"]
Limit = Literal["max_credits", "min_balance"]


class _Reading(NamedTuple):
    """Where things stood when the balance was asked for."""

    spent: Decimal
    assumed: Decimal
    unknown_rows: int


class Budget:
    """What is spent and reserved, and whether one more row fits.

    Attributes:
        has_floor: there is a limit of the balance.
        spent: credits that are known to be charged.
        assumed: the holds of requests whose cost is not known (yet).
        held: the holds of the requests in flight.
        by_balance: a cost was read from the balance, which others may spend too.
    """

    def __init__(self, limits: RunLimits) -> None:
        self._limits = limits
        self.has_floor = limits.min_balance is not None
        self.spent = self.assumed = self.held = _NONE
        self.balance: Decimal | None = None
        self.by_balance = False
        self._largest: Decimal | None = None
        self._in_flight = 0
        self._unknown_rows = 0
        self._reading: _Reading | None = None
        self._spent_at_balance = _NONE
        self._committed = _NONE  # worst cases since the last reading began
        self._news = True  # something ended since then, so reading again can help
        self._ended = 0  # requests, since then
        self._read_at = -math.inf

    def begin_run(self) -> None:
        """What an earlier run left in flight will not be settled, and may be charged."""
        self.assumed += self.held
        self._unknown_rows += self._in_flight
        self.held, self._in_flight, self._reading = _NONE, 0, None
        self._news = True

    def worst(self, body: Mapping[str, Any]) -> Decimal | None:
        """What a request may cost, None while nothing is known."""
        worst = self._limits.worst(body)
        if worst is None and self._largest is not None:
            return self._largest * MARGIN
        return worst

    def admit(self, body: Mapping[str, Any]) -> Admission:
        """Whether a row may be sent now; `read` asks for the balance first."""
        if not self._limits.has_budget:
            return "go"
        if self.balance is None:
            return "wait" if self._reading else "read"
        worst = self.worst(body)
        left = min(self._left_credits(), self._left_balance())
        if left <= 0 or left < (worst or _NONE):
            return self._look_again(last="over")
        if worst is None:
            alone = not (self._in_flight or self._reading or self._unknown_rows)
            return "go" if alone else self._look_again(last="go")
        return self._current(worst)

    def short_of(self, body: Mapping[str, Any]) -> Limit:
        """Which limit a row does not fit in; the floor, which is an alarm, if it is both."""
        left = self._left_balance()
        below = left <= 0 or left < (self.worst(body) or _NONE)
        return "min_balance" if below else "max_credits"

    @property
    def owes_reading(self) -> bool:
        """Rows have ended whose cost, or whose floor, only a last look at the balance can tell."""
        floor = self.has_floor and self.balance is not None  # else nothing was sent
        unknown = self._limits.has_budget and self._unknown_rows > 0
        return self._news and not self._reading and (floor or unknown)

    @property
    def is_below(self) -> bool:
        """The balance, as it was read last, is below the floor."""
        return self._above_floor() < 0

    def due(self, now: float) -> Admission:
        """`read` if it is time to look at the balance, whatever the answers say they cost."""
        if not self.has_floor or not self._news or self.balance is None:
            return "go"
        if self._ended < READ_AFTER and now - self._read_at < READ_EVERY:
            return "go"
        return "wait" if self._reading else "read"

    def hold(self, body: Mapping[str, Any]) -> Decimal:
        """Reserve the worst case of a row that is sent; give it back to `settle`."""
        worst = self.worst(body) or _NONE
        self.held += worst
        self._committed += worst
        self._in_flight += 1
        return worst

    def settle(self, hold: Decimal, cost: Decimal | None, *, charged: bool = True) -> None:
        """A request is over.

        Args:
            cost: what it took; None if that is not known.
            charged: it may have cost something although `cost` is not known.
        """
        self._in_flight -= 1
        self._ended += 1
        self.held -= hold
        self._news = True
        if cost is not None:
            self.spent += cost
            self._learn(cost)
        elif charged:
            self.assumed += hold
            self._unknown_rows += 1

    def begin_reading(self, now: float) -> None:
        """The balance is asked for now; what ends from now on may not be in the answer."""
        self._read_at, self._ended = now, 0
        self._reading = _Reading(self.spent, self.assumed, self._unknown_rows)
        self._committed = self.held
        self._news = False

    def give_up_reading(self) -> None:
        """It cannot be read: what it would have told stays assumed."""
        self._reading = None

    def read(self, balance: Decimal) -> None:
        """The balance as it was read."""
        before, self.balance = self.balance, balance
        reading, self._reading = self._reading or _Reading(self.spent, _NONE, 0), None
        known = reading.spent - self._spent_at_balance
        self._spent_at_balance = reading.spent
        if before is None or not before.is_finite() or not reading.unknown_rows:
            return
        fallen = before - balance - known
        if fallen <= 0:  # not booked yet, or credits were added: it stays assumed
            return
        self.by_balance = True
        self.assumed -= reading.assumed
        self._unknown_rows -= reading.unknown_rows
        self.spent += fallen
        self._spent_at_balance += fallen
        self._learn(fallen / reading.unknown_rows)

    def _learn(self, cost: Decimal) -> None:
        self._largest = max(cost, self._largest or _NONE)

    def _look_again(self, last: Admission) -> Admission:
        """Read the balance if that can tell more, wait if something is under way, else `last`."""
        if self._reading:
            return "wait"
        if self._news and (self._unknown_rows or self.has_floor):
            return "read"
        return "wait" if self._in_flight else last

    def _current(self, worst: Decimal) -> Admission:
        """Go, unless too much has happened since the balance was read."""
        allowance = max(self._above_floor() / _SHARE, worst * self._limits.workers)
        too_much = self._committed + worst > allowance
        if self._reading:
            return "wait" if too_much or self._unknown_rows >= 2 * self._limits.workers else "go"
        if self._news and (too_much or self._unknown_rows >= self._limits.workers):
            return "read"
        return "wait" if too_much and self._in_flight else "go"

    def _left_credits(self) -> Decimal:
        most = self._limits.max_credits
        return _PLENTY if most is None else most - self.spent - self.assumed - self.held

    def _left_balance(self) -> Decimal:
        since = self.spent - self._spent_at_balance
        return self._above_floor() - since - self.assumed - self.held

    def _above_floor(self) -> Decimal:
        """What is left of the balance, as it was read last; plenty where there is no floor."""
        least = self._limits.min_balance
        return _PLENTY if least is None or self.balance is None else self.balance - least

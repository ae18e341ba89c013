"""When a row may be sent: concurrency, rates, outages and budgets. Pure: time comes in as `now`.

Here: the limits of a run, a row on its way, and what the scheduler asks to be done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from ocx.api.prices import Price, worst_of
from ocx.batch.row import Row, RowAnswer
from ocx.errors import OcxError, UsageError

MAX_OUTAGE = 600.0
DRAIN = 10.0
"""Seconds that requests in flight may take after Ctrl-C."""

_FEWEST_FOR_PERCENT = 20
_FORM = re.compile(r"(\d{1,9})(%|-in-a-row)?")


@dataclass
class MaxFailures:
    """More failures than this stop the run; per cent count from 20 finished rows on."""

    most: int
    unit: str = ""
    failed: int = 0
    finished: int = 0
    in_a_row: int = 0

    def add(self, *, failed: bool) -> bool:
        """Count a finished row; whether that was one too many."""
        self.finished += 1
        self.failed += failed
        self.in_a_row = self.in_a_row + 1 if failed else 0
        if not failed:
            return False
        if self.unit == "%":
            enough = self.finished >= _FEWEST_FOR_PERCENT
            return enough and self.failed * 100 > self.most * self.finished
        return (self.in_a_row if self.unit else self.failed) > self.most


def parse_max_failures(text: str) -> MaxFailures:
    """`10`, `5%` or `10-in-a-row`. Raises: UsageError."""
    match = _FORM.fullmatch(text)
    if match is None or (match[2] == "%" and int(match[1]) > 100):
        raise UsageError(
            f"--max-failures takes a number or a percentage, not {text!r}",
            hint="for example --max-failures 10, 5% or 10-in-a-row",
        )
    return MaxFailures(int(match[1]), match[2] or "")


@dataclass(frozen=True)
class RunLimits:
    """What a run keeps to.

    Attributes:
        workers: requests at once, at most.
        retries: attempts of a row after the first; 429 answers and outages do not count.
        fallbacks: models that a row is sent to in turn if its own cannot answer.
        max_outage: seconds without the server, or of nothing but 429, until the run stops.
        prices: by model.
        requests: for one row, at most: a schema may ask again.
    """

    workers: int = 32
    retries: int = 2
    rpm: float | None = None
    tpm: float | None = None
    max_outage: float = MAX_OUTAGE
    max_failures: Sequence[MaxFailures] = ()
    fallbacks: Sequence[str] = ()
    max_credits: Decimal | None = None
    min_balance: Decimal | None = None
    prices: Mapping[str, Price] | None = None
    requests: int = 1

    @property
    def has_budget(self) -> bool:
        return self.max_credits is not None or self.min_balance is not None

    def worst(self, body: Mapping[str, Any]) -> Decimal | None:
        """The most that a request may cost, with the dearest model that may be asked."""
        return worst_of(body, self.fallbacks, self.prices or {}, self.requests)

    def cost(self, body: Mapping[str, Any], answer: RowAnswer) -> tuple[Decimal | None, str]:
        """What an answer cost, None if that is unknown, and who says so."""
        if answer.credits is not None:
            return answer.credits, "response"
        price = (self.prices or {}).get(str(body.get("model")))
        cost = price.of_usage(answer.usage) if price else None
        return cost, "unknown" if cost is None else "price"


class Stop(NamedTuple):
    """Why a run ended early; `error` is what the user is told."""

    reason: str
    error: OcxError | None = None


@dataclass(slots=True)
class Task:
    """One row over all its attempts.

    Attributes:
        attempts: requests sent for it so far.
        retries: of those, the ones that count against the limit.
        refusals: 429 answers of the model that it is sent to.
        unanswered: requests sent again although they may have been charged, of earlier runs too.
        tokens: what the tokens' limits are charged for it.
        cuts_before, rate_cuts_before: cuts of the window and of the rate when it was sent.
        hold: credits that are reserved for it.
        credits: that it took so far; None if they are not all known.
    """

    row: Row
    sha256: str
    tokens: int = 0
    attempts: int = 0
    retries: int = 0
    refusals: int = 0
    began: float = 0.0
    cuts_before: int = 0
    rate_cuts_before: int = 0
    requests_before: float = 0.0
    tokens_before: float = 0.0
    hold: Decimal = Decimal(0)
    credits: Decimal | None = Decimal(0)
    unanswered: int = 0

    def charge(self, cost: Decimal | None) -> None:
        """Add what an attempt took; from one on that is unknown, so is the sum."""
        self.credits = None if cost is None or self.credits is None else self.credits + cost


class Wait(NamedTuple):
    """Nothing may be sent for so many seconds, None until something else happens."""

    seconds: float | None = None


class Step(Enum):
    """PROBE asks GET /models whether the server is there; FINISHED: nothing will be sent again."""

    PROBE = 0
    READ_BALANCE = 1
    FINISHED = 2


Action = Task | Step | Wait
"""A Task is sent."""

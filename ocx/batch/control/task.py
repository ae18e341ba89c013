"""A row on its way, and what the scheduler asks to be done."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ocx.batch.rows.row import Row


@dataclass(slots=True)
class Task:
    """One row over all its attempts.

    Attributes:
        attempts: requests sent for it so far.
        retries: of those, the ones that count against the limit.
        refusals: 429 answers of the model that it is sent to.
        unanswered: requests sent again although they may have been charged, of earlier runs too.
        tokens: what the tokens' limits are charged for it.
    """

    row: Row
    sha256: str
    tokens: int = 0
    attempts: int = 0
    retries: int = 0
    refusals: int = 0
    began: float = 0.0
    episode: int = 0
    pace_episode: int = 0
    requests_before: float = 0.0
    tokens_before: float = 0.0
    hold: Decimal = Decimal(0)
    credits: Decimal = Decimal(0)
    cost_known: bool = True
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class Send:
    task: Task


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask GET /models whether the server is there."""


@dataclass(frozen=True, slots=True)
class ReadBalance:
    """Ask GET /balance."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may be sent for so many seconds, None until something else happens."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing will ever be sent again."""


Action = Send | Probe | ReadBalance | Wait | Over

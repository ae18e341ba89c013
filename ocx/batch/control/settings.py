"""What a run keeps to, and why it may end early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ocx.batch.control.budget import BudgetLimits
from ocx.batch.control.failures import MaxFailures
from ocx.errors import OcxError

MAX_OUTAGE = 600.0


@dataclass(frozen=True)
class RunLimits:
    """Attributes:
    workers: requests at once, at most.
    retries: attempts of a row after the first; 429 answers and outages do not count.
    fallbacks: models that a row is sent to in turn if its own cannot answer.
    max_outage: seconds without the server, or of nothing but 429, until the run stops.
    """

    workers: int = 32
    retries: int = 2
    rpm: float | None = None
    tpm: float | None = None
    max_outage: float = MAX_OUTAGE
    limits: BudgetLimits = field(default_factory=BudgetLimits)
    max_failures: Sequence[MaxFailures] = ()
    fallbacks: Sequence[str] = ()


@dataclass(frozen=True)
class Stop:
    """Why a run ended early; `error` is what the user is told."""

    reason: str
    error: OcxError | None = None

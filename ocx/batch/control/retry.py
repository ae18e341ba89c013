"""What becomes of a row whose attempt failed."""

from __future__ import annotations

from dataclasses import dataclass

from ocx.api.retry import backoff
from ocx.batch.result import Failure
from ocx.errors import (
    AuthError,
    CreditsError,
    DeadlineError,
    NetworkError,
    RateLimitError,
    ServerError,
)

__all__ = ["LONGEST_WAIT", "Kind", "backoff", "kind_of"]

LONGEST_WAIT = 600.0
"""Seconds of Retry-After that a run waits for; beyond it stops, and `--resume` goes on."""

_UNANSWERED = frozenset({500, 502, 503, 522, 529})


@dataclass(frozen=True)
class Kind:
    """A failure as the controls see it.

    Attributes:
        limited: the server asks for fewer requests.
        overload: it, or the way to it, cannot take so many at once.
        outage: it may be down.
    """

    stop: bool = False
    limited: bool = False
    overload: bool = False
    outage: bool = False
    again: bool = False


def kind_of(failure: Failure) -> Kind:
    """`again` tells whether the same request may be sent once more in this run.

    A lost connection is: the row may have been charged already, which is counted and said. An
    answer that did not come in time is not: the next would take as long.
    """
    error = failure.error
    status = error.status or 0
    if isinstance(error, CreditsError | AuthError):
        return Kind(stop=True)
    if isinstance(error, RateLimitError):
        return Kind(limited=True, again=True)
    if isinstance(error, NetworkError):
        return Kind(overload=True, outage=True, again=True)
    if isinstance(error, DeadlineError):
        return Kind(overload=True, outage=True, again=not failure.sent)
    if isinstance(error, ServerError) and status >= 500:
        return Kind(overload=True, outage=True, again=status in _UNANSWERED)
    return Kind()

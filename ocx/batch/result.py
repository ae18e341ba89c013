"""What became of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ocx.api.answer import reason_of
from ocx.batch.row import BadRow, Row
from ocx.errors import ERRORS, OcxError

OK = "ok"
RETRYABLE = frozenset({"rate_limit", "server", "network", "timeout", "incomplete"})
"""Classes of failure that a rerun can mend; the others stay what they are."""

MAYBE_PAID = frozenset({"network", "timeout", "incomplete"})
"""Classes of failure of a request that may have been charged all the same."""

EXIT_CODES = {error.name: error.exit_code for error in ERRORS}


def rerun_helps(error: OcxError) -> bool:
    """Whether a plain `--resume` sends the row again: by its class, where the error says nothing.

    A broken tool call may be whole the next time; one that the token limit cut, or a filtered
    answer, will not.
    """
    return error.name in RETRYABLE if error.rerun_helps is None else error.rerun_helps


def finish_reason_in(body: Any) -> str | None:
    """Of the first choice of an answer, if there is one."""
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return reason_of(first) if isinstance(first, dict) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """An attempt that brought an answer.

    Attributes:
        text: what is delivered: the message, or what was extracted from it.
        body: the answer as the API sent it.
        credits: what it cost, None if that is unknown.
        requests: how many were sent for it, more than one where a schema asked again.
        raw: the body's own bytes, where it came over the network.
    """

    text: str
    body: Any
    status: int = 200
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    credits: Decimal | None = None
    credits_source: str = "unknown"
    requests: int = 1
    raw: bytes | None = None

    @property
    def usage(self) -> Mapping[str, Any] | None:
        found = self.body.get("usage") if isinstance(self.body, dict) else None
        return found if isinstance(found, dict) else None

    @property
    def finish_reason(self) -> str | None:
        return finish_reason_in(self.body)


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed.

    Attributes:
        headers: of the server's refusal, names in lower case.
        body: of the server's refusal, parsed if it is JSON.
        sent: the request went out, so it may have been answered and charged.
        credits: what is known to have been charged all the same.
        requests: how many were sent, more than one where a schema asked again.
    """

    error: OcxError
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    sent: bool = True
    credits: Decimal | None = None
    requests: int = 1


Outcome = Answer | Failure


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a row.

    Attributes:
        sha256: of the request; empty for a row that could not be read.
        seconds: from the first attempt to the end, waiting included.
        credits: of all attempts together, None if unknown.
        unanswered: attempts before the last that may have been charged without an answer.
    """

    row: Row | BadRow
    outcome: Outcome
    sha256: str = ""
    attempts: int = 0
    seconds: float = 0.0
    credits: Decimal | None = None
    credits_source: str = "unknown"
    unanswered: int = 0

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def answer(self) -> Answer | None:
        return self.outcome if isinstance(self.outcome, Answer) else None

    @property
    def error(self) -> OcxError | None:
        return self.outcome.error if isinstance(self.outcome, Failure) else None

    @property
    def text(self) -> str | None:
        return self.outcome.text if isinstance(self.outcome, Answer) else None

    @property
    def kind(self) -> str:
        """`ok`, or the name of the error's class."""
        return OK if isinstance(self.outcome, Answer) else self.outcome.error.name

    @property
    def rerun_helps(self) -> bool:
        """Whether a rerun can mend the failure."""
        return isinstance(self.outcome, Failure) and rerun_helps(self.outcome.error)

"""`--report`: how a call ended, as one JSON document in a file, whatever happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ocx.api.answer import Answer
from ocx.chat.attempts import Body
from ocx.chat.exchange import Recorder
from ocx.chat.recorder import outcome_and_exit_code
from ocx.errors import OcxError
from ocx.jsontext import compact
from ocx.secret import Secret, mask

if TYPE_CHECKING:
    from ocx.api.usage import Cost
    from ocx.output.output_file import Target
    from ocx.terminal import RedactingStderr


class CallReport:
    """Hears of each request of a call, and passes it on."""

    def __init__(self) -> None:
        self._next: Recorder | None = None
        self._requests = 0
        self._attempts = 0
        self._body: Body = {}
        self._answer = Answer()
        self._cost: Cost | None = None

    def before(self, recorder: Recorder | None) -> CallReport:
        """Itself, telling `recorder` too."""
        self._next = recorder
        return self

    def record(
        self,
        body: Body,
        started: float,
        answer: Answer,
        cost: Cost | None,
        error: BaseException | None = None,
    ) -> None:
        """Remember a request that ended."""
        self._requests += 1
        self._attempts += answer.attempts
        self._body, self._answer, self._cost = body, answer, cost
        if self._next is not None:
            self._next.record(body, started, answer, cost, error)

    def document(self, error: BaseException | None) -> dict[str, Any]:
        """What the file holds; of several requests the last one counts.

        `credits` is null if unknown; `retries` counts all requests after the first.
        """
        outcome, exit_code = outcome_and_exit_code(error)
        cost = self._cost
        known = cost is not None and cost.credits is not None
        return {
            "outcome": outcome,
            "exit_code": exit_code,
            "error": _error(error),
            "model": self._answer.model or self._body.get("model"),
            "finish_reason": self._answer.finish_reason,
            "usage": self._answer.usage,
            "credits": float(cost.credits) if cost and cost.credits is not None else None,
            "credits_source": cost.source if cost and known else "unknown",
            "seconds": round(self._answer.seconds, 3),
            "retries": max(0, self._attempts - 1),
            "request_id": self._answer.request_id or getattr(error, "request_id", None),
        }


@contextmanager
def reported(target: Target, stderr: RedactingStderr) -> Iterator[CallReport]:
    """Write a report of what happens inside, without the keys that `stderr` hides.

    Raises:
        OcxError: the file cannot be written.
    """
    report = CallReport()
    try:
        yield report
    except BaseException as error:
        _write(target, report.document(error), stderr.keys)
        raise
    _write(target, report.document(None), stderr.keys)


def _error(error: BaseException | None) -> dict[str, Any] | None:
    if not isinstance(error, OcxError):
        return None
    return {"type": error.name, "message": error.message}


def _write(target: Target, document: dict[str, Any], keys: Sequence[Secret]) -> None:
    target.write(mask(compact(document), keys).encode() + b"\n")
    target.complete()

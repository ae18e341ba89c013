"""Results as lines of JSON, for the files in which a run keeps what it may need again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ocx.batch.result import Answer, Failure, Result
from ocx.batch.row import BadRow, Row
from ocx.errors import ERRORS, OcxError

_CLASSES = {error.name: error for error in ERRORS}


def dump_result(result: Result) -> bytes:
    """One line; the row itself is not in it, but for its id."""
    outcome = result.outcome
    document: dict[str, Any] = {
        "id": result.id,
        "sha256": result.sha256,
        "attempts": result.attempts,
        "seconds": result.seconds,
        "credits": _text(result.credits),
        "source": result.credits_source,
        "unanswered": result.unanswered,
    }
    if isinstance(outcome, Answer):
        document["answer"] = {
            "text": outcome.text,
            "body": outcome.body,
            "status": outcome.status,
            "request_id": outcome.request_id,
        }
    else:
        error = outcome.error
        document["failure"] = {
            "class": error.name,
            "message": error.message,
            "status": error.status,
            "request_id": error.request_id,
            "body": outcome.body,
        }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def load_result(line: bytes, row: Row | BadRow) -> Result:
    """The result of `row` that a line holds. Raises ValueError for anything else."""
    document = json.loads(line)
    try:
        return Result(
            row,
            _outcome(document),
            document["sha256"],
            document["attempts"],
            document["seconds"],
            None if document["credits"] is None else Decimal(document["credits"]),
            document["source"],
            document.get("unanswered", 0),
        )
    except (KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise ValueError("not a result") from error


def saved_id(line: bytes) -> str:
    """The id of a saved result. Raises ValueError for a torn line."""
    document = json.loads(line)
    if not line.endswith(b"\n") or not isinstance(document, dict):
        raise ValueError("not a result")
    return str(document["id"])


def _outcome(document: Mapping[str, Any]) -> Answer | Failure:
    if "answer" in document:
        return Answer(**document["answer"])
    fields = document["failure"]
    kind = _CLASSES.get(fields["class"], OcxError)
    error = kind(fields["message"], status=fields["status"], request_id=fields["request_id"])
    return Failure(error, body=fields["body"])


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)

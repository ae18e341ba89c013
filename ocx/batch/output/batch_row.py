"""An output row of OpenAI's Batch API, with what we know besides under `ocx`.

Made and read here, so that a resumed run and `verify` understand exactly what was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ocx.api.usage import token_count
from ocx.batch.id_table import id_key
from ocx.batch.output.states import Written
from ocx.batch.output.verdict import verdict_of
from ocx.batch.result import Answer, Failure, Result
from ocx.batch.row import Row
from ocx.jsontext import encoder

ROW_PREFIX = b'{"id":"batch_req_'

_SHOWN_OF_A_LINE = 60
_encode = encoder()


def output_row(result: Result) -> dict[str, Any]:
    """A refusal by the server is a `response`; a failure without one is an `error`.

    An answer that came but is of no use (cut, or against the schema) is in both.
    """
    outcome = result.outcome
    response, error = None, None
    if isinstance(outcome, Answer):
        response = _response(outcome.status, outcome.request_id, outcome.body)
    else:
        if _is_refusal(outcome) or outcome.body is not None:
            status = outcome.error.status or 200
            response = _response(status, outcome.error.request_id, outcome.body)
        if not _is_refusal(outcome):
            error = {"code": outcome.error.name, "message": outcome.error.message}
    return {
        "id": f"batch_req_{id_key(result.id):016x}",
        "custom_id": result.id,
        "response": response,
        "error": error,
        "ocx": _ours(result),
    }


def row_line(result: Result) -> bytes:
    """The row as one line; an answer's body stands in it as it came, where that is possible."""
    answer = result.answer
    raw = _one_line(answer.raw) if answer is not None and answer.raw is not None else None
    if answer is None or raw is None:
        return encode_row(output_row(result))
    try:
        head = (
            f'{{"id":"batch_req_{id_key(result.id):016x}","custom_id":{_encode(result.id)},'
            f'"response":{{"status_code":{answer.status},'
            f'"request_id":{_encode(answer.request_id or "")},"body":'
        ).encode()
        return b"%s%s},\"error\":null,\"ocx\":%s}\n" % (
            head, raw, _encode(_ours(result)).encode()
        )  # fmt: skip
    except UnicodeEncodeError:
        return encode_row(output_row(result))


def _one_line(raw: bytes) -> bytes | None:
    """JSON that may stand in a line of UTF-8 as it is; None if it must be written anew."""
    raw = raw.strip()
    if raw[:1] != b"{" or b"\n" in raw or b"\r" in raw:
        return None
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError:
            return None
    return raw


def encode_row(document: Mapping[str, Any]) -> bytes:
    """One line of JSON with its line end."""
    try:
        return _encode(document).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair from the server: escaped, it is valid JSON
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def read_row(line: bytes) -> Written:
    """The row that a line of output holds. Raises ValueError if it is none of ours."""
    document = json.loads(line)
    if not isinstance(document, dict) or not isinstance(document.get("custom_id"), str):
        raise ValueError(f"is no output row of a batch: {line[:_SHOWN_OF_A_LINE]!r}")
    ours = document.get("ocx")
    ours = ours if isinstance(ours, dict) else {}
    verdict = verdict_of(document)
    sha256 = str(ours.get("request_sha256", ""))
    unanswered = token_count(ours, "unanswered") or 0
    return Written(document["custom_id"], verdict.kind, sha256, *verdict[1:], unanswered)


def _is_refusal(outcome: Failure) -> bool:
    status = outcome.error.status
    return status is not None and status >= 300 and outcome.error.name != "invalid_answer"


def _response(status: int | None, request_id: str | None, body: Any) -> dict[str, Any]:
    return {"status_code": status, "request_id": request_id or "", "body": body}


def _ours(result: Result) -> dict[str, Any]:
    usage = result.outcome.usage if isinstance(result.outcome, Answer) else None
    return {
        "request_sha256": result.sha256,
        "attempts": result.attempts,
        "seconds": round(result.seconds, 3),
        "usage": usage or None,
        "credits": as_number(result.credits),
        "credits_source": result.credits_source,
        "class": result.kind,
        **({"unanswered": result.unanswered} if result.unanswered else {}),
        **_model(result),
    }


def _model(result: Result) -> dict[str, str]:
    """The model that answered where it is not the one that was asked first."""
    row = result.row
    return {"model": row.model} if isinstance(row, Row) and row.instead_of is not None else {}


def as_number(amount: Decimal | None) -> float | int | None:
    """A sum of money for JSON."""
    if amount is None:
        return None
    return int(amount) if amount == amount.to_integral_value() else float(amount)

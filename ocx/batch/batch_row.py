"""An output row of OpenAI's Batch API, with what we know besides under `ocx`: made, read, judged.

What a row says became of its request is found here for a resumed run and for `verify`, whichever
program wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ocx.api.answer import ending_of, fault_of, reason_of, unknown_reason
from ocx.api.completion import fault_in
from ocx.api.error_response import from_document, from_response, parse, reported
from ocx.api.message import text_of
from ocx.api.prices import token_count
from ocx.batch.finished_rows import FinishedRow, id_key
from ocx.batch.journal import ForeignOutputError
from ocx.batch.row import EXIT_CODES, OK, RETRYABLE, Result, Row, RowAnswer, rerun_helps
from ocx.errors import IncompleteError, OcxError, ServerError
from ocx.output.balance_formats import as_number
from ocx.text import compact, encoder

_ANSWERS = ("data", "results", "output", "embeddings", "content")  # of other paths than chat


def to_finished_row(document: Mapping[str, Any]) -> FinishedRow:
    """A row is answered if it holds an answer that finished: a status of 200 alone is none.

    The class that a run of ours wrote stays, but for `ok`: what that meant was less once.
    """
    ours = document.get("ocx")
    ours = ours if isinstance(ours, dict) else {}
    row = FinishedRow(
        str(document.get("custom_id")),
        OK,
        str(ours.get("request_sha256", "")),
        unanswered=token_count(ours, "unanswered") or 0,
    )
    kind, response, error = ours.get("class"), document.get("response"), document.get("error")
    response = response if isinstance(response, dict) else None
    body = response.get("body") if response is not None else None
    body = parse(body) if isinstance(body, str) else body
    if not isinstance(kind, str) or kind == OK:
        fault = _fault(response, body, error, trusted=kind == OK)
        if fault is None:
            return row._replace(unknown_reason=unknown_reason(RowAnswer.reason_in(body)))
        kind = error.get("code") if isinstance(error, dict) else None
        if not isinstance(kind, str) or kind not in EXIT_CODES:
            return row._replace(kind=fault.name, rerun_helps=rerun_helps(fault))
    return row._replace(kind=kind, rerun_helps=_again(kind, body))


def answer_fault(body: Any) -> OcxError | None:
    """Why the body of a 200 holds no whole answer; None if it does.

    A refusal of the model is an answer; so is an empty text that ended well, as in a chat.
    """
    failure = from_document(body, {})
    if failure is not None:
        return failure
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list):  # embeddings, a ranking, OpenAI's responses
        answers = isinstance(body, dict) and any(body.get(name) for name in _ANSWERS)
        return _broken_off(body) if answers else ServerError("the response holds no answer")
    first = choices[0] if choices and isinstance(choices[0], dict) else {}
    if "text" in first and "message" not in first:  # of /completions
        return fault_of(reason_of(first), has_text=bool(first["text"]))
    try:
        fault = fault_in(body, refusal_counts=True)
    except OcxError as error:
        return error
    if fault is None and reason_of(first) is None:
        return fault_of(None, has_text=bool(text_of(first["message"].get("content"))))
    return fault


def _fault(
    response: Mapping[str, Any] | None, body: Any, error: Any, *, trusted: bool
) -> OcxError | None:
    given = response.get("status_code") if response is not None else None
    status = str(200 if given is None else given)
    refused = status[:1] != "2"
    if refused and len(status) == 3 and status.isdecimal():
        return from_response(int(status), {}, json.dumps(body).encode())
    if error:
        return reported({"error": error}, {})
    if response is None or refused:
        return ServerError("the row holds no response")
    return fault_of_another(body) if trusted else answer_fault(body)


def fault_of_another(body: Any) -> OcxError | None:
    """Of an answer to any path, whose form may be one that is not known here."""
    if isinstance(body, dict) and "choices" in body:
        return answer_fault(body)
    return from_document(body, {}) or _broken_off(body)


def _broken_off(body: Any) -> OcxError | None:
    """Of one of OpenAI's responses."""
    status = body.get("status") if isinstance(body, dict) else None
    if isinstance(status, str) and (status == "incomplete" or ending_of(status) == "failure"):
        return IncompleteError(f"the answer broke off: its status is {status}")
    return None


def _again(kind: str, body: Any) -> bool:
    """Whether a rerun helps; of two classes only the answer that came can tell."""
    fault = answer_fault(body) if body else None
    if fault is not None and fault.name == kind:
        return rerun_helps(fault)
    # With --fail-on-length; the same limit would cut it again.
    reason = RowAnswer.reason_in(body) or ""
    return kind in RETRYABLE and (kind != IncompleteError.name or ending_of(reason) != "length")


ROW_PREFIX = b'{"id":"batch_req_'

_SHOWN_OF_A_LINE = 60
_encode = encoder(allow_nan=False)


def output_row(result: Result) -> dict[str, Any]:
    """A refusal by the server is a `response`; a failure without one is an `error`.

    An answer that came but is of no use (cut, or against the schema) is in both.
    """
    outcome = result.outcome
    response, error = None, None
    if isinstance(outcome, RowAnswer):
        response = _response(outcome.status, outcome.request_id, outcome.body)
    else:
        refused = outcome.refused and outcome.error.name != "invalid_answer"
        if refused or outcome.body is not None:
            status = outcome.error.status or 200
            response = _response(status, outcome.error.request_id, outcome.body)
        if not refused:
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
    answer, document = result.answer, output_row(result)
    raw = _one_line(answer.raw) if answer is not None and answer.raw is not None else None
    if raw is None:
        return encode_row(document)
    document["response"]["body"] = None
    # Within a text its quotes would be escaped.
    return encode_row(document).replace(b'"body":null}', b'"body":%s}' % raw, 1)


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
    except ValueError:  # half a surrogate pair or 1e999 from the server
        return compact(document, ascii_only=True).encode() + b"\n"


def kept_row(result: Result, data: bytes, *, whole: bool) -> bytes:
    """The row for the journal, where the output has another form.

    Args:
        data: the row as it stands in the output.
        whole: keep the answer too, for equal requests.
    """
    document = {**output_row(result), "row": data.decode()}
    if result.answer is not None and not whole:
        document["response"] = _response(200, None, {})
    return encode_row({**document, "answer": result.text} if whole else document)


def data_of(line: bytes) -> bytes:
    """The row of the output that a row of the journal is, or holds."""
    kept = json.loads(line).get("row")
    return line if kept is None else str(kept).encode()


def answer_in(line: bytes, sha256: str) -> RowAnswer | None:
    """The answer that a row holds; None if it is not there, or answers another request."""
    document = json.loads(line)
    response = document["response"]
    if document["ocx"]["request_sha256"] != sha256 or not response["body"]:
        return None
    text = document.get("answer", "")
    return RowAnswer(text, response["body"], response["status_code"], response["request_id"])


def read_row(line: bytes) -> FinishedRow:
    """The row that a line of output holds. Raises ValueError if it is none of ours."""
    document = json.loads(line)
    if not isinstance(document, dict) or not isinstance(document.get("custom_id"), str):
        raise ValueError(repr(line[:_SHOWN_OF_A_LINE]))
    return to_finished_row(document)


def read_output(path: Path) -> Iterator[tuple[int, int, FinishedRow]]:
    """Where each row begins and ends, in bytes, and the row; but for a torn last one.

    One that only misses its line end counts: it was paid for.

    Raises: UsageError, naming the line that is no output row.
    """
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = read_row(line)
            except (ValueError, RecursionError) as error:
                if _is_torn(line, first=number == 1):
                    return
                message = f"{path}, line {number}, is no output row of a batch: {error}"
                raise ForeignOutputError(message) from None
            yield start, start + len(line), row
            start += len(line)


def asked_at(path: Path) -> str | None:
    """The base URL that the first run of an output asked; None if no row tells."""
    with path.open("rb") as file:
        for line in file:
            if b'"base_url":' in line:
                with suppress(ValueError, KeyError, TypeError):
                    return str(json.loads(line)["ocx"]["base_url"])
    return None


def _is_torn(line: bytes, *, first: bool) -> bool:
    """Whether a line that is no row is what a run that died has left.

    After a power cut that can be zeros. A file of one unfinished line may be anybody's.
    """
    zeros = not line.strip(b"\x00")
    ours = not first or line.startswith(ROW_PREFIX) or ROW_PREFIX.startswith(line)
    return zeros or (ours and not line.endswith(b"\n"))


def _response(status: int | None, request_id: str | None, body: Any) -> dict[str, Any]:
    return {"status_code": status, "request_id": request_id or "", "body": body}


def _ours(result: Result) -> dict[str, Any]:
    row, answer = result.row, result.answer
    return {
        "request_sha256": result.sha256,
        "attempts": result.attempts,
        "seconds": round(result.seconds, 3),
        "usage": (answer.usage if answer is not None else None) or None,
        "credits": as_number(result.credits),
        "credits_source": result.credits_source,
        "class": result.kind,
        **({"unanswered": result.unanswered} if result.unanswered else {}),
        # The model that answered where it is not the one that was asked first.
        **({"model": row.model} if isinstance(row, Row) and row.instead_of is not None else {}),
    }

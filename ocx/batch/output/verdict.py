"""What a row of output says became of its request, whichever program wrote it; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ocx.api.answer import ending_of, fault_of, reason_of, unknown_reason
from ocx.api.completion import fault_in
from ocx.api.error_response import from_document, from_response, parse, reported
from ocx.api.message import text_of
from ocx.batch.result import EXIT_CODES, OK, RETRYABLE, rerun_helps
from ocx.errors import IncompleteError, OcxError, ServerError

_ANSWERS = ("data", "results", "output", "embeddings", "content")  # of other paths than chat


class Verdict(NamedTuple):
    """Attributes:
    kind: `ok`, or the class of the failure.
    rerun_helps: a plain `--resume` sends it again.
    unknown_reason: the finish_reason of an answer, where it is none of those that are known.
    """

    kind: str
    rerun_helps: bool = False
    unknown_reason: str | None = None


def verdict_of(document: Mapping[str, Any]) -> Verdict:
    """A row is answered if it holds an answer that finished: a status of 200 alone is none.

    The class that a run of ours wrote stays, but for `ok`: what that meant was less once.
    """
    ours = document.get("ocx")
    kind = ours.get("class") if isinstance(ours, dict) else None
    response, error = document.get("response"), document.get("error")
    if isinstance(kind, str) and kind != OK:
        return Verdict(kind, _again(kind, _body(response)))
    fault = _fault(response, error, trusted=kind == OK)
    if fault is None:
        return Verdict(OK, unknown_reason=unknown_reason(_reason(_body(response))))
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code in EXIT_CODES:
        return Verdict(code, _again(code, _body(response)))
    return Verdict(fault.name, rerun_helps(fault))


def answer_fault(body: Any) -> OcxError | None:
    """Why the body of a 200 holds no whole answer; None if it does.

    A refusal of the model is an answer; so is an empty text that ended well, as in a chat.
    """
    failure = from_document(body, {})
    if failure is not None:
        return failure
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list):
        return _fault_of_another(body)
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


def _fault(response: Any, error: Any, *, trusted: bool) -> OcxError | None:
    given = response.get("status_code") if isinstance(response, dict) else None
    status, body = str(200 if given is None else given), _body(response)
    refused = status[:1] != "2"
    if refused and len(status) == 3 and status.isdecimal():
        return from_response(int(status), {}, json.dumps(body).encode())
    if error:
        return reported({"error": error}, {})
    if not isinstance(response, dict) or refused:
        return ServerError("the row holds no response")
    if trusted and not (isinstance(body, dict) and "choices" in body):
        return from_document(body, {})
    return answer_fault(body)


def _fault_of_another(body: Any) -> OcxError | None:
    """Of an answer that is no chat: embeddings, OpenAI's responses, a ranking."""
    if not isinstance(body, dict) or not any(body.get(name) for name in _ANSWERS):
        return ServerError("the response holds no answer")
    status = body.get("status")
    if isinstance(status, str) and (status == "incomplete" or ending_of(status) == "failure"):
        return IncompleteError(f"the answer broke off: its status is {status}")
    return None


def _again(kind: str, body: Any) -> bool:
    """Whether a rerun helps; of two classes only the answer that came can tell."""
    fault = answer_fault(body) if body else None
    if fault is not None and fault.name == kind:
        return rerun_helps(fault)
    # With --fail-on-length; the same limit would cut it again.
    cut = kind == IncompleteError.name and ending_of(_reason(body) or "") == "length"
    return kind in RETRYABLE and not cut


def _reason(body: Any) -> str | None:
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return reason_of(first) if isinstance(first, dict) else None


def _body(response: Any) -> Any:
    body = response.get("body") if isinstance(response, dict) else None
    return parse(body) if isinstance(body, str) else body

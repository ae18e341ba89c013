"""Read the events, documents and errors of an OpenAI-compatible upstream; no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from ocx.api.finish import is_whole, later, reason_of, reason_of_whole
from ocx.api.usage import cached_tokens
from ocx.secret import redact
from ocx.serve.answer import ForwardedDocument, ForwardedEvent
from ocx.serve.problem import ApiProblem
from ocx.serve.wire import Usage

# What the client did wrong is told to the client; what we did wrong at the upstream, its refusing
# our key or our empty account there, is a fault of this gateway.
_MAPPED = {400: 400, 404: 404, 413: 413, 415: 400, 422: 400, 429: 429, 503: 503, 504: 504, 408: 504}
MOST_TEXT = 500


def read_event(data: str, *, usage_wanted: bool) -> ForwardedEvent:
    """Read one event of an upstream's stream.

    Raises:
        ApiProblem: 502: it is not a chunk, or it is an error.
    """
    document = _object(data)
    usage = read_usage(document.get("usage"))
    choices = document.get("choices")
    choices = choices if isinstance(choices, list) else []
    finish, text_bytes = None, 0
    for choice in choices:
        if isinstance(choice, dict):
            text_bytes += _text_bytes(choice.get("delta"))
            finish = later(finish, reason_of(choice))
    hidden = usage is not None and not choices and not usage_wanted
    return ForwardedEvent(data, text_bytes, finish, usage, hidden)


def read_document(body: bytes) -> ForwardedDocument:
    """Read an upstream's whole answer.

    Raises:
        ApiProblem: 502: it is not an answer, or it is an error inside a 200.
    """
    document = _object(body.decode("utf-8", "replace"))
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices:
        raise broken("the upstream sent no answer: it has no choices")
    spoken = [choice for choice in choices if isinstance(choice, dict)]
    text_bytes = sum(_text_bytes(choice.get("message")) for choice in spoken)
    whole = all(is_whole(reason_of_whole(choice)) for choice in spoken)
    return ForwardedDocument(body, text_bytes, read_usage(document.get("usage")), whole)


def read_usage(value: Any) -> Usage | None:
    """The usage, if both counts are there and are counts."""
    if not isinstance(value, dict):
        return None
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens")
    if not _is_count(prompt) or not _is_count(completion):
        return None
    return Usage(prompt, completion, cached_tokens(value) or 0)


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 2**31


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> ApiProblem:
    """What a client is told if the upstream answered with an error."""
    message = f"the upstream answered {status}"
    text = error_text(body)
    kept = {
        name: headers[name]
        for name in ("retry-after", "retry-after-ms")
        if status == 429 and headers.get(name, "").isascii() and name in headers
    }
    return ApiProblem(
        _MAPPED.get(status, 502),
        f"{message}: {text}" if text else message,
        code=f"upstream_{status}",
        headers=kept,
    )


def error_text(body: bytes) -> str:
    """The message of an error body, printable, without anything shaped like a key."""
    text = body.decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        error = document.get("error", document)
        found = error.get("message") if isinstance(error, dict) else error
        text = found if isinstance(found, str) else text
    return redact("".join(letter for letter in text if letter.isprintable())[:MOST_TEXT])


def broken(message: str) -> ApiProblem:
    return ApiProblem(502, message, code="upstream_broken")


def _object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise broken("the upstream sent what is not JSON") from error
    if not isinstance(document, dict):
        raise broken("the upstream sent JSON that is no object")
    if document.get("error"):
        raise ApiProblem(
            502, f"the upstream failed: {error_text(text.encode())}", code="upstream_error"
        )
    return document


def _text_bytes(spoken: Any) -> int:
    """Bytes of text, reasoning and tool calls in a delta or a message."""
    if not isinstance(spoken, dict):
        return 0
    texts = [spoken.get("content"), spoken.get("reasoning_content") or spoken.get("reasoning")]
    calls = spoken.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            texts += [function.get("name"), function.get("arguments")]
    return sum(
        len(text.encode("utf-8", "surrogatepass")) for text in texts if isinstance(text, str)
    )

"""Reading an answer that was asked for whole; pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from ocx.api.body import sniff
from ocx.api.error_response import excerpt, from_document, incomplete
from ocx.api.sse import Decoder, EventTooLarge
from ocx.api.stream_state import Fold, Progress, check_completion, filtered, text_of
from ocx.api.types import Reply
from ocx.errors import IncompleteError, OcxError, ServerError
from ocx.secret import Secret


class CutAnswerError(IncompleteError):
    """The answer broke off or was filtered; `reply` holds what arrived, as a chat.completion."""

    def __init__(self, error: OcxError, reply: Reply) -> None:
        super().__init__(
            error.message,
            hint=error.hint,
            status=error.status,
            api_code=error.api_code,
            request_id=error.request_id,
        )
        self.reply = reply


def complete(reply: Reply, key: Secret | None = None) -> Reply:
    """The reply with a chat.completion in `json`, folded where the server streamed all the same.

    Raises:
        CutAnswerError: the answer broke off after some content, or was filtered.
        OcxError: the body reports a failure, or is no chat completion.
    """
    if sniff(reply.body) == "events":
        return _folded(reply, key)
    document = document_of(reply, key)
    check_completion(document)
    choice = document["choices"][0]
    if choice.get("finish_reason") == "content_filter":
        seen = bool(text_of(choice["message"].get("content")))
        _raise_cut(filtered(seen), reply, seen)
    return reply


def document_of(reply: Reply, key: Secret | None = None) -> Any:
    """The reply's JSON.

    Raises:
        OcxError: it reports a failure in spite of its status, or is HTML or anything else.
    """
    if reply.json is None:
        raise unexpected(reply.body)
    error = from_document(reply.json, reply.headers, status=reply.status, key=key)
    if error is not None:
        raise error
    return reply.json


def unexpected(body: bytes) -> ServerError:
    """The error for a 200 whose body is not what was asked for."""
    if sniff(body) == "html":
        message = "the answer is an HTML page, not JSON"
    elif not body.strip():
        message = "the answer is empty"
    else:
        message = f"the answer is not JSON: {excerpt(body)}"
    hint = "is base_url the URL of the API, with its path?"
    return ServerError(message, hint=hint)


def _folded(reply: Reply, key: Secret | None) -> Reply:
    progress, folded = Progress(reply.headers, key), Fold()
    error: OcxError | None = None
    try:
        for data in _events(reply.body):
            delta = progress.read(data)
            if delta is not None:
                folded.add(json.loads(delta.data))
    except EventTooLarge as large:
        error = progress.broken(ServerError(str(large)))
    except OcxError as reported:
        error = progress.broken(reported)
    error = error or progress.verdict()
    document = folded.document()
    whole = dataclasses.replace(reply, json=document, body=json.dumps(document).encode())
    if error is not None:
        _raise_cut(error, whole, progress.content_seen)
    return whole


def _events(body: bytes) -> Iterator[str]:
    decoder = Decoder()
    yield from decoder.feed(body)
    yield from decoder.end()


def _raise_cut(error: OcxError, reply: Reply, content_seen: bool) -> None:
    if content_seen:
        cut = error if isinstance(error, IncompleteError) else incomplete(error)
        raise CutAnswerError(cut, reply)
    raise error

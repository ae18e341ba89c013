"""Read an answer that was asked for whole, or build it from the chunks of a stream; pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ocx.api.error_response import excerpt, from_document, incomplete
from ocx.api.http import sniff
from ocx.api.sse import Decoder, EventTooLarge
from ocx.api.stream_state import (
    StreamState,
    add_calls,
    check_completion,
    filtered,
    index_of,
    refused,
    text_of,
)
from ocx.api.types import Reply
from ocx.errors import IncompleteError, OcxError, RejectedError, ServerError
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


class RefusedError(RejectedError):
    """The message is a refusal and nothing else; `reply` is the chat.completion as it came."""

    def __init__(self, error: OcxError, reply: Reply) -> None:
        super().__init__(error.message, hint=error.hint)
        self.reply = reply


class CompletionBuilder:
    """Builds one chat.completion from the chunks of a stream."""

    def __init__(self) -> None:
        self._document: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._text: dict[tuple[int, str], list[str]] = {}

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk; other JSON objects are ignored."""
        for name, value in chunk.items():
            if name not in {"choices", "object"} and value is not None:
                self._document[name] = value
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._choice(choice)

    def document(self) -> dict[str, Any]:
        """The completion as a server would have sent it whole."""
        choices = [self._finished(index) for index in sorted(self._choices)]
        fields = {name: value for name, value in self._document.items() if name != "usage"}
        head: dict[str, Any] = {"id": fields.pop("id", None), "object": "chat.completion"}
        document = {**head, **fields, "choices": choices}
        if "usage" in self._document:
            document["usage"] = self._document["usage"]
        return document

    def _choice(self, choice: Mapping[str, Any]) -> None:
        index = index_of(choice, 0)
        kept = self._choices.setdefault(
            index, {"index": index, "message": {"role": "assistant"}, "finish_reason": None}
        )
        for name, value in choice.items():
            if name not in {"index", "delta", "message"} and value is not None:
                kept[name] = value
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            self._delta(index, kept["message"], delta)

    def _delta(self, index: int, message: dict[str, Any], delta: Mapping[str, Any]) -> None:
        for name, value in delta.items():
            if name == "tool_calls":
                add_calls(message.setdefault("tool_calls", []), value)
            elif name == "content":
                self._text.setdefault((index, name), []).append(text_of(value))
            elif isinstance(value, str) and name != "role":
                self._text.setdefault((index, name), []).append(value)
            elif value is not None:
                message[name] = value

    def _finished(self, index: int) -> dict[str, Any]:
        choice = self._choices[index]
        message = {"role": choice["message"].get("role"), "content": None, **choice["message"]}
        joined: dict[str, str | None] = {
            name: "".join(pieces) for (of, name), pieces in self._text.items() if of == index
        }
        if message.get("tool_calls"):
            joined["content"] = joined.get("content") or None
        message |= joined
        return {"index": index, "message": message, **_without(choice, "index", "message")}


def complete(reply: Reply, key: Secret | None = None) -> Reply:
    """The reply with a chat.completion in `json`, built from chunks if the server streamed.

    Raises:
        CutAnswerError: the answer broke off after some content, or was filtered.
        OcxError: the body reports a failure, or is not a chat completion.
    """
    if sniff(reply.body) == "events":
        return _built(reply, key)
    document = document_of(reply, key)
    check_completion(document)
    choice = document["choices"][0]
    if choice.get("finish_reason") == "content_filter":
        seen = bool(text_of(choice["message"].get("content")))
        _raise_cut(filtered(seen), reply, seen)
    refusal = text_of(choice["message"].get("refusal"))
    if refusal and not text_of(choice["message"].get("content")):
        raise RefusedError(refused(refusal), reply)
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


def _built(reply: Reply, key: Secret | None) -> Reply:
    state, builder = StreamState(reply.headers, key), CompletionBuilder()
    error: OcxError | None = None
    try:
        for data in _events(reply.body):
            delta = state.read(data)
            if delta is not None:
                builder.add(json.loads(delta.data))
    except EventTooLarge as large:
        error = state.broken(ServerError(str(large)))
    except OcxError as reported:
        error = state.broken(reported)
    error = error or state.verdict()
    document = builder.document()
    whole = dataclasses.replace(reply, json=document, body=json.dumps(document).encode())
    if error is not None and state.refusal and isinstance(error, RejectedError):
        raise RefusedError(error, whole)
    if error is not None:
        _raise_cut(error, whole, state.content_seen)
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


def _without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}

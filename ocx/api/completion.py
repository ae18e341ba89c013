"""Read an answer that was asked for whole, or build it from the chunks of a stream; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ocx.api.answer import later, reason_of
from ocx.api.error_response import excerpt, from_document
from ocx.api.http import sniff
from ocx.api.message import (
    add_calls,
    index_of,
    joined_fields,
    new_text,
    spoken,
    text_of,
    with_ids,
)
from ocx.api.sse import Decoder
from ocx.api.stream_state import StreamState, check_completion
from ocx.api.types import Reply
from ocx.errors import BrokenCallError, IncompleteError, OcxError, RejectedError, ServerError
from ocx.secret import Secret


class UnfitAnswerError(OcxError):
    """An answer came that is no whole one; `reply` holds what arrived, as a chat.completion."""

    def __init__(self, error: OcxError, reply: Reply) -> None:
        super().__init__(
            error.message,
            hint=error.hint,
            status=error.status,
            api_code=error.api_code,
            request_id=error.request_id,
            rerun_helps=error.rerun_helps,
        )
        self.reply = reply


class CutAnswerError(UnfitAnswerError, IncompleteError):
    """It broke off, was filtered, or the token limit cut a tool call."""


class RefusedError(UnfitAnswerError, RejectedError):
    """It is a refusal of the model or of a filter, and nothing else."""


class NoAnswerError(UnfitAnswerError, ServerError):
    """It ended in a failure before any text."""


class UnfitCallError(UnfitAnswerError, BrokenCallError):
    """The arguments of a tool call are not JSON."""


_UNFIT: tuple[tuple[type[OcxError], type[UnfitAnswerError]], ...] = (
    (IncompleteError, CutAnswerError),
    (RejectedError, RefusedError),
    (ServerError, NoAnswerError),
    (BrokenCallError, UnfitCallError),
)


class CompletionBuilder:
    """Builds one chat.completion from the chunks of a stream."""

    def __init__(self) -> None:
        self._document: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._text: dict[tuple[int, str], list[str]] = {}
        self._parts: dict[int, list[Any]] = {}  # of a content that is no text
        self._said: dict[int, set[str]] = {}  # what deltas have filled

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
            if name == "finish_reason":
                kept[name] = later(kept[name], reason_of(choice))
            elif name not in {"index", "delta", "message"} and value is not None:
                kept[name] = value
        said = self._said.setdefault(index, set())
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict):
            said |= spoken(delta)
            self._delta(index, kept["message"], delta)
        if isinstance(message, dict):  # the whole answer again, or all there is
            rest = _without(message, *said)
            if isinstance(text := rest.get("content"), str):
                before = "".join(self._text.get((index, "content"), ()))
                rest["content"] = new_text(before, text, ends=reason_of(choice) is not None)
            self._delta(index, kept["message"], rest)

    def _delta(self, index: int, message: dict[str, Any], delta: Mapping[str, Any]) -> None:
        for name, value in delta.items():
            if name == "tool_calls":
                add_calls(message.setdefault("tool_calls", []), value)
            elif name == "content":
                self._text.setdefault((index, name), []).append(text_of(value))
                if isinstance(value, list):
                    self._parts.setdefault(index, []).extend(_without_text(value))
            elif isinstance(value, str) and name != "role":
                self._text.setdefault((index, name), []).append(value)
            elif isinstance(value, dict):
                message[name] = joined_fields(message.get(name), value)
            elif isinstance(value, list):
                before = message.get(name)
                message[name] = [*before, *value] if isinstance(before, list) else value
            elif value is not None:
                message[name] = value

    def _finished(self, index: int) -> dict[str, Any]:
        choice = self._choices[index]
        message = {"role": choice["message"].get("role"), "content": None, **choice["message"]}
        joined: dict[str, Any] = {
            name: "".join(pieces) for (of, name), pieces in self._text.items() if of == index
        }
        if message.get("tool_calls"):
            joined["content"] = joined.get("content") or None
            calls = with_ids(message["tool_calls"])
            message["tool_calls"] = [{**call, "index": place} for place, call in enumerate(calls)]
        if parts := self._parts.get(index):
            text = joined.get("content")
            joined["content"] = [*([{"type": "text", "text": text}] if text else ()), *parts]
        message |= joined
        return {"index": index, "message": message, **_without(choice, "index", "message")}


def complete(reply: Reply, keys: Sequence[Secret] = ()) -> Reply:
    """The reply with a chat.completion in `json`, built from chunks if the server streamed.

    Its tool calls have ids, made up where the server gave none.

    Raises:
        UnfitAnswerError: a chat.completion came that is no whole answer: by its class it broke
            off (an IncompleteError), was refused, failed, or has a broken tool call.
        OcxError: the body reports a failure, or is not a chat completion.
    """
    if _is_plain(reply.json):
        return reply
    if sniff(reply.body) == "events":
        return _built(reply, keys)
    document = document_of(reply, keys)
    error = fault_in(document, keys)
    if _name_calls(document["choices"]):
        reply = reply._replace(body=json.dumps(document).encode())
    if error is not None:
        raise _unfit(error, reply)
    return reply


def _is_plain(document: Any) -> bool:
    """Whether this is one text that has finished and nothing else, as nearly every answer is."""
    if type(document) is not dict or document.get("object") != "chat.completion":
        return False
    choices = document.get("choices")
    if type(choices) is not list or len(choices) != 1 or not _REPORTS.isdisjoint(document):
        return False
    choice = choices[0]
    if type(choice) is not dict or not choice.keys() <= _CHOICE:
        return False
    message = choice.get("message")
    return (
        type(message) is dict
        and message.keys() == _MESSAGE
        and type(message["content"]) is str
        and message["content"] != ""
        and choice.get("finish_reason") in {"stop", "length"}
    )


_REPORTS = frozenset({"error", "success", "type", "code"})
_CHOICE = frozenset({"index", "message", "finish_reason", "logprobs"})
_MESSAGE = frozenset({"role", "content"})


def fault_in(
    document: Any, keys: Sequence[Secret] = (), *, refusal_counts: bool = False
) -> OcxError | None:
    """Why a document is no whole answer; None if it is one.

    Args:
        refusal_counts: a refusal of the model is an answer, too.

    Raises:
        OcxError: it reports a failure, or is not a chat completion.
    """
    check_completion(document)
    state = StreamState(keys=keys)
    state.whole(document, "")
    if refusal_counts:
        state.refusal = ""
    return state.verdict()


def document_of(reply: Reply, keys: Sequence[Secret] = ()) -> Any:
    """The reply's JSON.

    Raises:
        OcxError: it reports a failure in spite of its status, or is HTML or anything else.
    """
    if reply.json is None:
        raise unexpected(reply.body, keys)
    error = from_document(reply.json, reply.headers, status=reply.status, keys=keys)
    if error is not None:
        raise error
    return reply.json


def unexpected(body: bytes, keys: Sequence[Secret] = ()) -> ServerError:
    """The error for a 200 whose body is not what was asked for."""
    if sniff(body) == "html":
        message = "the answer is an HTML page, not JSON"
    elif not body.strip():
        message = "the answer is empty"
    else:
        message = f"the answer is not JSON: {excerpt(body, keys)}"
    hint = "is base_url the URL of the API, with its path?"
    return ServerError(message, hint=hint)


def _built(reply: Reply, keys: Sequence[Secret]) -> Reply:
    state, builder = StreamState(reply.headers, keys), CompletionBuilder()
    error: OcxError | None = None
    try:
        for data in _events(reply.body):
            delta = state.read(data)
            if delta is not None:
                builder.add(json.loads(delta.data))
    except OcxError as reported:
        error = state.broken(reported)
    error = error or state.verdict()
    document = builder.document()
    whole = reply._replace(json=document, body=json.dumps(document).encode())
    if error is None:
        return whole
    # An error before any answer is none of the answer.
    raise _unfit(error, whole) if state.content_seen or state.finish_reason else error


def _events(body: bytes) -> Iterator[str]:
    decoder = Decoder()
    yield from decoder.feed(body)
    yield from decoder.end()


def _unfit(error: OcxError, reply: Reply) -> OcxError:
    fitting = (unfit for kind, unfit in _UNFIT if isinstance(error, kind))
    unfit = next(fitting, None)
    return error if unfit is None else unfit(error, reply)


def _name_calls(choices: Sequence[Any]) -> bool:
    """Give the tool calls of all choices ids; whether one had none."""
    named = False
    for choice in choices:
        message = choice.get("message") if isinstance(choice, dict) else None
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            continue
        if not all(call.get("id") for call in calls):
            choice["message"]["tool_calls"] = with_ids(calls)
            named = True
    return named


def _without_text(parts: Sequence[Any]) -> list[Any]:
    return [part for part in parts if isinstance(part, dict) and "text" not in part]


def _without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}

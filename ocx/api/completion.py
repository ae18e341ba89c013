"""Read an answer that was asked for whole, or build it from the chunks of a stream; pure."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ocx.api.answer import later, reason_of
from ocx.api.error_response import described, excerpt, from_document, parse, request_id
from ocx.api.http import sniff
from ocx.api.message import add_calls, index_of, joined_fields, new_text, spoken, text_of, with_ids
from ocx.api.sse import Decoder
from ocx.api.stream_state import StreamState
from ocx.api.types import Headers, Reply, Secrets
from ocx.errors import BrokenCallError, IncompleteError, OcxError, RejectedError, ServerError

_REPORTS = frozenset({"error", "success", "type", "code"})
_CHOICE = frozenset({"index", "message", "finish_reason", "logprobs"})
_MESSAGE = frozenset({"role", "content"})


class CompletionBuilder:
    """Builds one chat.completion from the chunks of a stream."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._choices: defaultdict[int, _Choice] = defaultdict(_Choice)

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk; other JSON objects are ignored."""
        self._fields |= _given(chunk, "choices", "object")
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._choices[index_of(choice, 0)].add(choice)

    def document(self) -> dict[str, Any]:
        """The completion as a server would have sent it whole."""
        fields = dict(self._fields)
        head = {"id": fields.pop("id", None), "object": "chat.completion"}
        usage = {"usage": fields.pop("usage")} if "usage" in fields else {}
        choices = [
            {"index": index, "message": choice.message(), **choice.fields}
            for index, choice in sorted(self._choices.items())
        ]
        return {**head, **fields, "choices": choices, **usage}


class _Choice:
    """One choice of a completion, as far as it has come."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {"finish_reason": None}
        self._message: dict[str, Any] = {"role": "assistant", "content": None}
        self._text: defaultdict[str, list[str]] = defaultdict(list)
        self._parts: list[Any] = []  # of a content that is no text
        self._said: set[str] = set()  # what deltas have filled

    def add(self, choice: Mapping[str, Any]) -> None:
        reason = later(self.fields["finish_reason"], reason_of(choice))
        self.fields |= _given(choice, "index", "delta", "message")
        self.fields["finish_reason"] = reason
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict):
            self._said |= spoken(delta)
            self._add(delta)
        if isinstance(message, dict):  # the whole answer again, or all there is
            rest = {name: value for name, value in message.items() if name not in self._said}
            if isinstance(text := rest.get("content"), str):
                before = "".join(self._text["content"])
                rest["content"] = new_text(before, text, ends=reason_of(choice) is not None)
            self._add(rest)

    def _add(self, delta: Mapping[str, Any]) -> None:
        message = self._message
        for name, value in delta.items():
            if name == "tool_calls":
                add_calls(message.setdefault(name, []), value)
            elif name == "content":
                self._text[name].append(text_of(value))
                parts = value if isinstance(value, list) else ()
                self._parts += [p for p in parts if isinstance(p, dict) and "text" not in p]
            elif isinstance(value, str) and name != "role":
                self._text[name].append(value)
            elif isinstance(value, dict):
                message[name] = joined_fields(message.get(name), value)
            elif isinstance(value, list):
                before = message.get(name)
                message[name] = [*before, *value] if isinstance(before, list) else value
            elif value is not None:
                message[name] = value

    def message(self) -> dict[str, Any]:
        joined: dict[str, Any] = {name: "".join(pieces) for name, pieces in self._text.items()}
        message = {**self._message, **joined}
        if message.get("tool_calls"):
            message["content"] = message["content"] or None
            calls = with_ids(message["tool_calls"])
            message["tool_calls"] = [{**call, "index": place} for place, call in enumerate(calls)]
        if self._parts:
            text = message["content"]
            message["content"] = [*([{"type": "text", "text": text}] if text else ()), *self._parts]
        return message


def reply_of(
    answer: tuple[int, Headers, bytes], keys: Secrets, started: float, attempts: int
) -> Reply:
    """Status, headers and body of a call that began at `started`, by the monotonic clock."""
    status, headers, body = answer
    document = parse(body, headers.get("content-type", ""))
    seconds = time.monotonic() - started
    return Reply(status, headers, body, document, request_id(headers, keys), seconds, attempts)


def complete(reply: Reply, keys: Secrets = ()) -> Reply:
    """The reply with a chat.completion in `json`, built from chunks if the server streamed.

    Its tool calls have ids, made up where the server gave none.

    Raises:
        OcxError: the body reports a failure, or is not a chat completion; with `reply`, what
            arrived as a chat.completion, if that is no whole answer: it broke off (an
            IncompleteError), was refused, failed, or has a broken tool call.
    """
    if _is_plain(reply.json):
        return reply
    with described(reply.status, reply.request_id):
        if sniff(reply.body) == "events":
            return _built(reply, keys)
        document = document_of(reply, keys)
        error = fault_in(document, keys)
        if _name_calls(document["choices"]):
            reply = reply._replace(body=json.dumps(document).encode())
        return _judged(reply, error)


def _is_plain(document: Any) -> bool:
    """Whether this is one text that has finished and nothing else, as nearly every answer is."""
    try:
        [choice] = document["choices"]
        message = choice["message"]
        return (
            document["object"] == "chat.completion"
            and _REPORTS.isdisjoint(document)
            and choice.keys() <= _CHOICE
            and message.keys() == _MESSAGE
            and type(message["content"]) is str
            and message["content"] != ""
            and choice["finish_reason"] in {"stop", "length"}
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        return False


def fault_in(document: Any, keys: Secrets = (), *, refusal_counts: bool = False) -> OcxError | None:
    """Why a document is no whole answer; None if it is one.

    Args:
        refusal_counts: a refusal of the model is an answer, too.

    Raises:
        OcxError: it reports a failure, or is not a chat completion.
    """
    state = StreamState(keys=keys)
    state.whole(document, "")
    if refusal_counts:
        state.refusal = ""
    return state.final_error()


def document_of(reply: Reply, keys: Secrets = ()) -> Any:
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


def unexpected(body: bytes, keys: Secrets = ()) -> ServerError:
    """The error for a 200 whose body is not what was asked for."""
    if sniff(body) == "html":
        message = "the answer is an HTML page, not JSON"
    elif not body.strip():
        message = "the answer is empty"
    else:
        message = f"the answer is not JSON: {excerpt(body, keys)}"
    return ServerError(message, hint="is base_url the URL of the API, with its path?")


def _built(reply: Reply, keys: Secrets) -> Reply:
    state, builder, decoder = StreamState(reply.headers, keys), CompletionBuilder(), Decoder()
    error: OcxError | None = None
    try:
        for events in (decoder.feed(reply.body), decoder.end()):
            for data in events:
                delta = state.read(data)
                if delta is not None:
                    builder.add(json.loads(delta.data))
    except OcxError as reported:
        error = state.as_incomplete(reported)
    error = error or state.final_error()
    document = builder.document()
    whole = reply._replace(json=document, body=json.dumps(document).encode())
    if error is not None and not (state.content_seen or state.finish_reason):
        raise error  # before any answer it is none of the answer
    return _judged(whole, error)


def _judged(reply: Reply, error: OcxError | None) -> Reply:
    if error is None:
        return reply
    if isinstance(error, IncompleteError | RejectedError | ServerError | BrokenCallError):
        error.reply = reply
    raise error


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


def _given(fields: Mapping[str, Any], *but: str) -> dict[str, Any]:
    """The fields that are not null, without those of these names."""
    return {name: value for name, value in fields.items() if name not in but and value is not None}

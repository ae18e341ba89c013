"""`tape:FILE`: a model of serve.toml answers, for credits, with what `--record` has kept.

A request plays whatever was recorded for an equal one, whole or streamed: the fields that only
change how an answer is sent do not count. What was recorded the other way is turned round.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from ocx.api.completion import CompletionBuilder
from ocx.api.sse import Decoder, is_done
from ocx.api.urls import CHAT_PATH
from ocx.errors import ConfigError
from ocx.serve import upstream as reading
from ocx.serve.answer import Answer, Part
from ocx.serve.problem import ApiProblem
from ocx.serve.request import ChatRequest
from ocx.serve.tape import Recording, Tape, load_tape, masked_request
from ocx.serve.wire import dump

_TRANSPORT = ("stream", "stream_options", "user")


def canonical(body: dict[str, Any]) -> dict[str, Any]:
    """The part of a request that its answer depends on."""
    return {name: value for name, value in body.items() if name not in _TRANSPORT}


class TapeTarget:
    """Plays the chat answers of a tape. Equal requests play in order, then from the start again.

    Raises:
        ConfigError: the tape cannot be read, or an answer on it is none.
    """

    is_local = False

    def __init__(self, path: Path) -> None:
        chats = [each for each in load_tape(path).recordings if _is_chat(each.request)]
        for at, recording in enumerate(chats, 1):
            if not _is_sound(recording):
                raise ConfigError(f"{path}: answer {at} is not one to a chat request")
        self._tape = Tape(
            path, [each._replace(request=canonical(each.request["body"])) for each in chats]
        )

    def check(self, request: ChatRequest) -> None:
        """Whatever was recorded plays."""

    def answer(self, request: ChatRequest) -> Answer:
        wanted, _ = masked_request(canonical(request.body), ())
        recording = self._tape.find(wanted)
        if recording is None:
            raise ApiProblem(404, self._tape.miss(wanted), code="tape_miss")
        if recording.status != 200:
            raise reading.refusal(recording.status, recording.headers, _body(recording))
        return Answer(_play(recording, request))


def _is_chat(request: Any) -> bool:
    return request.get("path") == CHAT_PATH and isinstance(request.get("body"), dict)


def _is_sound(recording: Recording) -> bool:
    try:
        if recording.status == 200:
            _chunks(recording) if _is_stream(recording) else _document(recording)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return False
    return True


def _is_stream(recording: Recording) -> bool:
    return "text/event-stream" in recording.headers.get("content-type", "")


def _body(recording: Recording) -> bytes:
    return b"".join(piece for _, piece in recording.pieces)


def _chunks(recording: Recording) -> list[str]:
    """The events of an answer, as they came if it was streamed."""
    if not _is_stream(recording):
        return [dump(chunk).decode() for chunk in to_chunks(json.loads(_body(recording)))]
    decoder = Decoder()
    events = [*decoder.feed(_body(recording)), *decoder.end()]
    chunks = [data for data in events if not is_done(data)]
    to_completion([json.loads(data) for data in chunks])
    return chunks


def _document(recording: Recording) -> bytes:
    """A whole answer, as it came if it was not streamed."""
    if _is_stream(recording):
        return dump(to_completion([json.loads(data) for data in _chunks(recording)]))
    to_chunks(json.loads(_body(recording)))
    return _body(recording)


async def _play(recording: Recording, request: ChatRequest) -> AsyncGenerator[Part, None]:
    reader = reading.Reader()
    if not request.stream:
        yield reader.document(_document(recording))
        return
    for data in _chunks(recording):
        yield reader.event(data, usage_wanted=request.include_usage)
        await asyncio.sleep(0)


def to_completion(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The `chat.completion` that a stream of `chunks` adds up to."""
    folded = CompletionBuilder()
    for chunk in chunks:
        folded.add(chunk)
    document = folded.document()
    for choice in document["choices"]:
        for call in choice["message"].get("tool_calls") or ():
            del call["index"]  # only fragments have one
    return document


def to_chunks(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks that add up to `document`: each message whole, the ends, the usage."""
    head = {name: value for name, value in document.items() if name not in {"choices", "usage"}}
    head["object"] = "chat.completion.chunk"
    choices = list(enumerate(document["choices"]))
    chunks = [
        {**head, "choices": [_chunk_choice(at, _as_delta(choice["message"]))]}
        for at, choice in choices
    ] + [
        {**head, "choices": [_chunk_choice(at, {}, choice.get("finish_reason"))]}
        for at, choice in choices
    ]
    if document.get("usage"):
        chunks.append({**head, "choices": [], "usage": document["usage"]})
    return chunks


def _chunk_choice(at: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": at, "delta": delta, "finish_reason": finish}


def _as_delta(message: dict[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not calls:
        return dict(message)
    return {**message, "tool_calls": [{"index": at, **call} for at, call in enumerate(calls)]}

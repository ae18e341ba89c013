"""Play tapes: to a program that speaks to any path, or as the answers of a model, for credits.

A model plays whatever was recorded for an equal request, whole or streamed: the fields that only
change how an answer is sent do not count. What was recorded the other way is turned round.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocx.api.completion import CompletionBuilder
from ocx.api.http import CHAT_CAP
from ocx.api.sse import Decoder, is_done
from ocx.api.urls import CHAT_PATH
from ocx.errors import ConfigError, OcxError, UsageError
from ocx.secret import Secret, StreamMask, key_shaped, mask_keys
from ocx.serve import tape as tapes
from ocx.serve import upstream_reader as reading
from ocx.serve.admission import authenticate, check_head, digest, mint
from ocx.serve.answer import AnswerSource, AnswerStream, Parts
from ocx.serve.app import PREFIX, read_body
from ocx.serve.forward import Upstream
from ocx.serve.ledger import Key
from ocx.serve.openai_format import ApiError, dump
from ocx.serve.request import ChatRequest
from ocx.serve.responses import Headers, Receive, Send, body, send_error, start

_KEPT_HEADERS = frozenset(
    "content-type retry-after retry-after-ms x-request-id request-id location".split()
)
_TRANSPORT = ("stream", "stream_options", "user")


@dataclass
class TapeApp:
    """An ASGI application for one program.

    Attributes:
        upstream: where requests go; None only plays.
        plays: what the tape has; the upstream is asked only for what it lacks.
        timing: play the pieces as far apart as they came.
        key: what the program must send; a real key never reaches it.
    """

    tape: tapes.Tape
    upstream: Upstream | None
    plays: bool
    timing: bool = False
    key: Secret = field(default_factory=mint)
    request_timeout: float = 60.0

    def __post_init__(self) -> None:
        self._secrets = self.upstream.endpoint.secrets if self.upstream is not None else ()
        self._keys = {digest(self.key.reveal()): Key(None, 0, "tape", self.key.masked())}

    def stop(self) -> None:
        """Nothing is settled at the end."""

    async def close(self) -> None:
        """Close the connections to the endpoint."""
        if self.upstream is not None:
            await self.upstream.close()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        except ApiError as error:
            await send_error(error, send)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        check_head(scope)
        authenticate(scope, self._keys.get, 0)
        path = scope["path"]
        if not path.startswith(f"{PREFIX}/"):
            raise ApiError(404, f"no such path; the base URL ends in {PREFIX}", "not_found")
        content = await read_body(scope, receive, CHAT_CAP)
        if content is None:
            raise ApiError(400, "the request broke off", "request_cut")
        query = scope["query_string"].decode("latin-1")
        request = tapes.request_of(scope["method"], path.removeprefix(PREFIX), query, content)
        # As the tape has it. The program's own key is another in every run.
        known, masks = tapes.masked_request(request, [_Fixed(self.key.reveal()), *self._secrets])
        recording = self.tape.find(known) if self.plays else None
        if recording is not None:
            await self._play(recording, send)
        elif self.upstream is None:
            raise ApiError(404, self.tape.miss(known), "tape_miss")
        else:
            new = tapes.Recording(known, 0, {}, [], masks)
            await self._pass(self.upstream, new, request, content, send)

    async def _play(self, recording: tapes.Recording, send: Send) -> None:
        await send(start(recording.status, _fields(recording.headers)))
        began = time.monotonic()
        for at, piece in recording.pieces:
            if self.timing:
                await asyncio.sleep(max(0.0, at / 1000 - (time.monotonic() - began)))
            await send(body(piece, more=True))
        await send(body(b""))

    async def _pass(
        self,
        upstream: Upstream,
        recording: tapes.Recording,
        request: dict[str, Any],
        content: bytes,
        send: Send,
    ) -> None:
        """Hand the answer on as it comes; add it to the tape if it came whole."""
        began = time.monotonic()
        hidden = StreamMask(self._secrets)
        if self.tape.file is not None:
            self.tape.file.asked += 1
        query = request["query"]
        path = f"{request['path']}?{query}" if query else request["path"]
        try:
            asked = upstream.stream(path, content, method=request["method"])
        except UsageError as error:
            raise ApiError(400, error.message, "path_not_allowed") from error
        begun = False
        try:
            async with asked as response:
                headers = {
                    name: mask_keys(value, self._secrets)
                    for name, value in response.headers.items()
                    if name in _KEPT_HEADERS or name.startswith("x-ratelimit-")
                }
                recording = recording._replace(status=response.status, headers=headers)
                await send(start(response.status, _fields(headers)))
                begun = True
                # Unpacked, if it came packed unasked: the tape holds text without the key.
                async for piece in response.pieces():
                    milliseconds = round((time.monotonic() - began) * 1000)
                    recording.pieces.append((milliseconds, piece))
                    await send(
                        body(tapes.mask_bytes(hidden.feed(piece.decode("latin-1"))), more=True)
                    )
        except OcxError as error:
            if begun:
                raise  # the server breaks the connection: nobody takes this for an end
            message = f"{upstream.endpoint.base_url} cannot be reached: {error.message}"
            raise ApiError(502, message, "upstream_network") from error
        # Before the end is sent: the program may end with it. What is hidden in the request is
        # hidden where the answer repeats it.
        shaped = key_shaped(query + content.decode("latin-1"))
        self.tape.append(recording, [*self._secrets, *shaped])
        await send(body(tapes.mask_bytes(hidden.end())))


class _Fixed(Secret):
    """A key of one run, with a mask that is the same in the next."""

    __slots__ = ()

    def masked(self) -> str:
        return "sk-live-…local"


def _fields(headers: Mapping[str, str]) -> Headers:
    return [(n.encode(), v.encode("latin-1", "replace")) for n, v in headers.items()]


def canonical(body: dict[str, Any]) -> dict[str, Any]:
    """The part of a request that its answer depends on."""
    return {name: value for name, value in body.items() if name not in _TRANSPORT}


class TapePlayer(AnswerSource):
    """Plays the chat answers of a tape. Equal requests play in order, then from the start again.

    Raises:
        ConfigError: the tape cannot be read, or an answer on it is none.
    """

    is_local = False

    def __init__(self, path: Path) -> None:
        self._tape = tapes.Tape(path)
        number = 0
        for recording in tapes.load_tape(path).recordings:
            asked = recording.request.get("body")
            if recording.request.get("path") == CHAT_PATH and isinstance(asked, dict):
                number += 1
                if not _is_sound(recording):
                    raise ConfigError(f"{path}: answer {number} is not one to a chat request")
                self._tape.add(recording._replace(request=canonical(asked)))

    def check(self, request: ChatRequest) -> None:
        """Whatever was recorded plays."""

    def answer(self, request: ChatRequest) -> AnswerStream:
        wanted, _ = tapes.masked_request(canonical(request.body), ())
        recording = self._tape.find(wanted)
        if recording is None:
            raise ApiError(404, self._tape.miss(wanted), "tape_miss")
        if recording.status != 200:
            raise reading.refusal(recording.status, recording.headers, recording.body)
        return AnswerStream(_play(recording, request))


def _is_sound(recording: tapes.Recording) -> bool:
    try:
        if recording.status == 200:
            _both_forms(recording)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return False
    return True


def _both_forms(recording: tapes.Recording) -> tuple[list[str], bytes]:
    """The events of an answer, and the whole of it; the one that was recorded is as it came."""
    if "text/event-stream" not in recording.headers.get("content-type", ""):
        chunks = to_chunks(json.loads(recording.body))
        return [dump(chunk).decode() for chunk in chunks], recording.body
    decoder = Decoder()
    found = [*decoder.feed(recording.body), *decoder.end()]
    events = [data for data in found if not is_done(data)]
    return events, dump(to_completion([json.loads(data) for data in events]))


async def _play(recording: tapes.Recording, request: ChatRequest) -> Parts:
    reader = reading.Reader()
    events, document = _both_forms(recording)
    if not request.stream:
        yield reader.document(document)
        return
    for data in events:
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
    messages, ends = [], []
    for at, choice in enumerate(document["choices"]):
        delta = dict(choice["message"])
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": n, **call} for n, call in enumerate(calls)]
        messages.append({"index": at, "delta": delta, "finish_reason": None})
        ends.append({"index": at, "delta": {}, "finish_reason": choice.get("finish_reason")})
    chunks = [{**head, "choices": [choice]} for choice in (*messages, *ends)]
    if document.get("usage"):
        chunks.append({**head, "choices": [], "usage": document["usage"]})
    return chunks

"""Play tapes: to a program that speaks to any path, or as the answers of a model, for credits.

A model plays whatever was recorded for an equal request, whole or streamed: the fields that only
change how an answer is sent do not count. What was recorded the other way is turned round.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocx.api.completion import CompletionBuilder
from ocx.api.sse import Decoder, is_done
from ocx.api.types import CHAT_TIMEOUT, Endpoint
from ocx.api.urls import CHAT_PATH
from ocx.errors import ConfigError, OcxError, UsageError
from ocx.secret import Secret, StreamMask, key_shaped, mask
from ocx.serve import upstream as reading
from ocx.serve.admission import check_host
from ocx.serve.answer import Answer, Part
from ocx.serve.app import PREFIX
from ocx.serve.delivery import Receive, Send, body, start
from ocx.serve.openai_format import ApiProblem, dump
from ocx.serve.request import ChatRequest
from ocx.serve.tape import (
    Recording,
    Tape,
    kept_headers,
    load_tape,
    mask_bytes,
    masked_request,
    request_of,
)

if TYPE_CHECKING:
    from ocx.api.pool import Pool

MOST_BODY = 32 * 1024 * 1024
REQUEST_TIMEOUT = 60.0


class TapeApp:
    """An ASGI application for one program.

    Args:
        key: what the program must send; a real key never reaches it.
        endpoint: where requests go; None only plays.
        plays: what the tape has; the endpoint is asked only for what it lacks.
        timing: play the pieces as far apart as they came.
        secrets: what is on no tape, besides the keys, and reaches no program.
    """

    def __init__(
        self,
        tape: Tape,
        key: Secret,
        endpoint: Endpoint | None,
        *,
        plays: bool,
        timing: bool = False,
        secrets: Sequence[Secret] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.request_timeout = REQUEST_TIMEOUT
        self.abort: Callable[[Any], None] | None = None
        self._tape = tape
        self._key = key
        self._endpoint = endpoint
        self._plays = plays
        keys = [endpoint.key] if endpoint is not None and endpoint.key is not None else []
        self._secrets = [s for s in (*keys, *secrets) if s.is_secret()]
        self._timing = timing
        self._tls = tls
        self._pool: Pool | None = None

    def stop(self) -> None:
        """Nothing is settled at the end."""

    async def close(self) -> None:
        """Close the connections to the endpoint."""
        if self._pool is not None:
            await self._pool.close()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        except ApiProblem as problem:
            data = dump(problem.body())
            headers = [(b"content-type", b"application/json"), _length(data)]
            await send(start(problem.status, headers))
            await send(body(data))

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        check_host(scope)
        self._check_key(scope)
        path = scope["path"]
        if not path.startswith(f"{PREFIX}/"):
            raise ApiProblem(404, f"no such path; the base URL ends in {PREFIX}", code="not_found")
        content = await _content(receive)
        query = scope["query_string"].decode("latin-1")
        request = request_of(scope["method"], path.removeprefix(PREFIX), query, content)
        recording = self._tape.find(self._known(request)[0]) if self._plays else None
        if recording is not None:
            await self._play(recording, send)
        elif self._endpoint is not None:
            await self._pass(request, content, send)
        else:
            miss = self._tape.miss(self._known(request)[0])
            raise ApiProblem(404, miss, code="tape_miss")

    def _known(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The request as the tape has it. The program's own key is another in every run."""
        return masked_request(request, [_Fixed(self._key.reveal()), *self._secrets])

    def _check_key(self, scope: Any) -> None:
        wanted = f"Bearer {self._key.reveal()}".encode()
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1 or not hmac.compare_digest(given[0], wanted):
            raise ApiProblem(401, "the key is not the one of this tape", code="invalid_api_key")

    async def _play(self, recording: Recording, send: Send) -> None:
        await send(start(recording.status, _fields(recording.headers)))
        began = time.monotonic()
        for at, piece in recording.pieces:
            if self._timing:
                await asyncio.sleep(max(0.0, at / 1000 - (time.monotonic() - began)))
            await send(body(piece, more=True))
        await send(body(b""))

    async def _pass(self, request: dict[str, Any], content: bytes, send: Send) -> None:
        """Hand the answer on as it comes; record it if it came whole."""
        from ocx.api.http import build_request  # only to record

        endpoint = self._endpoint
        assert endpoint is not None  # noqa: S101 - for mypy: who records has one
        began = time.monotonic()
        pieces: list[tuple[int, bytes]] = []
        hidden = StreamMask(self._secrets)
        if self._tape.file is not None:
            self._tape.file.asked += 1
        path, query = request["path"], request["query"]
        try:
            sent = build_request(
                endpoint,
                request["method"],
                f"{path}?{query}" if query else path,
                content=content,
                stream=True,
            )
        except UsageError as error:
            raise ApiProblem(400, error.message, code="path_not_allowed") from error
        seconds = endpoint.timeout or CHAT_TIMEOUT
        begun = False
        try:
            async with self._open(endpoint).stream(
                sent, seconds, idle=endpoint.idle_timeout
            ) as response:
                headers = {
                    name: mask(value, self._secrets)
                    for name, value in kept_headers(response.headers).items()
                }
                await send(start(response.status, _fields(headers)))
                begun = True
                # Unpacked, if it came packed unasked: the tape holds text without the key.
                async for piece in response.pieces():
                    pieces.append((round((time.monotonic() - began) * 1000), piece))
                    await send(body(mask_bytes(hidden.feed(piece.decode("latin-1"))), more=True))
        except OcxError as error:
            if begun:
                raise  # the server breaks the connection: nobody takes this for an end
            message = f"{endpoint.base_url} cannot be reached: {error.message}"
            raise ApiProblem(502, message, code="upstream_network") from error
        # Before the end is sent: the program may end with it.
        known, masks = self._known(request)
        recording = Recording(known, response.status, headers, pieces, masks)
        # What is hidden in the request is hidden where the answer repeats it.
        shaped = key_shaped(query + content.decode("latin-1"))
        self._tape.append(recording, [*self._secrets, *shaped])
        await send(body(mask_bytes(hidden.end())))

    def _open(self, endpoint: Endpoint) -> Pool:
        if self._pool is None:
            from ocx.api.pool import Pool

            self._pool = Pool(endpoint, self._tls)
        return self._pool


class _Fixed(Secret):
    """A key of one run, with a mask that is the same in the next."""

    __slots__ = ()

    def masked(self) -> str:
        return "sk-live-…local"


def _fields(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(n.encode(), v.encode("latin-1", "replace")) for n, v in headers.items()]


async def _content(receive: Receive) -> bytes:
    data = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiProblem(400, "the request broke off", code="request_cut")
        data += message.get("body", b"")
        if len(data) > MOST_BODY:
            raise ApiProblem(413, "the body is larger than 32 MiB", code="body_too_large")
        if not message.get("more_body"):
            return bytes(data)


def _length(data: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(data)


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

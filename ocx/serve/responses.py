"""Send one answer to one client and settle its charge, as raw ASGI.

A `StreamingResponse` cannot do this: its generator is cancelled at an `await`, and an `await` in
its `finally` is cancelled again, before anything is settled. Here one task writes the answer and
`run` waits for whatever comes first: the end, the client leaving, the server stopping, or a
reader that stands still. Settling is synchronous, so nothing can cut it short.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from ocx.api.answer import is_whole
from ocx.api.sse import is_done
from ocx.serve import answer as answers
from ocx.serve.admission import RequestRecord
from ocx.serve.charge import Charge
from ocx.serve.openai_format import (
    DONE,
    ApiError,
    Logprobs,
    ResponseMeta,
    certain,
    dump,
    event,
    refuse,
)
from ocx.serve.request import ChatRequest

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Stop = asyncio.Future[None]
_Task = asyncio.Task[None]

MOST_LISTED = 100_000
"""Tokens whose log probabilities fit into one document; a million would take 1.3 GB."""


@dataclass
class Response(ABC):
    """What a streamed and a whole answer share."""

    answer: answers.AnswerStream
    request: ChatRequest
    charge: Charge
    meta: ResponseMeta
    record: RequestRecord
    send: Send
    headers: Headers = field(default_factory=list)
    started: bool = False
    failed: bool = False
    """An upstream has ended its answer in a failure: it goes on as it came, and is not finished."""
    waiting_since: float | None = None

    async def run(self, receive: Receive, stop: Stop, send_timeout: float) -> None:
        """Send the answer. When this returns, the charge is settled, whatever happened.

        Args:
            stop: done when the server stops.
            send_timeout: seconds that a client may take without reading anything.

        Raises:
            ApiError: nothing has been sent; this is the answer.
        """
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(_disconnect(receive))
        outcome = "shutdown"  # also if this task itself is cancelled
        try:
            outcome = await self._first(writer, reader, stop, send_timeout)
        finally:
            writer.cancel()
            reader.cancel()
            # Who leaves, or is made to, pays for what an upstream has begun.
            self.charge.asked = self.answer.asked.is_set() and not writer.done()
            self._settle(outcome)
            await asyncio.wait({writer, reader})
        await self.charge.durable()
        error = None if writer.cancelled() else writer.exception()
        if outcome == "shutdown":
            error = ApiError(503, "the server is stopping", "shutting_down")
        if error is None or isinstance(error, answers.Cut):
            return
        if not self.started or not isinstance(error, ApiError):
            raise error
        try:
            async with asyncio.timeout(send_timeout):
                await self._fail(error)
        except TimeoutError:
            self.record.outcome = "client_stalled"

    async def _first(self, writer: _Task, reader: _Task, stop: Stop, send_timeout: float) -> str:
        tasks = {writer, reader, stop}
        while True:
            await asyncio.wait(tasks, timeout=send_timeout / 2, return_when=asyncio.FIRST_COMPLETED)
            if writer.done():
                return "finished" if writer.exception() is None else self._broken_off()
            if reader.done():
                return "client_gone"
            if stop.done():
                return "shutdown"
            since = self.waiting_since
            if since is not None and time.monotonic() - since >= send_timeout:
                return "client_stalled"

    def _broken_off(self) -> str:
        return "cut" if self.charge.delivered else "refused"

    def _settle(self, outcome: str) -> None:
        self.charge.settle(outcome)
        self.record.outcome = self.record.outcome or outcome
        self.record.usage = self.charge.usage()
        self.record.micro = self.charge.taken

    async def _write(self) -> None:
        async with aclosing(self.answer.parts) as parts:
            async for part in parts:
                await self._take(part)
        self.charge.finished = not self.failed
        await self._finish()

    async def _settled(self) -> None:
        """End the charge of an answer that came to its end, before its last bytes are sent: a
        client that has read them sees the new balance."""
        self._settle(self._broken_off() if self.failed else "finished")
        await self.charge.durable()

    def _logprobs(self, tokens: Iterable[answers.Token]) -> Logprobs:
        """The log probabilities of the text in `tokens`, if the request asks for them."""
        top = self.request.logprobs
        if top is None:
            return None
        return [certain(token.text, top) for token in tokens if token.kind == "content"]

    @abstractmethod
    async def _take(self, part: answers.Part) -> None:
        """Send a part of the answer, or keep it for the end."""

    @abstractmethod
    async def _finish(self) -> None:
        """Settle, then send the last bytes."""

    @abstractmethod
    async def _fail(self, error: ApiError) -> None:
        """Say why the answer ends early, after some of it was sent."""

    async def _send(self, data: bytes, *, last: bool = False) -> None:
        self.waiting_since = time.monotonic()
        if not self.started:
            self.started = True
            await self.send(start(200, self.headers))
        if self.answer.split:
            for at in range(len(data)):
                self.waiting_since = time.monotonic()
                await self.send(body(data[at : at + 1], more=True))
                await asyncio.sleep(0)
        else:
            await self.send(body(data, more=True))
        if last:
            await self.send(body(b""))
        self.waiting_since = None
        # uvicorn's send does not yield once the client is gone; without this, one stream would
        # starve the server and bill an answer that nobody reads.
        await asyncio.sleep(0)


@dataclass
class SseResponse(Response):
    """`stream: true`: each part is a server-sent event, as soon as it comes."""

    headers: Headers = field(
        default_factory=lambda: [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
        ]
    )
    spoken: bool = False
    upstream_done: bool = False

    async def _take(self, part: answers.Part) -> None:
        match part:
            case answers.Token():
                logprobs = self._logprobs([part])
                await self._send(self.meta.chunk(self._delta(part), logprobs=logprobs))
                self.charge.tokens += 1
            case answers.Finish(reason):
                self.charge.finished = True
                await self._send(self.meta.chunk({}, reason))
            case answers.ForwardedEvent():
                await self._forward(part)
            case answers.RawBytes(data):
                await self._send(data)

    def _delta(self, token: answers.Token) -> dict[str, Any]:
        delta: dict[str, Any] = {} if self.spoken else {"role": "assistant"}
        if isinstance(token, answers.CallToken):
            if not self.spoken:
                delta["content"] = None
            delta["tool_calls"] = [token.fragment()]
        else:
            delta[token.kind] = token.text
        self.spoken = True
        return delta

    async def _forward(self, part: answers.ForwardedEvent) -> None:
        # Before sending: an upstream's usage is charged even if the client does not read it.
        self.charge.upstream = part.usage or self.charge.upstream
        if part.finish is not None:
            # An upstream's failure ends the answer without finishing it, whatever came before.
            self.failed = self.failed or not is_whole(part.finish)
            self.charge.finished = not self.failed
        self.charge.text_bytes += part.text_bytes
        self.upstream_done = is_done(part.data)
        if not part.hidden:
            # Data of several lines is sent as several `data:` lines, as it came.
            lines = part.data.encode("utf-8", "replace").split(b"\n")
            await self._send(b"".join(b"data: %b\n" % line for line in lines) + b"\n")

    async def _finish(self) -> None:
        await self._settled()
        last = b""
        if self.request.include_usage and self.answer.usage and not self.charge.upstream:
            last = self.meta.usage_chunk(self.charge.usage())
        # After a failure the end is the upstream's own: none is made up.
        done = self.upstream_done if self.failed else self.answer.done
        await self._send(last + DONE if done else last, last=True)

    async def _fail(self, error: ApiError) -> None:
        """Send an error event and end, without a `[DONE]`."""
        await self.send(body(event(error.body())))


@dataclass
class WholeResponse(Response):
    """`stream: false`: one JSON document, when the answer is complete."""

    tokens: list[answers.Token] = field(default_factory=list)
    reason: str = "stop"
    document: answers.ForwardedDocument | None = None
    broken: bool = False

    async def _take(self, part: answers.Part) -> None:
        match part:
            case answers.Token():
                self.tokens.append(part)
                if self.request.logprobs is not None and len(self.tokens) > MOST_LISTED:
                    refuse("logprobs", f"logprobs of more than {MOST_LISTED:,} tokens need stream")
            case answers.Finish(reason):
                self.reason = reason
            case answers.ForwardedDocument():
                self.document = part
                self.failed = not part.whole
            case answers.RawBytes(data):
                self.broken = self.broken or bool(data)
        # A client that left must be noticed here too.
        await asyncio.sleep(0)

    async def _write(self) -> None:
        try:
            await super()._write()
        except answers.Cut:
            self.charge.tokens = len(self.tokens)
            self._settle("cut")
            await self.charge.durable()
            data = self._document()
            self.headers = json_headers(data)
            await self._send(data[: len(data) // 2])
            raise

    async def _finish(self) -> None:
        if self.document is None:
            self.charge.tokens = len(self.tokens)
        else:
            self.charge.text_bytes = self.document.text_bytes
            self.charge.upstream = self.document.usage
        await self._settled()
        data = self._document()
        self.headers = json_headers(data)
        await self._send(data, last=True)

    async def _fail(self, error: ApiError) -> None:
        """Nothing more can be said: uvicorn closes, since the announced length is not kept."""

    def _document(self) -> bytes:
        if self.document is not None:
            return self.document.body
        message: dict[str, Any] = {"role": "assistant"}
        for kind in ("content", "reasoning_content"):
            text = "".join(token.text for token in self.tokens if token.kind == kind)
            if text or kind == "content":
                message[kind] = text
        fragments = (token for token in self.tokens if isinstance(token, answers.CallToken))
        calls = []
        for _, (first, *others) in groupby(fragments, lambda fragment: fragment.index):
            calls.append(first.call("".join(other.text for other in others)))
        if calls:
            message |= {"content": message["content"] or None, "tool_calls": calls}
        usage = self.charge.usage() if self.answer.usage else None
        data = self.meta.completion(message, self.reason, usage, self._logprobs(self.tokens))
        return data[: -len(data) // 3] if self.broken else data


def start(status: int, headers: Headers) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def json_headers(data: bytes) -> Headers:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]


async def send_json(send: Send, status: int, value: Any, headers: Headers | None = None) -> None:
    data = dump(value)
    await send(start(status, (headers or []) + json_headers(data)))
    await send(body(data))


async def send_error(error: ApiError, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
    await send_json(send, error.status, error.body(), headers)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

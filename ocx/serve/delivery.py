"""Send one answer to one client and settle its charge, as raw ASGI.

A `StreamingResponse` cannot do this: its generator is cancelled at an `await`, and an `await` in
its `finally` is cancelled again, before anything is settled. Here one task writes the answer and
`run` waits for whatever comes first: the end, the client leaving, the server stopping, or a
reader that stands still. Settling is synchronous, so nothing can cut it short.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar

from ocx.api.answer import is_whole
from ocx.serve.admission import RequestRecord
from ocx.serve.answer import (
    Answer,
    Begin,
    CallToken,
    Cut,
    Finish,
    ForwardedDocument,
    ForwardedEvent,
    Part,
    RawBytes,
    Token,
    UpstreamDone,
)
from ocx.serve.charge import Charge
from ocx.serve.openai_format import (
    DONE,
    ApiProblem,
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


@dataclass(frozen=True)
class Watch:
    """What can end an answer from outside."""

    stop: asyncio.Future[None]
    """Done when the server stops."""
    send_timeout: float = 60.0
    """Seconds that a client may take without reading anything."""
    abort: Callable[[Any], None] | None = None
    """Breaks the connection of a client, named as in the ASGI scope, without flushing it."""


class Delivery(ABC):
    """What a streamed and a whole answer share."""

    headers: ClassVar[Headers] = []
    _failed = False
    """An upstream has ended its answer in a failure: it goes on as it came, and is not finished."""

    def __init__(
        self,
        answer: Answer,
        request: ChatRequest,
        charge: Charge,
        meta: ResponseMeta,
        record: RequestRecord,
        send: Send,
    ) -> None:
        self._answer = answer
        self._request = request
        self._charge = charge
        self._meta = meta
        self._record = record
        self._raw_send = send
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = None
        self.started = False

    async def run(self, receive: Receive, watch: Watch) -> None:
        """Send the answer. When this returns, the charge is settled, whatever happened.

        Raises:
            ApiProblem: nothing has been sent; this is the answer.
        """
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(_disconnect(receive))
        outcome = "shutdown"  # also if this task itself is cancelled
        try:
            outcome = await self._first(writer, reader, watch)
        finally:
            writer.cancel()
            reader.cancel()
            # Who leaves, or is made to, pays for what an upstream has begun.
            self._charge.asked = self._answer.asked.is_set() and not writer.done()
            self._settle(outcome)
            await asyncio.wait({writer, reader})
        await self._charge.durable()
        await self._end(writer, outcome)

    async def _first(
        self, writer: asyncio.Task[None], reader: asyncio.Task[None], watch: Watch
    ) -> str:
        tasks = {writer, reader, watch.stop}
        while True:
            await asyncio.wait(
                tasks, timeout=watch.send_timeout / 2, return_when=asyncio.FIRST_COMPLETED
            )
            if writer.done():
                return "finished" if writer.exception() is None else self._broken_off()
            if reader.done():
                return "client_gone"
            if watch.stop.done():
                return "shutdown"
            since = self._waiting_since
            if since is not None and self._loop.time() - since >= watch.send_timeout:
                return "client_stalled"

    @property
    def _outcome(self) -> str:
        """Of an answer that was sent to its end."""
        return self._broken_off() if self._failed else "finished"

    def _broken_off(self) -> str:
        return "cut" if self._charge.delivered else "refused"

    async def _end(self, writer: asyncio.Task[None], outcome: str) -> None:
        error = None if writer.cancelled() else writer.exception()
        if outcome == "shutdown":
            error = ApiProblem(503, "the server is stopping", code="shutting_down")
        if error is None or isinstance(error, Cut):
            return
        if not self.started or not isinstance(error, ApiProblem):
            raise error
        await self._fail(error)

    def _settle(self, outcome: str) -> None:
        self._charge.settle(outcome)
        record, usage = self._record, self._charge.usage()
        record.outcome = record.outcome or outcome
        record.prompt_tokens = usage.prompt_tokens
        record.completion_tokens = usage.completion_tokens
        record.cached_tokens = usage.cached_tokens
        record.micro = self._charge.taken

    async def _write(self) -> None:
        async with aclosing(self._answer.parts) as parts:
            async for part in parts:
                await self._take(part)
        self._charge.finished = not self._failed
        await self._finish()

    def _logprobs(self, tokens: Iterable[Token]) -> Logprobs:
        """The log probabilities of the text in `tokens`, if the request asks for them."""
        top = self._request.logprobs
        if top is None:
            return None
        return [certain(token.text, top) for token in tokens if token.is_text]

    @abstractmethod
    async def _take(self, part: Part) -> None:
        """Send a part of the answer, or keep it for the end."""

    @abstractmethod
    async def _finish(self) -> None:
        """Settle, then send the last bytes: a client that has read them sees the new balance."""

    @abstractmethod
    async def _fail(self, problem: ApiProblem) -> None:
        """Say why the answer ends early, after some of it was sent."""

    async def _send(self, data: bytes, *, last: bool = False) -> None:
        self._waiting_since = self._loop.time()
        if not self.started:
            self.started = True
            await self._raw_send(start(200, self.headers))
        if self._answer.flags.split:
            for at in range(len(data)):
                self._waiting_since = self._loop.time()
                await self._raw_send(body(data[at : at + 1], more=True))
                await asyncio.sleep(0)
        else:
            await self._raw_send(body(data, more=True))
        if last:
            await self._raw_send(body(b"", more=False))
        self._waiting_since = None
        # uvicorn's send does not yield once the client is gone; without this, one stream would
        # starve the server and bill an answer that nobody reads.
        await asyncio.sleep(0)


def start(status: int, headers: Headers) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class SseResponse(Delivery):
    """`stream: true`."""

    headers: ClassVar[Headers] = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
    ]
    _spoken = False
    _done = False

    async def _take(self, part: Part) -> None:
        match part:
            case Token():
                logprobs = self._logprobs([part])
                await self._send(self._meta.chunk(self._delta(part), logprobs=logprobs))
                self._charge.tokens += 1
            case Finish(reason):
                self._charge.finished = True
                await self._send(self._meta.chunk({}, reason))
            case ForwardedEvent():
                await self._forward(part)
            case Begin():
                await self._send(b"")
            case RawBytes(wire):
                await self._send(wire)
            case UpstreamDone():
                self._done = True

    def _delta(self, token: Token) -> dict[str, Any]:
        head: dict[str, Any] = {} if self._spoken else {"role": "assistant"}
        self._spoken = True
        if isinstance(token, CallToken):
            nothing = {"content": None} if head else {}
            return {**head, **nothing, "tool_calls": [token.fragment()]}
        return {**head, "reasoning_content" if token.reasoning else "content": token.text}

    async def _forward(self, part: ForwardedEvent) -> None:
        # Before sending: an upstream's usage is charged even if the client does not read it.
        self._charge.upstream = part.usage or self._charge.upstream
        self._note_end(part.finish)
        self._charge.text_bytes += part.text_bytes
        if not part.hidden:
            # Data of several lines is sent as several `data:` lines, as it came.
            lines = part.data.encode("utf-8", "replace").split(b"\n")
            await self._send(b"".join(b"data: %b\n" % line for line in lines) + b"\n")

    def _note_end(self, reason: str | None) -> None:
        """An upstream's failure ends the answer without finishing it, whatever came before."""
        if reason is not None:
            self._failed = self._failed or not is_whole(reason)
            self._charge.finished = not self._failed

    async def _finish(self) -> None:
        self._settle(self._outcome)
        await self._charge.durable()
        flags, last = self._answer.flags, b""
        if self._request.include_usage and flags.usage and not self._charge.upstream:
            last = self._meta.usage_chunk(self._charge.usage())
        # After a failure the end is the upstream's own: none is made up.
        done = self._done if self._failed else flags.done
        await self._send(last + DONE if done else last, last=True)

    async def _fail(self, problem: ApiProblem) -> None:
        """Send an error event and end, without a `[DONE]`."""
        await self._raw_send(body(event(problem.body())))


MOST_LISTED = 100_000
"""Tokens whose log probabilities fit into one document; a million would take 1.3 GB."""


class WholeResponse(Delivery):
    """`stream: false`."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._tokens: list[Token] = []
        self._reason = "stop"
        self._whole: ForwardedDocument | None = None
        self._broken = False

    async def _take(self, part: Part) -> None:
        match part:
            case Token():
                self._tokens.append(part)
                if self._request.logprobs is not None and len(self._tokens) > MOST_LISTED:
                    refuse("logprobs", f"logprobs of more than {MOST_LISTED:,} tokens need stream")
            case Finish(reason):
                self._reason = reason
            case ForwardedDocument():
                self._whole = part
                self._failed = not part.whole
            case RawBytes():
                self._broken = True
        # A client that left must be noticed here too.
        await asyncio.sleep(0)

    async def _write(self) -> None:
        try:
            await super()._write()
        except Cut:
            self._charge.tokens = len(self._tokens)
            self._settle("cut")
            await self._charge.durable()
            await self._send_half()
            raise

    async def _finish(self) -> None:
        if self._whole is None:
            self._charge.tokens = len(self._tokens)
        else:
            self._charge.text_bytes = self._whole.text_bytes
            self._charge.upstream = self._whole.usage
        self._settle(self._outcome)
        await self._charge.durable()
        data = self._document()
        await self._send_head(len(data))
        await self._send(data, last=True)

    async def _send_half(self) -> None:
        data = self._document()
        await self._send_head(len(data))
        await self._send(data[: len(data) // 2])

    async def _send_head(self, length: int) -> None:
        self.started = True
        self._waiting_since = self._loop.time()
        await self._raw_send(
            start(
                200,
                [(b"content-type", b"application/json"), (b"content-length", b"%d" % length)],
            )
        )

    async def _fail(self, problem: ApiProblem) -> None:
        """Nothing more can be said: uvicorn closes, since the announced length is not kept."""

    def _document(self) -> bytes:
        if self._whole is not None:
            return self._whole.body
        content = "".join(token.text for token in self._tokens if token.is_text)
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if reasoning := "".join(token.text for token in self._tokens if token.reasoning):
            message["reasoning_content"] = reasoning
        if calls := self._calls():
            message |= {"content": content or None, "tool_calls": calls}
        usage = self._charge.usage() if self._answer.flags.usage else None
        data = dump(
            self._meta.completion(message, self._reason, usage, self._logprobs(self._tokens))
        )
        return data[: -len(data) // 3] if self._broken else data

    def _calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []
        texts: list[list[str]] = []
        for token in self._tokens:
            if isinstance(token, CallToken):
                if token.id is not None:
                    calls.append(token.call())
                    texts.append([])
                texts[token.index].append(token.text)
        for call, pieces in zip(calls, texts, strict=True):
            call["function"]["arguments"] = "".join(pieces)
        return calls

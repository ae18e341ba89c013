"""Send each part of an answer as a server-sent event as soon as it comes."""

from __future__ import annotations

from typing import Any, ClassVar

from ocx.api.finish import is_whole
from ocx.serve.answer import (
    Begin,
    CallToken,
    Finish,
    ForwardedEvent,
    Part,
    RawBytes,
    Token,
    UpstreamDone,
)
from ocx.serve.delivery import Delivery, Headers, body
from ocx.serve.problem import ApiProblem
from ocx.serve.wire import DONE, event


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

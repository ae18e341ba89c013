"""An answer as server-sent events: a part that comes is a part that goes."""

from __future__ import annotations

from typing import Any, ClassVar

from ocx.serve.answer import Finish, Forwarded, Open, Part, Token, Verbatim
from ocx.serve.delivery import Delivery, Headers, body
from ocx.serve.problem import Problem
from ocx.serve.wire import DONE, event


class Streamed(Delivery):
    """`stream: true`."""

    headers: ClassVar[Headers] = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
    ]
    _spoken = False

    async def _take(self, part: Part) -> None:
        match part:
            case Token(text, reasoning):
                await self._send(self._envelope.chunk(self._delta(text, reasoning)))
                self._charge.tokens += 1
            case Finish(reason):
                self._charge.finished = True
                await self._send(self._envelope.chunk({}, reason))
            case Forwarded():
                await self._forward(part)
            case Open():
                await self._send(b"")
            case Verbatim(wire):
                await self._send(wire)

    def _delta(self, text: str, reasoning: bool) -> dict[str, Any]:
        name = "reasoning_content" if reasoning else "content"
        if self._spoken:
            return {name: text}
        self._spoken = True
        return {"role": "assistant", name: text}

    async def _forward(self, part: Forwarded) -> None:
        # Counted first: an upstream's usage that nobody reads is charged all the same.
        self._charge.upstream = part.usage or self._charge.upstream
        self._charge.finished = self._charge.finished or part.finish is not None
        if not part.hidden:
            # Data of several lines came in as many, and goes out as many.
            lines = part.data.encode("utf-8", "replace").split(b"\n")
            await self._send(b"".join(b"data: %b\n" % line for line in lines) + b"\n")
        self._charge.weight += part.weight

    async def _finish(self) -> None:
        self._settle("finished")
        manner, last = self._answer.manner, b""
        if self._request.include_usage and manner.usage and not self._charge.upstream:
            last = self._envelope.usage_chunk(self._charge.usage())
        await self._send(last + DONE if manner.done else last, last=True)

    async def _fail(self, problem: Problem) -> None:
        """An error event and the end; never a `[DONE]` that was not earned."""
        await self._raw_send(body(event(problem.body())))

"""Send an answer as one JSON document, when it is complete."""

from __future__ import annotations

import asyncio
from typing import Any

from ocx.serve.answer import CallToken, Cut, Finish, ForwardedDocument, Part, RawBytes, Token
from ocx.serve.delivery import Delivery, start
from ocx.serve.problem import ApiProblem, refuse
from ocx.serve.wire import dump

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

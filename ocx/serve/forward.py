"""`forward:UPSTREAM`: send the request to a server of the user's, and meter its answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocx.api.http import CHAT_CAP, ERROR_CAP, build_request
from ocx.api.sse import MAX_EVENT, Decoder, EventTooLarge, is_done
from ocx.api.types import CHAT_TIMEOUT, Endpoint
from ocx.api.urls import CHAT_PATH
from ocx.errors import DeadlineError, OcxError
from ocx.serve import upstream_reader as reading
from ocx.serve.answer import AnswerSource, AnswerStream, ForwardedEvent, Parts
from ocx.serve.openai_format import ApiError, dump, refuse
from ocx.serve.request import ChatRequest, content_kinds, tool_kinds

if TYPE_CHECKING:
    from ocx.api.async_client import AsyncClient, Streamed

FIELDS = frozenset(
    "model messages max_tokens max_completion_tokens temperature top_p stop stream stream_options"
    " seed user store metadata reasoning_effort verbosity response_format tools tool_choice"
    " parallel_tool_calls functions function_call logprobs top_logprobs logit_bias"
    " presence_penalty frequency_penalty safety_identifier prompt_cache_key n modalities".split()
)
"""Parameters whose cost is bounded by what is held: prompt, and tokens of one answer in text."""
_TEXT_PARTS = ("text", "refusal")
_TOOLS = ("function", "custom")
"""Tools that the client runs. Others, as a search of the web, the upstream runs, and charges."""


@dataclass
class Upstream:
    """The connections to one endpoint, for one event loop; its key is sent there alone."""

    endpoint: Endpoint
    tls: ssl.SSLContext | None = None
    _client: AsyncClient | None = None

    def stream(
        self,
        path: str,
        content: bytes,
        *,
        method: str = "POST",
        idle: float | None = None,
        sent: asyncio.Event | None = None,
    ) -> AbstractAsyncContextManager[Streamed]:
        """The answer to a request, within the timeout of the endpoint.

        Args:
            idle: seconds without a byte; by default those of the endpoint.
            sent: is set when the request is sent: from then on it may cost.

        Raises:
            UsageError: the path leads elsewhere.
            OcxError: in the block.
        """
        from ocx.api.async_client import AsyncClient  # aiohttp: most files forward nothing

        given = self.endpoint
        request = build_request(given, method, path, content=content, stream=True)
        if self._client is None:
            self._client = AsyncClient(given, self.tls)
        seconds = given.timeout or CHAT_TIMEOUT
        return self._client.stream(request, seconds, idle=idle or given.idle_timeout, sent=sent)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()


@dataclass
class Forward(AnswerSource):
    """Answers with one model of one upstream.

    Attributes:
        endpoint: `timeout` is for a whole answer, `idle_timeout` for a stream without a byte.
        allow_fields: parameters and kinds of content, beside `FIELDS`, that may be passed on
            though nobody here can say what they cost.
    """

    name: str
    endpoint: Endpoint
    model: str | None = None
    allow_fields: frozenset[str] = frozenset()
    is_local = False

    def __post_init__(self) -> None:
        self._upstream = Upstream(self.endpoint)
        self._keys = self.endpoint.secrets

    def check(self, request: ChatRequest) -> None:
        given = [name for name, value in request.body.items() if value is not None]
        unknown = [(name, name) for name in given if name not in FIELDS]
        unknown += [at for at in content_kinds(request.body) if at[0] not in _TEXT_PARTS]
        unknown += [at for at in tool_kinds(request.body) if at[0] not in _TOOLS]
        refused = [at for at in unknown if at[0] not in self.allow_fields]
        if request.body.get("modalities") not in (None, ["text"]):
            refused.append(("modalities", "modalities"))
        for field, param in refused:
            message = (
                f"{field[:64]} is not passed on to the upstream {self.name}: what it costs"
                f" is not known here; allow_fields of [upstreams.{self.name}] allows it"
            )
            refuse(param, message, "field_not_allowed")

    def answer(self, request: ChatRequest) -> AnswerStream:
        asked = asyncio.Event()
        made = self._stream(request, asked) if request.stream else self._whole(request, asked)
        return AnswerStream(made, asked=asked)

    async def close(self) -> None:
        await self._upstream.close()

    async def _stream(self, request: ChatRequest, asked: asyncio.Event) -> Parts:
        reader, finished = reading.Reader(self._keys), False
        try:
            async with self._sent(request, asked) as response:
                if "text/event-stream" not in response.headers.get("content-type", ""):
                    raise reading.broken("the upstream sent no stream")
                async with aclosing(_events(response)) as events:
                    async for data in events:
                        if is_done(data):
                            yield ForwardedEvent(data, hidden=True)
                            break
                        event = reader.event(data, usage_wanted=request.include_usage)
                        finished = finished or event.finish is not None
                        yield event
        except ApiError:
            if not finished:
                raise
        if not finished:
            # A [DONE] without a finish_reason is not an end.
            raise ApiError(502, self._said("broke off its answer"), "upstream_cut")

    async def _whole(self, request: ChatRequest, asked: asyncio.Event) -> Parts:
        async with self._sent(request, asked) as response:
            yield reading.Reader(self._keys).document(await _body(response, CHAT_CAP))

    @asynccontextmanager
    async def _sent(self, request: ChatRequest, asked: asyncio.Event) -> AsyncIterator[Streamed]:
        """Send the request, and give the upstream's 200; `asked` is set when it is sent.

        Raises:
            ApiError: the upstream refused, or the network failed, in here or in the block.
        """
        idle = None if request.stream else self.endpoint.timeout
        content = dump(self._body(request))
        try:
            async with self._upstream.stream(CHAT_PATH, content, idle=idle, sent=asked) as response:
                if response.status != 200:
                    data = await _body(response, ERROR_CAP)
                    raise reading.refusal(response.status, response.headers, data, self._keys)
                yield response
        except DeadlineError as error:
            text = self._said("did not answer in time")
            raise ApiError(504, text, "upstream_timeout") from error
        except OcxError as error:
            text = self._said(f"cannot be reached: {error.message}")
            raise ApiError(502, text, "upstream_network") from error

    def _said(self, text: str) -> str:
        return f"the upstream {self.name} {text}"

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body = dict(request.body)
        if self.model is not None:
            body["model"] = self.model
        if body.get("max_completion_tokens") is None:
            # Credits are reserved for this many tokens, also if the client names no limit.
            body["max_tokens"] = request.max_tokens
        if request.stream:
            # Always asked for: the charge follows it.
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        return body


async def _events(response: Streamed) -> AsyncGenerator[str, None]:
    decoder = Decoder()
    try:
        async for piece in response.pieces():
            for data in decoder.feed(piece):
                yield data
        for data in decoder.end():
            yield data
    except EventTooLarge as error:
        most = MAX_EVENT // 1024 // 1024
        raise reading.broken(f"the upstream sent an event of more than {most} MiB") from error


async def _body(response: Streamed, most: int) -> bytes:
    data = bytearray()
    async for piece in response.pieces():
        data += piece
        if len(data) > most:
            raise reading.broken(f"the upstream sent more than {most} bytes")
    return bytes(data)

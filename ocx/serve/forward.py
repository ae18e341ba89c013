"""`forward:UPSTREAM`: send the request to a server of the user's, and meter its answer.

The import of the pool is lazy: reading `serve.toml` loads this module, and most files forward
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ocx.api.sse import MAX_EVENT, Decoder, EventTooLarge, is_done
from ocx.api.types import Endpoint
from ocx.api.urls import CHAT_PATH
from ocx.errors import DeadlineError, OcxError
from ocx.secret import Secret
from ocx.serve import upstream as reading
from ocx.serve.answer import Answer, ForwardedEvent, Part, UpstreamDone
from ocx.serve.openai_format import ApiProblem, dump, refuse
from ocx.serve.request import ChatRequest, content_kinds, tool_kinds

if TYPE_CHECKING:
    from ocx.api.http import HttpRequest
    from ocx.api.pool import Pool, Streamed

MOST_ERROR = 256 * 1024
MOST_DOCUMENT = 32 * 1024 * 1024


@dataclass(frozen=True)
class Upstream:
    """A server to forward to. Its key is sent to this URL and nowhere else.

    Attributes:
        timeout: seconds for a whole answer, from the request to its last byte.
        idle_timeout: seconds that a stream may go without a byte.
        direct: use no proxy, because the server is on this machine.
        allow_fields: parameters and kinds of content, beside `FIELDS`, that may be passed on
            though nobody here can say what they cost.
    """

    name: str
    base_url: str
    key: Secret | None = None
    timeout: float = 600.0
    connect_timeout: float = 10.0
    idle_timeout: float = 120.0
    direct: bool = True
    allow_fields: frozenset[str] = frozenset()

    def endpoint(self) -> Endpoint:
        return Endpoint(
            self.base_url,
            self.key,
            connect_timeout=self.connect_timeout,
            proxy="" if self.direct else None,
            allow_http=self.key is None,
        )


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


class Forward:
    """Answers with one model of one upstream."""

    is_local = False

    def __init__(self, upstream: Upstream, model: str | None = None) -> None:
        self._upstream = upstream
        self._model = model
        self._keys = [upstream.key] if upstream.key is not None else []
        self._pool: Pool | None = None
        self._template: HttpRequest

    def check(self, request: ChatRequest) -> None:
        allowed = self._upstream.allow_fields
        for name, value in request.body.items():
            if value is not None and name not in FIELDS and name not in allowed:
                self._refuse(name, name)
        if request.body.get("modalities") not in (None, ["text"]):
            self._refuse("modalities", "modalities")
        for kind, where in content_kinds(request.body):
            if kind not in _TEXT_PARTS and kind not in allowed:
                self._refuse(where, kind)
        for kind, where in tool_kinds(request.body):
            if kind not in _TOOLS and kind not in allowed:
                self._refuse(where, kind)

    def _refuse(self, param: str, field: str) -> NoReturn:
        refuse(
            param,
            f"{field[:64]} is not passed on to the upstream {self._upstream.name}: what it costs"
            f" is not known here; allow_fields of [upstreams.{self._upstream.name}] allows it",
            "field_not_allowed",
        )

    def answer(self, request: ChatRequest) -> Answer:
        asked = asyncio.Event()
        made = self._stream(request, asked) if request.stream else self._whole(request, asked)
        return Answer(made, asked=asked)

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.close()

    async def _stream(
        self, request: ChatRequest, asked: asyncio.Event
    ) -> AsyncGenerator[Part, None]:
        finished = False
        try:
            async with aclosing(self._parts(request, asked)) as parts:
                async for part in parts:
                    if isinstance(part, ForwardedEvent):
                        finished = finished or part.finish is not None
                    yield part
        except ApiProblem:
            if not finished:
                raise
        if not finished:
            # A [DONE] without a finish_reason is not an end.
            raise ApiProblem(502, self._said("broke off its answer"), code="upstream_cut")

    async def _parts(
        self, request: ChatRequest, asked: asyncio.Event
    ) -> AsyncGenerator[Part, None]:
        decoder, reader = Decoder(), reading.Reader(self._keys)
        async with self._sent(request, asked) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise reading.broken("the upstream sent no stream")
            async with aclosing(_events(response, decoder)) as events:
                async for data in events:
                    if is_done(data):
                        yield UpstreamDone()
                        return
                    yield reader.event(data, usage_wanted=request.include_usage)

    async def _whole(
        self, request: ChatRequest, asked: asyncio.Event
    ) -> AsyncGenerator[Part, None]:
        async with self._sent(request, asked) as response:
            yield reading.Reader(self._keys).document(await _body(response, MOST_DOCUMENT))

    @asynccontextmanager
    async def _sent(self, request: ChatRequest, asked: asyncio.Event) -> AsyncIterator[Streamed]:
        """Send the request, and give the upstream's 200; `asked` is set when it is sent.

        Raises:
            ApiProblem: the upstream refused, or the network failed, in here or in the block.
        """
        given = self._upstream
        pool = self._open()
        sent = self._template.with_content(dump(self._body(request)))
        idle = given.idle_timeout if request.stream else given.timeout
        try:
            async with pool.stream(sent, given.timeout, idle=idle, sent=asked) as response:
                if response.status != 200:
                    data = await _body(response, MOST_ERROR)
                    raise reading.refusal(response.status, response.headers, data, self._keys)
                yield response
        except DeadlineError as error:
            text = self._said("did not answer in time")
            raise ApiProblem(504, text, code="upstream_timeout") from error
        except OcxError as error:
            text = self._said(f"cannot be reached: {error.message}")
            raise ApiProblem(502, text, code="upstream_network") from error

    def _said(self, text: str) -> str:
        return f"the upstream {self._upstream.name} {text}"

    def _open(self) -> Pool:
        if self._pool is None:
            from ocx.api.http import build_request
            from ocx.api.pool import Pool

            endpoint = self._upstream.endpoint()
            self._template = build_request(endpoint, "POST", CHAT_PATH, content=b"{}", stream=True)
            self._pool = Pool(endpoint)
        return self._pool

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body = dict(request.body)
        if self._model is not None:
            body["model"] = self._model
        if body.get("max_completion_tokens") is None:
            # Credits are reserved for this many tokens, also if the client names no limit.
            body["max_tokens"] = request.max_tokens
        if request.stream:
            # Always asked for: the charge follows it.
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        return body


async def _events(response: Streamed, decoder: Decoder) -> AsyncGenerator[str, None]:
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

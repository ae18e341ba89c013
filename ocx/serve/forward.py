"""`forward:UPSTREAM`: send the request to a server of the user's, and meter its answer.

The server needs httpx's asynchronous client; the one of `ocx.api` is synchronous. The import is
lazy: reading `serve.toml` loads this module, and most files forward nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ocx.api.sse import MAX_EVENT, Decoder, EventTooLarge, is_done
from ocx.secret import Secret
from ocx.serve import upstream as reading
from ocx.serve.answer import Answer, ForwardedEvent, Part, UpstreamDone
from ocx.serve.messages import content_kinds
from ocx.serve.problem import ApiProblem, refuse
from ocx.serve.request import ChatRequest

if TYPE_CHECKING:
    import httpx

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


FIELDS = frozenset(
    "model messages max_tokens max_completion_tokens temperature top_p stop stream stream_options"
    " seed user store metadata reasoning_effort verbosity response_format tools tool_choice"
    " parallel_tool_calls functions function_call logprobs top_logprobs logit_bias"
    " presence_penalty frequency_penalty safety_identifier prompt_cache_key n modalities".split()
)
"""Parameters whose cost is bounded by what is held: prompt, and tokens of one answer in text."""
_TEXT_PARTS = ("text", "refusal")


class Forward:
    """Answers with one model of one upstream."""

    is_local = False

    def __init__(self, upstream: Upstream, model: str | None = None) -> None:
        self._upstream = upstream
        self._model = model
        self._client: httpx.AsyncClient | None = None

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
        if self._client is not None:
            await self._client.aclose()

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
        decoder = Decoder()
        async with self._sent(request, asked) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise reading.broken("the upstream sent no stream")
            async with aclosing(_events(response, decoder)) as events:
                async for data in events:
                    if is_done(data):
                        yield UpstreamDone()
                        return
                    yield reading.read_event(data, usage_wanted=request.include_usage)

    async def _whole(
        self, request: ChatRequest, asked: asyncio.Event
    ) -> AsyncGenerator[Part, None]:
        async with self._sent(request, asked) as response:
            yield reading.read_document(await _body(response, MOST_DOCUMENT))

    @asynccontextmanager
    async def _sent(
        self, request: ChatRequest, asked: asyncio.Event
    ) -> AsyncIterator[httpx.Response]:
        """Send the request, and give the upstream's 200; `asked` is set once it is sent.

        Raises:
            ApiProblem: the upstream refused, or the network failed, in here or in the block.
        """
        import httpx  # see the top of this module

        async def trace(event: str, _info: Any) -> None:
            if event.endswith("send_request_body.complete"):
                asked.set()

        try:
            async with (
                asyncio.timeout(self._upstream.timeout),
                self._open().stream(
                    "POST",
                    self._upstream.base_url.rstrip("/") + "/chat/completions",
                    content=json.dumps(self._body(request)),
                    headers=self._headers(),
                    timeout=self._timeout(request),
                    extensions={"trace": trace},
                ) as response,
            ):
                if response.status_code != 200:
                    data = await _body(response, MOST_ERROR)
                    raise reading.refusal(response.status_code, response.headers, data)
                yield response
        except (httpx.TimeoutException, TimeoutError) as error:
            raise ApiProblem(
                504, self._said("did not answer in time"), code="upstream_timeout"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiProblem(
                502,
                self._said(f"cannot be reached: {type(error).__name__}"),
                code="upstream_network",
            ) from error

    def _said(self, text: str) -> str:
        return f"the upstream {self._upstream.name} {text}"

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                limits=httpx.Limits(max_connections=None),
                follow_redirects=False,
                trust_env=not self._upstream.direct,
            )
        return self._client

    def _timeout(self, request: ChatRequest) -> Any:
        import httpx

        given = self._upstream
        silence = given.idle_timeout if request.stream else given.timeout
        return httpx.Timeout(silence, connect=given.connect_timeout)

    def _headers(self) -> dict[str, str]:
        # Nothing of the client's headers goes on: its key is ours, not the upstream's.
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if self._upstream.key is not None:
            headers["authorization"] = f"Bearer {self._upstream.key.reveal()}"
        return headers

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


async def _events(response: httpx.Response, decoder: Decoder) -> AsyncGenerator[str, None]:
    try:
        async for piece in response.aiter_raw():
            for data in decoder.feed(piece):
                yield data
        for data in decoder.end():
            yield data
    except EventTooLarge as error:
        most = MAX_EVENT // 1024 // 1024
        raise reading.broken(f"the upstream sent an event of more than {most} MiB") from error


async def _body(response: httpx.Response, most: int) -> bytes:
    data = bytearray()
    async for piece in response.aiter_raw():
        data += piece
        if len(data) > most:
            raise reading.broken(f"the upstream sent more than {most} bytes")
    return bytes(data)

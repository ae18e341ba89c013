"""`forward:UPSTREAM`: send the request to a server of the user's, and meter its answer.

The server needs httpx's asynchronous client; the one of `ocx.api` is synchronous. The import is
lazy: reading `serve.toml` loads this module, and most files forward nothing.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocx.api.sse import DONE, Decoder, EventTooLarge
from ocx.secret import Secret
from ocx.serve import upstream as reading
from ocx.serve.answer import Answer, ForwardedEvent, Part
from ocx.serve.problem import ApiProblem
from ocx.serve.request import ChatRequest

if TYPE_CHECKING:
    import httpx

MOST_ERROR = 256 * 1024
MOST_DOCUMENT = 32 * 1024 * 1024


@dataclass(frozen=True)
class Upstream:
    """A server to forward to. Its key is sent to this URL and nowhere else.

    Attributes:
        timeout: seconds for a whole answer that is not streamed.
        idle_timeout: seconds that a stream may go without a byte.
        direct: use no proxy, because the server is on this machine.
    """

    name: str
    base_url: str
    key: Secret | None = None
    timeout: float = 600.0
    connect_timeout: float = 10.0
    idle_timeout: float = 120.0
    direct: bool = True


class Forward:
    """Answers with one model of one upstream."""

    is_local = False

    def __init__(self, upstream: Upstream, model: str | None = None) -> None:
        self._upstream = upstream
        self._model = model
        self._client: httpx.AsyncClient | None = None

    def answer(self, request: ChatRequest) -> Answer:
        parts = self._stream(request) if request.stream else self._whole(request)
        return Answer(parts, by_upstream=True)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _stream(self, request: ChatRequest) -> AsyncGenerator[Part, None]:
        finished = False
        try:
            async with aclosing(self._parts(request)) as parts:
                async for part in parts:
                    finished = finished or part.finish is not None
                    yield part
        except ApiProblem:
            if not finished:
                raise
        if not finished:
            # A [DONE] without a finish_reason is not an end.
            raise ApiProblem(502, self._said("broke off its answer"), code="upstream_cut")

    async def _parts(self, request: ChatRequest) -> AsyncGenerator[ForwardedEvent, None]:
        decoder = Decoder()
        async with self._sent(request) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise reading.broken("the upstream sent no stream")
            async with aclosing(_events(response, decoder)) as events:
                async for data in events:
                    if data == DONE:
                        return
                    yield reading.read_event(data, usage_wanted=request.include_usage)

    async def _whole(self, request: ChatRequest) -> AsyncGenerator[Part, None]:
        async with self._sent(request) as response:
            yield reading.read_document(await _body(response, MOST_DOCUMENT))

    @asynccontextmanager
    async def _sent(self, request: ChatRequest) -> AsyncIterator[httpx.Response]:
        """Send the request, and give the upstream's 200.

        Raises:
            ApiProblem: the upstream refused, or the network failed, in here or in the block.
        """
        import httpx  # see the top of this module

        try:
            async with self._open().stream(
                "POST",
                self._upstream.base_url.rstrip("/") + "/chat/completions",
                content=json.dumps(self._body(request)),
                headers=self._headers(),
                timeout=self._timeout(request),
            ) as response:
                if response.status_code != 200:
                    data = await _body(response, MOST_ERROR)
                    raise reading.refusal(response.status_code, response.headers, data)
                yield response
        except httpx.TimeoutException as error:
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
        raise reading.broken("the upstream sent an event of more than 4 MiB") from error


async def _body(response: httpx.Response, most: int) -> bytes:
    data = bytearray()
    async for piece in response.aiter_raw():
        data += piece
        if len(data) > most:
            raise reading.broken(f"the upstream sent more than {most} bytes")
    return bytes(data)

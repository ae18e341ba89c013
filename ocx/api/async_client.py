"""Many calls at once on one event loop; the client's rules, and none of its retries.

What is sent, what an answer or an error means and which proxy is taken is decided by the same pure
functions as in the client; `aiohttp_session` has the connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from functools import cached_property
from typing import Any

from ocx.api import http, network_errors
from ocx.api.aiohttp_session import (
    BROKEN,
    CONNECTED,
    AiohttpSession,
    Response,
    UnsentError,
    translate,
)
from ocx.api.completion import complete, reply_of
from ocx.api.error_response import about_balance, from_response
from ocx.api.models import ids_in
from ocx.api.proxy import Routes
from ocx.api.types import CHAT_TIMEOUT, QUICK_TIMEOUT, Endpoint, Reply
from ocx.api.urls import CHAT_PATH, place_of
from ocx.errors import OcxError
from ocx.secret import mask_all

log = logging.getLogger("ocx.api")

_ERROR_BODY = 5.0
"""Seconds: the status says enough, a body that does not come is not worth waiting for."""


class AsyncClient:
    """The API over many connections; an async context manager, for one event loop.

    Each call is one attempt: who makes many decides what is sent again. The errors are those of
    `ocx.api.Client`; `error.sent` tells whether the request went out.
    """

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None = None) -> None:
        self._routes = Routes(endpoint, tls)
        self._endpoint = endpoint
        self._secrets = endpoint.secrets
        self._chat = http.build_request(endpoint, "POST", CHAT_PATH, content=b"{}")

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        session: AiohttpSession | None = vars(self).pop("session", None)
        if session is not None:
            await session.close()

    async def chat(self, body: Mapping[str, Any]) -> Reply:
        """POST /chat/completions, not streamed; `reply.json` is a chat.completion.

        Raises: what `Client.chat` does.
        """
        fields = body
        if "stream" in body:
            fields = {name: value for name, value in body.items() if name != "stream"}
        request = self._chat.with_content(http.encode(fields))
        reply = await self.send(request, self._endpoint.timeout or CHAT_TIMEOUT, http.CHAT_CAP)
        return complete(reply, self._secrets)

    async def models(self) -> Reply:
        """GET /models, its first page."""
        reply = await self.request("GET", "/models", cap=http.QUICK_CAP)
        ids_in(reply, self._secrets)
        return reply

    async def balance(self) -> Reply:
        """GET /balance, as sent."""
        with about_balance():
            return await self.request("GET", "/balance", cap=http.QUICK_CAP)

    async def request(
        self, method: str, path: str, *, content: bytes = b"", cap: int = http.CHAT_CAP
    ) -> Reply:
        """Any request below the base URL; the body of the answer is not looked into."""
        request = http.build_request(self._endpoint, method, path, content=content)
        longest = CHAT_TIMEOUT if method == "POST" else QUICK_TIMEOUT  # a model may answer it
        return await self.send(request, self._endpoint.timeout or longest, cap)

    async def send(self, request: http.HttpRequest, seconds: float, cap: int) -> Reply:
        """Send once and read the whole answer.

        Args:
            seconds: for all of it.
            cap: the largest answer, in bytes.

        Raises:
            OcxError: the server refused, the answer is too large, or it never came.
        """
        started = time.monotonic()
        async with _Call(self, request, seconds) as response:
            if not 200 <= response.status < 300:
                raise await self._refused(response)
            pieces = await _pieces(response, cap)
            headers = http.joined_headers(response.headers.items())
            packed = "content-encoding" in headers
            body = http.capped(http.unpack(pieces, headers), cap) if packed else b"".join(pieces)
        return reply_of((response.status, headers, body), self._secrets, started, 1)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        request: http.HttpRequest,
        seconds: float,
        *,
        idle: float,
        sent: asyncio.Event | None = None,
    ) -> AsyncIterator[Streamed]:
        """An answer of any status as it comes, unpacked.

        Args:
            seconds: for all of it.
            idle: seconds without any byte.
            sent: is set once a connection has been found: from then on it may cost.

        Raises:
            OcxError: also in the block, while pieces are read.
        """
        async with _Call(self, request, seconds, idle, sent) as response:
            yield Streamed(response)

    async def _refused(self, response: Response) -> OcxError:
        headers = http.joined_headers(response.headers.items())
        pieces: list[bytes] = []
        with contextlib.suppress(*BROKEN):
            async with asyncio.timeout(_ERROR_BODY):
                while sum(map(len, pieces)) <= http.ERROR_CAP:
                    pieces.append(await response.content.readany())
                    if not pieces[-1]:
                        break
        if not response.content.is_eof():
            response.close()
        body = http.beginning(pieces, headers, http.ERROR_CAP)
        return from_response(response.status, headers, body, keys=self._secrets)

    @cached_property
    def session(self) -> AiohttpSession:
        """The connections, made by the first call: they belong to its event loop."""
        return AiohttpSession(self._routes.proxy_url, self._routes.tls())


class _Call:
    """One request and its answer of any status, as an async context manager.

    Everything that goes wrong in the block is translated. A class, since a generator costs twice
    as much.

    Attributes:
        connecting: no connection has been found yet, so nothing has been sent.
    """

    def __init__(
        self,
        client: AsyncClient,
        request: http.HttpRequest,
        seconds: float,
        idle: float | None = None,
        sent: asyncio.Event | None = None,
    ) -> None:
        self._client = client
        self._request = request
        self._seconds = seconds
        self._idle = idle
        self._sent = sent
        self._limit = asyncio.timeout(seconds)
        self._response: Response | None = None
        self.connecting = True

    async def __aenter__(self) -> Response:
        client, request = self._client, self._request
        session = client.session  # else, if its proxy cannot be used, that is raised
        CONNECTED.set(self._connected)
        await self._limit.__aenter__()
        try:
            connect = client._endpoint.connect_timeout
            self._response = response = await session.send(request, connect, self._idle)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s: %s", request.method, request.url, response.status)
        return response

    async def __aexit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        try:
            await self._limit.__aexit__(kind, error, traceback)
        except TimeoutError as expired:
            error = expired
        finally:
            if self._response is not None:
                self._response.release()
        if isinstance(error, OcxError):
            error.sent = True
        elif isinstance(error, asyncio.CancelledError):
            if self.connecting:
                raise UnsentError from None
        elif isinstance(error, Exception):  # of aiohttp, ssl, sockets: `translate` raises others
            raise self._failure(error) from error

    def _connected(self) -> None:
        """From now on the request is being sent."""
        self.connecting = False
        if self._sent is not None:
            self._sent.set()

    def _failure(self, error: Exception) -> OcxError:
        client, place = self._client, place_of(self._request.url)
        found: OcxError
        if self._limit.expired():
            found = network_errors.expired(self._seconds)
        else:
            connect = client._endpoint.connect_timeout if self.connecting else None
            found = translate(error, place, connect, client._routes.proxy_url)
        found.message = mask_all(found.message, client._secrets)
        found.sent = not self.connecting
        log.debug("%s %s: %s", self._request.method, self._request.url, found.message)
        return found


class Streamed:
    """Status and headers of an answer, and its body in pieces."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers = http.joined_headers(response.headers.items())
        self._response = response

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, unpacked.

        Raises:
            ServerError: it cannot be unpacked.
        """
        encoded = self.headers.get("content-encoding")
        packed: list[bytes] = []
        async for piece, _ in self._response.content.iter_chunks():
            if not encoded:
                yield piece
            elif sum(map(len, packed)) > http.CHAT_CAP:
                raise http.too_large(http.CHAT_CAP)
            else:  # unasked, since `identity` is: whole, then
                packed.append(piece)
        for piece in http.unpack(packed, self.headers) if packed else ():
            yield piece


async def _pieces(response: Response, cap: int) -> list[bytes]:
    """The body, compressed if it came so. Raises ServerError beyond the cap."""
    size, pieces = 0, []
    while piece := await response.content.readany():
        size += len(piece)
        if size > cap:
            response.close()
            raise http.too_large(cap)
        pieces.append(piece)
    return pieces

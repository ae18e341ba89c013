"""Many calls at once on one event loop, by aiohttp; the client's rules, and none of its retries.

What is sent, what an answer or an error means and which proxy is taken is decided by the same pure
functions as in the client; here they meet aiohttp.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any
from urllib.request import getproxies

import aiohttp
import yarl

from ocx.api import network_errors, proxy
from ocx.api.completion import complete, document_of
from ocx.api.error_response import about_balance, describe, from_response, parse, request_id
from ocx.api.http import (
    CHAT_CAP,
    ERROR_CAP,
    QUICK_CAP,
    HttpRequest,
    build_request,
    capped,
    too_large,
    unpack,
)
from ocx.api.http import encode as encode_body
from ocx.api.models import model_ids
from ocx.api.network_errors import place_of
from ocx.api.pool_connection import (
    CALL,
    MOST,
    Call,
    Exchange,
    Exchanges,
    UnsentError,
    connector,
    through,
    translate,
)
from ocx.api.proxy import check_ca_bundle, tls_context
from ocx.api.types import CHAT_TIMEOUT, QUICK_TIMEOUT, Endpoint, Reply
from ocx.api.urls import CHAT_PATH, check_base_url
from ocx.errors import OcxError
from ocx.secret import redact

log = logging.getLogger("ocx.api")

Response = aiohttp.ClientResponse | Exchange

_ERROR_BODY = 5.0
"""Seconds: the status says enough, a body that does not come is not worth waiting for."""


class Pool:
    """The API over many connections; an async context manager, for one event loop.

    Each call is one attempt: who makes many decides what is sent again. The errors are those of
    `ocx.api.Client`; `error.sent` tells whether the request went out.
    """

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None = None) -> None:
        check_base_url(endpoint.base_url, endpoint.allow_http)
        check_ca_bundle(endpoint.ca_bundle)
        self._endpoint = endpoint
        self._secrets = endpoint.secrets
        self._tls = tls
        self._environment = getproxies()
        self._sessions: dict[str | None, aiohttp.ClientSession] = {}
        self._exchanges: dict[str | None, Exchanges] = {}
        self._urls: dict[str, yarl.URL] = {}
        self._timeouts: dict[float | None, aiohttp.ClientTimeout] = {}
        self._chat = build_request(endpoint, "POST", CHAT_PATH, content=b"{}")

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = list(self._sessions.values()), {}
        self._exchanges = {}
        for session in sessions:
            await session.close()

    async def chat(self, body: Mapping[str, Any]) -> Reply:
        """POST /chat/completions, not streamed; `reply.json` is a chat.completion.

        Raises: what `Client.chat` does.
        """
        fields = body
        if "stream" in body:
            fields = {name: value for name, value in body.items() if name != "stream"}
        request = self._chat.with_content(encode_body(fields))
        reply = await self.send(request, self._endpoint.timeout or CHAT_TIMEOUT, CHAT_CAP)
        with _described(reply):
            return complete(reply, self._secrets)

    async def models(self) -> Reply:
        """GET /models, its first page."""
        reply = await self.request("GET", "/models", cap=QUICK_CAP)
        with _described(reply):
            model_ids(document_of(reply, self._secrets))
        return reply

    async def balance(self) -> Reply:
        """GET /balance, as sent."""
        with about_balance():
            return await self.request("GET", "/balance", cap=QUICK_CAP)

    async def request(
        self, method: str, path: str, *, content: bytes = b"", cap: int = CHAT_CAP
    ) -> Reply:
        """Any request below the base URL; the body of the answer is not looked into."""
        request = build_request(self._endpoint, method, path, content=content)
        return await self.send(request, self._endpoint.timeout or QUICK_TIMEOUT, cap)

    async def send(self, request: HttpRequest, seconds: float, cap: int) -> Reply:
        """Send once and read the whole answer.

        Args:
            seconds: for all of it.
            cap: the largest answer, in bytes.

        Raises:
            OcxError: the server refused, the answer is too large, or it never came.
        """
        started = time.monotonic()
        async with self._answer(request, seconds, Call()) as response:
            if not 200 <= response.status < 300:
                raise await self._refused(response)
            pieces = await _pieces(response, cap)
            headers = headers_of(response)
            encoding = headers.get("content-encoding", "")
            body = capped(unpack(pieces, encoding), cap) if encoding else b"".join(pieces)
        return Reply(
            response.status,
            headers,
            body,
            parse(body, headers.get("content-type", "")),
            request_id(headers, self._secrets),
            time.monotonic() - started,
            1,
        )

    @contextlib.asynccontextmanager
    async def stream(
        self,
        request: HttpRequest,
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
        async with self._answer(request, seconds, Call(sent), idle) as response:
            yield Streamed(response)

    def _answer(
        self, request: HttpRequest, seconds: float, call: Call, idle: float | None = None
    ) -> _Answering:
        """An answer of any status; everything that goes wrong in the block is translated."""
        return _Answering(self, request, seconds, call, idle)

    def _url(self, url: str) -> yarl.URL:
        found = self._urls.get(url)
        if found is None:
            found = self._urls[url] = yarl.URL(url, encoded=True)
        return found

    async def _refused(self, response: Response) -> OcxError:
        headers = headers_of(response)
        pieces: list[bytes] = []
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(_ERROR_BODY):
                while sum(map(len, pieces)) <= ERROR_CAP:
                    pieces.append(await response.content.readany())
                    if not pieces[-1]:
                        break
        if not response.content.is_eof():
            response.close()
        body = bytearray()
        with contextlib.suppress(OcxError):
            for piece in unpack(pieces, headers.get("content-encoding", "")):
                body += piece
                if len(body) > ERROR_CAP:
                    break
        content = bytes(body[:ERROR_CAP])
        error = from_response(response.status, headers, content, keys=self._secrets)
        error.headers, error.body = headers, content
        return error

    def _timeout(self, idle: float | None) -> aiohttp.ClientTimeout:
        if idle not in self._timeouts:
            self._timeouts[idle] = aiohttp.ClientTimeout(
                total=None, connect=self._endpoint.connect_timeout, sock_read=idle
            )
        return self._timeouts[idle]

    def _session(self, proxy_url: str | None, url: str) -> aiohttp.ClientSession:
        secure = url.startswith("https:") or (proxy_url or "").startswith("https:")
        if self._tls is None and secure:
            self._tls = tls_context(self._endpoint.ca_bundle)
        session = aiohttp.ClientSession(
            connector=connector(proxy_url, self._tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=2**16,
        )
        self._sessions[proxy_url], self._exchanges[proxy_url] = session, Exchanges(session)
        return session


class _Answering:
    """One exchange, as an async context manager; a class, since a generator costs twice as much."""

    def __init__(
        self, pool: Pool, request: HttpRequest, seconds: float, call: Call, idle: float | None
    ) -> None:
        self._pool = pool
        self._request = request
        self._call = call
        self._idle = idle
        self._seconds = seconds
        self._limit = asyncio.timeout(seconds)
        self._response: Response | None = None
        self._proxy_url: str | None = None

    async def __aenter__(self) -> Response:
        pool, request = self._pool, self._request
        self._proxy_url = proxy.choose(request.url, pool._endpoint.proxy, pool._environment)
        session = pool._sessions.get(self._proxy_url) or pool._session(self._proxy_url, request.url)
        CALL.set(self._call)
        await self._limit.__aenter__()
        try:
            timeout, way = pool._timeout(self._idle), through(self._proxy_url, request)
            if request.method == "POST" and len(request.content) <= MOST:
                exchanges = pool._exchanges[self._proxy_url]
                self._response = await exchanges.send(request, timeout, way)
            else:
                self._response = await session.request(
                    request.method,
                    pool._url(request.url),
                    data=request.content or None,
                    allow_redirects=False,
                    timeout=timeout,
                    **way,
                )
        except BaseException as error:
            if not await self.__aexit__(type(error), error, error.__traceback__):
                raise
        if self._response is None:
            raise AssertionError("what went wrong was raised")
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s: %s", request.method, request.url, self._response.status)
        return self._response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
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
            if self._call.connecting:
                raise UnsentError from None
        elif isinstance(
            error, Exception
        ):  # of aiohttp, ssl, sockets: `translate` raises all others
            raise self._failure(error) from error
        return False

    def _failure(self, error: Exception) -> OcxError:
        pool, place = self._pool, place_of(self._request.url)
        found: OcxError
        if self._limit.expired():
            found = network_errors.expired(self._seconds)
        else:
            connecting = self._call.connecting
            found = translate(error, place, connecting, pool._endpoint, self._proxy_url).error
        found.message = redact(found.message, pool._secrets)
        found.sent = not self._call.connecting
        log.debug("%s %s: %s", self._request.method, self._request.url, found.message)
        return found


class Streamed:
    """Status and headers of an answer, and its body in pieces."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers = headers_of(response)
        self._response = response

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, unpacked.

        Raises:
            ServerError: it cannot be unpacked.
        """
        encoding = self.headers.get("content-encoding", "")
        packed: list[bytes] = []
        async for piece, _ in self._response.content.iter_chunks():
            if not encoding:
                yield piece
            elif sum(map(len, packed)) > CHAT_CAP:
                raise too_large(CHAT_CAP)
            else:  # unasked, since `identity` is: whole, then
                packed.append(piece)
        for piece in unpack(packed, encoding) if packed else ():
            yield piece


def headers_of(response: Response) -> dict[str, str]:
    """The headers of an answer, names in lower case, repeated ones joined by a comma."""
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


async def _pieces(response: Response, cap: int) -> list[bytes]:
    """The body, compressed if it came so. Raises ServerError beyond the cap."""
    size, pieces = 0, []
    while piece := await response.content.readany():
        size += len(piece)
        if size > cap:
            response.close()
            raise too_large(cap)
        pieces.append(piece)
    return pieces


@contextlib.contextmanager
def _described(reply: Reply) -> Any:
    try:
        yield
    except OcxError as error:
        describe(error, reply.status, reply.request_id)
        raise

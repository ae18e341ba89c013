"""Connections of the async client, by aiohttp: which addresses, which proxy, what went wrong."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import aiohttp
import aiohttp.abc
import yarl
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError

from ocx.api import network_errors, proxy
from ocx.api.error_response import exception_text
from ocx.api.http import USER_AGENT, HttpRequest
from ocx.api.urls import usable_addresses
from ocx.errors import OcxError

_KEEP_ALIVE = 5.0
_BUFFER = 2**16
_SMALL = 32 * 1024  # a body that the system takes without a wait

BROKEN = (aiohttp.ClientError, TimeoutError)
"""What reading a body may raise."""
CONNECTED: contextvars.ContextVar[Callable[[], None]] = contextvars.ContextVar("ocx.api.connected")
"""Called once this task's call has a connection: what fails before has sent nothing."""


@lru_cache(8)
def _timeout(connect: float, idle: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_read=idle)


class UnsentError(asyncio.CancelledError):
    """The call was cancelled before anything was sent."""


def make_connector(proxy_url: str | None, tls: ssl.SSLContext | None) -> aiohttp.BaseConnector:
    common: dict[str, Any] = {
        "limit": 0,
        "keepalive_timeout": _KEEP_ALIVE,
        "ssl": tls if tls is not None else True,
    }
    if proxy_url is None or not proxy_url.startswith("socks"):
        return _Connector(resolver=_Resolver(), **common)
    from aiohttp_socks import ProxyConnector  # noqa: PLC0415 - only for a SOCKS proxy

    class SocksConnector(_Connector, ProxyConnector):
        pass

    host, port = proxy.host_and_port(proxy_url)
    user, password = proxy.credentials(proxy_url) or (None, None)
    made: aiohttp.BaseConnector = SocksConnector(
        host=host, port=port, username=user, password=password, rdns=True, **common
    )
    return made


class _Protocol(ResponseHandler):
    """A body that is broken ends here: aiohttp tells who waits for a head, not who reads a body."""

    def set_exception(self, exc: Any, exc_cause: Any = None) -> None:
        payload = self._payload
        if payload is not None and payload.exception() is None:
            payload.set_exception(exc)
        super().set_exception(exc, exc_cause or exc)


class _Connector(aiohttp.TCPConnector):
    """Tells when a connection has been found."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # A partial of one protocol is none of another for mypy.
        self._factory = partial(_Protocol, loop=self._loop)  # type: ignore[assignment]

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        CONNECTED.get()()
        return connection


class _Resolver(aiohttp.abc.AbstractResolver):
    """The system's, with the rule of which addresses may be connected to."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        families = {str(row[4][0]): row[0] for row in found}
        usable = usable_addresses(host, families)
        if not usable:
            raise OSError(f"{host} has no address")
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=families[address],
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in usable
        ]

    async def close(self) -> None:
        """Nothing is held."""


class AiohttpSession:
    """All requests through one proxy, or through none; an answer comes once its head is there.

    A session of aiohttp makes a URL, a dictionary of headers, a payload, a task that writes and a
    response for each request. Of a small POST all that goes out is known as bytes, and is written
    at once, at a third of the cost.
    """

    def __init__(self, proxy_url: str | None, tls: ssl.SSLContext | None) -> None:
        self._proxy_url = proxy_url
        self._connector = make_connector(proxy_url, tls)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=_BUFFER,
        )
        # By URL: what the connector asks of a request, and the first line.
        self._places: dict[str, tuple[aiohttp.ClientRequest, bytes]] = {}

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(
        self, request: HttpRequest, connect_timeout: float, idle: float | None
    ) -> Response:
        """Raises: what aiohttp does, or an OSError as it came."""
        timeout = _timeout(connect_timeout, idle)
        way = self._way(request)
        if request.method == "POST" and len(request.content) <= _SMALL:
            return await self._send_small(request, timeout, way)
        return await self._session.request(
            request.method,
            yarl.URL(request.url, encoded=True),
            data=request.content or None,
            allow_redirects=False,
            timeout=timeout,
            **way,
        )

    def _way(self, request: HttpRequest) -> dict[str, Any]:
        """The headers, and how the request goes through its proxy."""
        proxy_url = self._proxy_url
        if proxy_url is None or proxy_url.startswith("socks"):
            return {"headers": request.headers}
        login: dict[str, str] = {}
        if (user := proxy.credentials(proxy_url)) is not None:
            token = base64.b64encode(":".join(user).encode()).decode()
            login = {"Proxy-Authorization": f"Basic {token}"}
        found: dict[str, Any] = {"proxy": proxy.without_credentials(proxy_url)}
        if request.url.startswith("https:"):
            own = {"User-Agent": USER_AGENT, **login}
            return {**found, "headers": request.headers, "proxy_headers": own}
        host, *others = request.headers  # RFC 9110, 7.2: Host comes first
        return {**found, "headers": (host, *login.items(), *others)}

    async def _send_small(
        self, request: HttpRequest, timeout: aiohttp.ClientTimeout, way: Mapping[str, Any]
    ) -> RawResponse:
        asked, line = self._places.get(request.url) or self._place(request, way)
        try:
            connection = await self._connector.connect(asked, [], timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(str(error)) from error
        try:
            protocol, transport = connection.protocol, connection.transport
            if protocol is None or transport is None or transport.is_closing():
                raise aiohttp.ClientConnectionResetError("the connection is closed")
            protocol.set_response_params(
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=timeout.sock_read,
                read_bufsize=_BUFFER,
            )
            fields = "".join([f"{name}: {value}\r\n" for name, value in way["headers"]])
            transport.write(b"%b%b\r\n%b" % (line, fields.encode(), request.content))
            protocol.start_timeout()
            message, content = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:
                message, content = await protocol.read()
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(
                asked.request_info, (), status=error.code, message=error.message
            ) from error
        except BaseException:
            connection.close()
            raise
        return RawResponse(connection, message, content)

    def _place(
        self, request: HttpRequest, way: Mapping[str, Any]
    ) -> tuple[aiohttp.ClientRequest, bytes]:
        url, proxy_url = yarl.URL(request.url, encoded=True), way.get("proxy")
        asked = aiohttp.ClientRequest(
            request.method,
            url,
            headers=way["headers"],
            loop=asyncio.get_running_loop(),
            session=self._session,
            proxy=None if proxy_url is None else yarl.URL(proxy_url),
            proxy_headers=way.get("proxy_headers"),
        )
        target = url.raw_path_qs if proxy_url is None or asked.is_ssl() else url
        found = asked, f"{request.method} {target} HTTP/1.1\r\n".encode()
        self._places[request.url] = found
        return found


class RawResponse:
    """An answer whose body is still to be read.

    Attributes:
        headers, content: as those of an `aiohttp.ClientResponse`.
    """

    def __init__(self, connection: Any, message: Any, content: aiohttp.StreamReader) -> None:
        self.status: int = message.code
        self.headers: Mapping[str, str] = message.headers
        self.content = content
        self.close = connection.close
        self.release = connection.release  # which keeps it, if the whole answer has come
        content.on_eof(connection.release)


Response = aiohttp.ClientResponse | RawResponse


def translate(
    error: Exception, place: str, connect_timeout: float | None, proxy_url: str | None
) -> OcxError:
    """Translate an exception of aiohttp.

    Args:
        connect_timeout: None once a connection has been found.

    Raises:
        error: it is none of aiohttp, TLS or sockets.
    """
    if isinstance(error, aiohttp.InvalidURL):
        return network_errors.unusable_url()
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return network_errors.proxy_refused(f"{error.status} {error.message}", proxy_url)
    if connect_timeout is not None:
        return _unconnected(error, place, connect_timeout, proxy_url)
    if isinstance(error, aiohttp.ClientPayloadError):
        text = str(error)  # a chunk that is none, or a body that ends too early
        broken = "TransferEncodingError" in text and "Not enough data" not in text
    else:
        broken = isinstance(error, aiohttp.ClientResponseError | HttpProcessingError)
    if broken:
        return network_errors.not_http(place)
    if isinstance(error, aiohttp.SocketTimeoutError):
        return network_errors.silent(place)
    if isinstance(error, aiohttp.ClientError | OSError):
        return network_errors.lost(place)
    raise error


def _unconnected(error: Exception, place: str, seconds: float, proxy_url: str | None) -> OcxError:
    name = type(error).__name__ if "_socks" in type(error).__module__ else ""
    timed_out = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientOSError)
    if timed_out or name == "ProxyTimeoutError":
        return network_errors.connecting_too_long(place, seconds)
    if name == "ProxyError":
        return network_errors.proxy_refused(exception_text(error), proxy_url)
    if not name and not isinstance(error, aiohttp.ClientError | OSError | UnicodeError):
        raise error
    cause: BaseException = getattr(error, "certificate_error", None) or error
    while (inner := getattr(cause, "os_error", None) or cause.__cause__) is not None:
        cause = inner
    said = isinstance(cause, socket.gaierror | ssl.SSLError)
    if isinstance(cause, OSError) and cause.errno and not said:
        cause = OSError(cause.errno, os.strerror(cause.errno))  # asyncio has words of its own
    return network_errors.unconnected(cause, place, proxy_url)

"""Connections of the pool, by aiohttp: which addresses, which proxy, what went wrong."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import os
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Any

import aiohttp
import aiohttp.abc
import aiohttp.http_exceptions
import yarl
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError

from ocx.api import network_errors, proxy
from ocx.api.error_response import reason_of
from ocx.api.http import USER_AGENT, HttpRequest
from ocx.api.retry import Failure
from ocx.api.types import Endpoint
from ocx.api.urls import usable_addresses

_KEEP_ALIVE = 5.0


class Call:
    """Attributes:
    connecting: no connection has been found yet, so nothing has been sent.
    """

    def __init__(self, sent: asyncio.Event | None = None) -> None:
        self._sent = sent
        self.connecting = True

    def connected(self) -> None:
        """From now on the request is being sent."""
        self.connecting = False
        if self._sent is not None:
            self._sent.set()


class UnsentError(asyncio.CancelledError):
    """The call was cancelled before anything was sent."""


CALL: contextvars.ContextVar[Call] = contextvars.ContextVar("ocx.api.pool")
"""The one that this task makes."""


def connector(proxy_url: str | None, tls: ssl.SSLContext | None) -> aiohttp.BaseConnector:
    common: dict[str, Any] = {
        "limit": 0,
        "keepalive_timeout": _KEEP_ALIVE,
        "ssl": tls if tls is not None else True,
    }
    if proxy_url is not None and proxy_url.startswith("socks"):
        return _socks_connector(proxy_url, common)
    return _Connector(resolver=_Resolver(), **common)


def _socks_connector(proxy_url: str, common: dict[str, Any]) -> aiohttp.BaseConnector:
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
    """Notes when a connection has been found: what fails before has sent nothing."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # A partial of one protocol is none of another for mypy.
        self._factory = partial(_Protocol, loop=self._loop)  # type: ignore[assignment]

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        CALL.get().connected()
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


def through(proxy_url: str | None, request: HttpRequest) -> dict[str, Any]:
    """The headers, and how the request goes through its proxy."""
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


MOST = 32 * 1024
"""Bytes of a body that the system takes without a wait."""


class Exchanges:
    """The small POSTs of a session, all through the same proxy, at a third of what it takes.

    A session makes a URL, a dictionary of headers, a payload, a task that writes and a response
    for each request. Here all that goes out is known as bytes, and is written at once.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._places: dict[str, _Place] = {}

    async def send(
        self,
        request: HttpRequest,
        timeout: aiohttp.ClientTimeout,
        through: Mapping[str, Any],
    ) -> Exchange:
        """The answer, once its head is there.

        Args:
            through: the headers, and how it goes through the proxy.

        Raises: what `ClientSession.request` does, or an OSError as it came.
        """
        place = self._places.get(request.url)
        if place is None:
            place = self._places[request.url] = _Place(self._session, request, through)
        return await place.send(request, through["headers"], timeout)


class _Place:
    """Where requests go: what the connector asks of them, and their first line."""

    def __init__(
        self, session: aiohttp.ClientSession, request: HttpRequest, through: Mapping[str, Any]
    ) -> None:
        url, proxy = yarl.URL(request.url, encoded=True), through.get("proxy")
        self._session = session
        self._asked = aiohttp.ClientRequest(
            request.method,
            url,
            headers=through["headers"],
            loop=asyncio.get_running_loop(),
            session=session,
            proxy=None if proxy is None else yarl.URL(proxy),
            proxy_headers=through.get("proxy_headers"),
        )
        whole = proxy is not None and not self._asked.is_ssl()
        self._line = f"{request.method} {url if whole else url.raw_path_qs} HTTP/1.1\r\n"

    async def send(
        self,
        request: HttpRequest,
        headers: tuple[tuple[str, str], ...],
        timeout: aiohttp.ClientTimeout,
    ) -> Exchange:
        connector = self._session.connector
        if connector is None:
            raise RuntimeError("the session is closed")
        try:
            connection = await connector.connect(self._asked, [], timeout)
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
                read_bufsize=2**16,
            )
            fields = [f"{name}: {value}\r\n" for name, value in headers]
            head = f"{self._line}{''.join(fields)}\r\n".encode()
            transport.write(head + request.content)
            protocol.start_timeout()
            message, content = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:
                message, content = await protocol.read()
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(
                self._asked.request_info, (), status=error.code, message=error.message
            ) from error
        except BaseException:
            connection.close()
            raise
        return Exchange(connection, message, content)


class Exchange:
    """An answer whose body is still to be read.

    Attributes:
        headers, content: as those of an `aiohttp.ClientResponse`.
    """

    def __init__(self, connection: Any, message: Any, content: aiohttp.StreamReader) -> None:
        self._connection = connection
        self.status: int = message.code
        self.headers: Mapping[str, str] = message.headers
        self.content = content
        content.on_eof(connection.release)

    def release(self) -> None:
        """Let go of the connection, which is kept if the whole answer has come."""
        self._connection.release()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def translate(
    error: Exception, place: str, connecting: bool, endpoint: Endpoint, proxy_url: str | None
) -> Failure:
    """Translate an exception of aiohttp. Raises `error` if it is not one of its own."""
    if isinstance(error, aiohttp.InvalidURL):
        return network_errors.unusable_url()
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return network_errors.proxy_refused(f"{error.status} {error.message}", proxy_url)
    if connecting:
        return _unconnected(error, place, endpoint, proxy_url)
    if isinstance(error, aiohttp.ClientPayloadError):
        text = str(error)  # a chunk that is none, or a body that ends too early
        broken = "TransferEncodingError" in text and "Not enough data" not in text
        return network_errors.not_http(place) if broken else network_errors.lost(place)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http_exceptions.HttpProcessingError):
        return network_errors.not_http(place)
    if isinstance(error, aiohttp.ClientError | OSError):
        silent = isinstance(error, aiohttp.SocketTimeoutError)
        return network_errors.silent(place) if silent else network_errors.lost(place)
    raise error


def _unconnected(
    error: Exception, place: str, endpoint: Endpoint, proxy_url: str | None
) -> Failure:
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientOSError):
        return network_errors.connecting_too_long(place, endpoint.connect_timeout)
    name = type(error).__name__ if "_socks" in type(error).__module__ else ""
    if name == "ProxyTimeoutError":
        return network_errors.connecting_too_long(place, endpoint.connect_timeout)
    if name == "ProxyError":
        return network_errors.proxy_refused(reason_of(error), proxy_url)
    if not name and not isinstance(error, aiohttp.ClientError | OSError | UnicodeError):
        raise error
    cause: BaseException = getattr(error, "certificate_error", None) or error
    while (inner := getattr(cause, "os_error", None) or cause.__cause__) is not None:
        cause = inner
    said = isinstance(cause, socket.gaierror | ssl.SSLError)
    if isinstance(cause, OSError) and cause.errno and not said:
        cause = OSError(cause.errno, os.strerror(cause.errno))  # asyncio has words of its own
    return network_errors.unconnected(cause, place, proxy_url)

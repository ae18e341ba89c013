"""Connections of the pool: which addresses, through which proxy, and when one has been found."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import socket
import ssl
from functools import partial
from typing import Any

import aiohttp
import aiohttp.abc
from aiohttp.client_proto import ResponseHandler

from ocx.api import proxy
from ocx.api.http import USER_AGENT, HttpRequest
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

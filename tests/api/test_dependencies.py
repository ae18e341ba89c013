"""What we know of the inside of httpx, httpcore, h11 and socksio: a release may change it.

Each test names what one file relies on, so that a failure says where to look.
"""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Callable
from typing import Any

import aiohttp
import aiohttp.http_exceptions
import httpcore
import httpx
import pytest
from aiohttp.client_proto import ResponseHandler

from ocx.api import tls_context
from ocx.api.aiohttp_session import CONNECTED, make_connector
from ocx.api.httpcore_backend import REQUEST_BEGINS
from ocx.api.httpx_transport import _LOST
from ocx.api.network_errors import _PROXY_LOGIN
from tests.support.answers import answer
from tests.support.raw_server import CERTIFICATE, CLOSE, RawServer
from tests.support.waiting import DEADLINE

Servers = Callable[..., RawServer]


def test_httpx_main_is_the_command_line_that_connection_hides() -> None:
    assert importlib.util.find_spec("httpx._main") is not None


def test_httpcore_traces_the_event_that_deadlines_waits_for(raw_server: Servers) -> None:
    """Once for CONNECT, then for the request in the tunnel; with the request in its info."""
    proxy = raw_server()
    proxy.answer([b"HTTP/1.1 200 OK\r\n\r\n", CLOSE])
    methods: list[bytes] = []

    def trace(name: str, info: dict[str, Any]) -> None:
        if name == REQUEST_BEGINS:
            methods.append(info["request"].method)

    with httpcore.HTTPProxy(proxy.url) as pool, pytest.raises(httpcore.ConnectError):
        pool.request("GET", "https://api.test/", extensions={"trace": trace})
    direct = raw_server()
    direct.answer(answer({}))
    with httpcore.ConnectionPool() as pool:
        pool.request("GET", direct.url, extensions={"trace": trace})
    assert methods == [b"CONNECT", b"GET"]


def test_httpx_passes_requests_on_to_its_pool_by_this_name() -> None:
    """`httpx_transport.Transport` has another one there."""
    with httpx.HTTPTransport(verify=False) as transport:
        assert isinstance(transport._pool, httpcore.ConnectionPool)


def test_an_ssl_object_has_the_certificate_that_deadlines_reads(raw_server: Servers) -> None:
    server = raw_server(tls=True)
    server.answer(answer({}))
    with (
        httpcore.ConnectionPool(ssl_context=tls_context(str(CERTIFICATE))) as pool,
        pool.stream("GET", server.url) as response,
    ):
        ssl_object = response.extensions["network_stream"].get_extra_info("ssl_object")
        assert "notAfter" in ssl_object.getpeercert()


@pytest.mark.parametrize(
    ("sent", "lost"),
    [
        (b"", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal", True),
        (b"220 mail.example ESMTP\r\n\r\n", False),
    ],
    ids=["before the answer (httpcore)", "within it (h11)", "not HTTP"],
)
def test_a_lost_connection_alone_has_the_words_that_exceptions_knows(
    raw_server: Servers, sent: bytes, lost: bool
) -> None:
    server = raw_server()
    server.answer([sent, CLOSE])
    with httpcore.ConnectionPool() as pool, pytest.raises(httpcore.RemoteProtocolError) as caught:
        pool.request("GET", server.url)
    assert bool(_LOST.search(str(caught.value))) is lost


def test_an_http_proxy_that_asks_for_a_login_has_the_words_that_exceptions_knows(
    raw_server: Servers,
) -> None:
    proxy = raw_server()
    proxy.answer([b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n", CLOSE])
    with httpcore.HTTPProxy(proxy.url) as pool, pytest.raises(httpcore.ProxyError) as caught:
        pool.request("GET", "https://api.test/")
    assert _PROXY_LOGIN.match(str(caught.value))


def test_aiohttp_makes_its_connections_by_the_factory_that_we_replace(
    raw_server: Servers,
) -> None:
    """And a broken body is told to the protocol: ours hands that on to who reads the body."""
    server = raw_server()
    server.answer(
        [
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            lambda connection: told.wait(DEADLINE),
            b"zz\r\n",
            CLOSE,
        ]
    )
    told = threading.Event()

    async def call() -> None:
        made = make_connector(None, None)
        assert isinstance(made._factory(), ResponseHandler)
        CONNECTED.set(lambda: None)
        async with (
            aiohttp.ClientSession(connector=made) as session,
            session.get(server.url) as answer,
        ):
            told.set()
            await asyncio.wait_for(answer.read(), DEADLINE)

    with pytest.raises(aiohttp.http_exceptions.HttpProcessingError):
        asyncio.run(call())

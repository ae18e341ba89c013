"""Every case of a connection, an answer and an error, once through each of the two
clients: the same bytes are sent, and the same class, code and words come of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import re
import socket
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ocx.api import Client, Endpoint, async_client
from ocx.api.async_client import AsyncClient
from ocx.api.types import Reply
from ocx.errors import OcxError
from ocx.secret import Secret
from tests.support import answers
from tests.support.raw_server import (
    CERTIFICATE,
    CLOSE,
    RESET,
    STALL,
    FullListener,
    RawServer,
    Script,
    closed_port,
)

KEY = Secret("sk-live-0123456789abcdefghij")
HELLO = answers.completion("Hello")
SHORT = 0.3
"""Seconds of a deadline that a test waits for."""


GOOD = answers.answer(HELLO)


@dataclass(frozen=True)
class Case:
    """What the server does, and what the endpoint is, beside its URL and key."""

    script: Script | bytes = GOOD
    settings: dict[str, Any] = field(default_factory=dict)
    url: str = "{server}/api/v1"
    tls: bool = False
    path: str | None = None
    """For a GET of it instead of a chat."""
    prompt: str = "hé"
    ends: str = ""
    """The class of the error, and words of its message."""

    @property
    def body(self) -> dict[str, Any]:
        messages = [{"role": "user", "content": self.prompt}]
        return {"model": "m", "messages": messages, "stream": True}


def packed(body: bytes, encoding: str) -> bytes:
    return answers.answer(body, headers={"content-encoding": encoding})


def document(text: str = "Hello") -> bytes:
    return answers.answer(answers.completion(text)).partition(b"\r\n\r\n")[2]


def chunked(*pieces: bytes) -> list[bytes]:
    head = {"content-type": "application/json", "transfer-encoding": "chunked"}
    return [answers.head(200, head), *pieces]


def refused(status: int, **headers: str) -> bytes:
    return answers.error(status, "some_code", "no, sk-live-0123456789abcdefghij", **headers)


WHOLE = document()
GZIP = gzip.compress(WHOLE)
BOMB = gzip.compress(bytes(40 * 2**20), 1)
CASES: dict[str, Case] = {
    "an answer": Case(),
    "headers of one's own": Case(settings={"headers": {"X-Team": "red", "accept": "x/y"}}),
    "no key": Case(settings={"key": None}),
    "a base URL with a slash": Case(url="{server}/api/v1/"),
    "an answer in pieces": Case([*chunked(answers.piece(WHOLE[:7])), answers.piece(WHOLE[7:]),
                                 answers.LAST_PIECE]),
    "an answer until the end of the connection": Case([answers.head(200), WHOLE, CLOSE]),
    "HTTP/1.0": Case([b"HTTP/1.0 200 OK\r\n\r\n", WHOLE, CLOSE]),
    "hints before an answer": Case([b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", GOOD]),
    "an answer with the hints": Case(b"HTTP/1.1 103 Early Hints\r\n\r\n" + GOOD),
    "a long prompt": Case(prompt="é" * 100_000),
    "a prompt of 32 KiB": Case(prompt="e" * (32 * 1024 - 60)),
    "gzip": Case(packed(GZIP, "gzip")),
    "deflate": Case(packed(zlib.compress(WHOLE), "deflate")),
    "deflate without its header": Case(packed(zlib.compress(WHOLE)[2:-4], "deflate")),
    "an encoding that was not offered": Case(packed(WHOLE, "br"), ends="ServerError: not offered"),
    "broken gzip": Case(packed(b"\x1f\x8bnonsense", "gzip"), ends="ServerError: broken"),
    "gzip that ends early": Case(packed(GZIP[:-9], "gzip"), ends="ServerError: ends too early"),
    "a few bytes that stand for many": Case(packed(BOMB, "gzip"),
                                            ends="ServerError: larger than 32768 KiB"),
    "an error of a few bytes that stand for many": Case(answers.answer(
        BOMB, 500, {"content-encoding": "gzip"}), ends="ServerError: HTTP 500"),
    "a list that is too long": Case(answers.answer(bytes(9 * 2**20)), path="/models",
                                    ends="ServerError: larger than 8192 KiB"),
    "repeated headers": Case(answers.error(429) .replace(
        b"content-type", b"x-request-id: one\r\nx-request-id: two\r\ncontent-type", 1)),
    "a stream where none was asked for": Case(answers.stream("Hel", "lo")),
    "a stream that breaks off": Case([answers.STREAM_HEAD, answers.delta("Hel"),
                                      answers.LAST_PIECE], ends="IncompleteError: broke off"),
    "a page": Case(answers.answer("<html>no</html>", content_type="text/html")),
    "nothing": Case(answers.answer(b"")),
    "an error with 200": Case(answers.answer({"error": {"message": "full", "code": "x"}})),
    "a filtered answer": Case(answers.answer(answers.completion("", "content_filter"))),
    **{f"HTTP {status}": Case(refused(status)) for status in
       (201, 400, 401, 402, 403, 404, 405, 408, 413, 422, 429, 500, 501, 502, 503, 504, 529)},
    "a redirect": Case(answers.answer(b"", 307, {"location": "https://other.test/"})),
    "Retry-After in seconds": Case(refused(429, retry_after="7")),
    "retry-after-ms": Case(refused(503, retry_after_ms="1500")),
    "Retry-After as no number": Case(refused(429, retry_after="soon")),
    "a wait in the body": Case(answers.error(429, message="Please try again in 3.5s.")),
    "an error in gzip": Case(answers.answer(
        gzip.compress(b'{"error": "packed"}'), 400, {"content-encoding": "gzip"})),
    "an error that is large": Case(answers.answer(b"x" * 600_000, 500),
                                   ends="ServerError: HTTP 500: xxx"),
    "an error that breaks off": Case([answers.head(500, {"content-length": "50"}), b"half", CLOSE],
                                     ends="ServerError: HTTP 500: half"),
    "an error of another kind": Case(answers.answer("no", 599)),
    "no answer": Case([CLOSE], ends="NetworkError: was lost"),
    "a reset": Case([RESET], ends="NetworkError: was lost"),
    "half a head": Case([b"HTTP/1.1 200 OK\r\ncontent-", CLOSE], ends="NetworkError: was lost"),
    "the beginning of a head": Case([b"HT", CLOSE], ends="NetworkError: was lost"),
    "not HTTP": Case([b"SSH-2.0-OpenSSH_9.2\r\n", CLOSE], ends="ServerError: not HTTP"),
    "not HTTP, and open": Case([b"SSH-2.0-OpenSSH_9.6\r\n\r\n", STALL],
                               ends="ServerError: not HTTP"),
    "a greeting of mail": Case([b"220 mail.example ESMTP\r\n", CLOSE],
                               ends="ServerError: not HTTP"),
    "a zero": Case([b"\0", CLOSE], ends="ServerError: not HTTP"),
    "a head that is too large": Case([b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000, STALL],
                                     ends="ServerError: not HTTP"),
    "half a body": Case([answers.head(200, {"content-length": "500"}), WHOLE[:9], CLOSE],
                        ends="NetworkError: was lost"),
    "half a chunk": Case([*chunked(b"20\r\n{}"), CLOSE], ends="NetworkError: was lost"),
    "no last chunk": Case([*chunked(answers.piece(WHOLE)), CLOSE]),
    "a chunk that is none": Case([*chunked(b"zz\r\n{}\r\n"), CLOSE], ends="ServerError: not HTTP"),
    "out of time before the head": Case([STALL], {"timeout": SHORT},
                                        ends="DeadlineError: --timeout"),
    "out of time in the head": Case([b"HTTP/1.1 200 OK\r\n", STALL], {"timeout": SHORT},
                                    ends="DeadlineError: --timeout"),
    "out of time in the body": Case([answers.head(200, {"content-length": "99"}), b"{", STALL],
                                    {"timeout": SHORT}, ends="DeadlineError: --timeout"),
    "nobody listens": Case(url=f"http://127.0.0.1:{closed_port()}/v1",
                           ends="NetworkError: refused"),
    "a full queue": Case(url="{full}/v1", settings={"connect_timeout": SHORT},
                         ends="DeadlineError: no connection"),
    "a name that is none": Case(url="https://nowhere.test/v1",
                                ends="NetworkError: cannot resolve nowhere.test"),
    "a name of this machine elsewhere": Case(url="http://elsewhere.localhost/v1"),
    "a key that is none": Case(settings={"key": Secret("sk-live-\n")}),
    "a header that is none": Case(settings={"headers": {"X Y": "a"}}),
    "a header of ours": Case(settings={"headers": {"Authorization": "x"}}),
    "clear text": Case(url="http://api.test/v1", ends="ConfigError: clear text"),
    "a user in the URL": Case(url="http://me:pass@127.0.0.1/v1",
                              ends="ConfigError: user name or password"),
    "no scheme": Case(url="127.0.0.1/v1"),
    "a path that leaves": Case(path="/../secret"),
    "no CA file": Case(settings={"ca_bundle": "/nowhere.pem"}, ends="ConfigError: does not exist"),
    "a CA file that is none": Case(tls=True, settings={"ca_bundle": __file__},
                                   ends="ConfigError: cannot read certificates from"),
    "TLS": Case(tls=True, settings={"ca_bundle": str(CERTIFICATE)}),
    "a certificate that is not trusted": Case(tls=True, ends="NetworkError: not trusted"),
    "TLS where there is none": Case(
        url="https://127.0.0.1:{port}", settings={"connect_timeout": SHORT},
        ends="DeadlineError: no connection",
    ),
    "no TLS where there is": Case(tls=True, url="http://127.0.0.1:{port}"),
    "through a proxy": Case(url="http://lan.test/v1", settings={
        "allow_http": True, "proxy": "http://u:p%40@127.0.0.1:{port}"}),
    "a proxy that refuses": Case([b"HTTP/1.1 403 Forbidden\r\n\r\n", CLOSE],
                                 url="https://api.test/v1",
                                 settings={"proxy": "http://me:pw@127.0.0.1:{port}"},
                                 ends="NetworkError: refused: 403"),
    "a proxy that asks who": Case(
        [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", CLOSE],
        url="https://api.test/v1", settings={"proxy": "http://127.0.0.1:{port}"},
        ends="NetworkError: asks for credentials: 407"),
    "a proxy that asks who, in clear text": Case(
        answers.answer(b"", 407), url="http://lan.test/v1",
        settings={"allow_http": True, "proxy": "http://127.0.0.1:{port}"},
        ends="NetworkError: 407"),
    "a proxy that nobody runs": Case(url="https://api.test/v1", settings={
        "proxy": f"http://127.0.0.1:{closed_port()}"},
        ends="NetworkError: cannot connect to the proxy 127.0.0.1"),
    "a SOCKS proxy that nobody runs": Case(url="https://api.test/v1", settings={
        "proxy": f"socks5://127.0.0.1:{closed_port()}"}),
    "a proxy of no kind": Case(url="https://api.test/v1", settings={"proxy": "ftp://x"}),
    "a proxy, and loopback": Case(settings={"proxy": "http://127.0.0.1:1"}),
    "a silent proxy": Case([STALL], {"proxy": "http://127.0.0.1:{port}", "connect_timeout": SHORT},
                           url="https://api.test/v1", ends="DeadlineError: no connection"),
}  # fmt: skip


@dataclass
class Seen:
    """What came of one call, without what differs from run to run."""

    reply: tuple[Any, ...] | None
    error: tuple[Any, ...] | None
    sent: list[bytes]


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name == "elsewhere.localhost":
            return real("192.0.2.1", *args, **kwargs)
        if name and name.endswith(".test"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def full() -> Iterator[FullListener]:
    listener = FullListener()
    yield listener
    listener.close()


def by_client(endpoint: Endpoint, case: Case) -> Reply:
    with Client(endpoint) as client:
        if case.path is None:
            return client.chat(case.body)
        return client.request("GET", case.path, cap=8 * 2**20)


def by_async(endpoint: Endpoint, case: Case) -> Reply:
    async def call() -> Reply:
        async with AsyncClient(endpoint) as many:
            if case.path is None:
                return await many.chat(case.body)
            return await many.request("GET", case.path, cap=8 * 2**20)

    return asyncio.run(call())


@pytest.mark.parametrize("name", CASES)
def test_the_two_clients_do_not_drift(
    raw_server: Callable[..., RawServer], full: FullListener, name: str
) -> None:
    case = CASES[name]
    seen = [see(call, case, raw_server(tls=case.tls), full) for call in (by_client, by_async)]
    assert seen[0] == seen[1]
    assert seen[0].reply is not None or seen[0].error is not None
    if case.ends:
        kind, _, words = case.ends.partition(": ")
        assert seen[0].error[0] == kind
        assert words in seen[0].error[4]


def see(
    call: Callable[[Endpoint, Case], Reply], case: Case, server: RawServer, full: FullListener
) -> Seen:
    server.answer([case.script] if isinstance(case.script, bytes) else case.script)
    places = {"server": server.url, "port": server.port, "full": full.url}
    settings = {
        name: value.format(**places) if name == "proxy" else value
        for name, value in case.settings.items()
    }
    endpoint_fields = {"key": KEY, "retries": 0, **settings}

    def steady(text: object) -> str:
        return str(text).replace(str(server.port), "PORT")

    reply = error = None
    try:
        endpoint = Endpoint(case.url.format(**places), **endpoint_fields)
        found = call(endpoint, case)
        headers = dict(found.headers)
        reply = (found.status, found.json, found.body, found.request_id, headers)
    except OcxError as failure:
        error = (
            type(failure).__name__,
            failure.exit_code,
            failure.status,
            failure.api_code,
            steady(failure.message),
            failure.hint,
            failure.retry_after,
            failure.request_id,
            failure.body,
        )
        assert KEY.reveal() not in failure.message
    sent = [re.sub(rb":%d\b" % server.port, b":PORT", tunnel(one.raw)) for one in server.requests]
    return Seen(reply, error, sent)


def tunnel(raw: bytes) -> bytes:
    """What opens a tunnel goes to the proxy alone, and each library names itself there."""
    if not raw.startswith(b"CONNECT "):
        return raw
    lines = raw.split(b"\r\n")
    assert not any(line.startswith(b"Authorization") for line in lines)
    return b"\r\n".join([lines[0], *(line for line in lines if line.startswith(b"Proxy-"))])


@pytest.mark.parametrize(
    ("script", "settings", "sent"),
    [
        ([CLOSE], {}, True),
        ([STALL], {"timeout": SHORT}, True),
        (refused(500), {}, True),
        (None, {}, False),
    ],
)
def test_whether_a_request_went_out_is_told(
    raw_server: Callable[..., RawServer],
    script: Any,
    settings: dict[str, Any],
    sent: bool,
) -> None:
    server = raw_server()
    server.answer([script] if isinstance(script, bytes) else script or [CLOSE])
    url = server.url if script is not None else f"http://127.0.0.1:{closed_port()}"
    for call in (by_client, by_async):
        with pytest.raises(OcxError) as caught:
            call(Endpoint(url, KEY, retries=0, **settings), Case())
        assert caught.value.sent is sent


KEPT = {
    "an answer": (GOOD, 1),
    "an answer in pieces": ([*chunked(answers.piece(WHOLE)), b"0\r\n\r\n"], 1),
    "a refusal": (answers.error(429), 1),
    "an answer that closes": (answers.answer(HELLO, headers={"connection": "close"}), 2),
    "an answer and another one": (GOOD + answers.answer(answers.completion("not yours")), 2),
    "a refusal that does not end": ([answers.head(500, {"content-length": "999999"}), b"half",
                                     STALL], 2),
    "an answer that is too large": (answers.answer(bytes(40 * 2**20)), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_the_async_client_keeps_a_connection_that_has_nothing_left_to_say(
    raw_server: Callable[..., RawServer], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_client, "_ERROR_BODY", SHORT)
    script, connections = KEPT[name]
    server = raw_server()
    server.answer(script, GOOD)
    endpoint = Endpoint(f"{server.url}/v1", KEY)

    async def two() -> Reply:
        async with AsyncClient(endpoint) as many:
            with contextlib.suppress(OcxError):
                await many.chat(Case().body)
            return await many.chat(Case().body)

    assert asyncio.run(two()).json == HELLO
    assert server.connections == connections


def test_a_call_that_is_cancelled_leaves_no_connection(
    raw_server: Callable[..., RawServer],
) -> None:
    server = raw_server()
    server.answer([answers.head(200, {"content-length": "99"}), b"{", STALL], GOOD)
    endpoint = Endpoint(f"{server.url}/v1", KEY)

    async def cut_off() -> Reply:
        async with AsyncClient(endpoint) as many:
            first = asyncio.create_task(many.chat(Case().body))
            await asyncio.to_thread(server.wait_for_requests, 1)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            await asyncio.to_thread(server.wait_for_close, 1)
            return await many.chat(Case().body)

    assert asyncio.run(cut_off()).json == HELLO
    assert server.connections == 2

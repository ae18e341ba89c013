"""The client against real sockets: deadlines, cuts, TLS, proxies, names, interrupts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpcore
import pytest

from ocx.api import Client, Endpoint
from ocx.api.http import request_preview
from ocx.api.httpcore_backend import DeadlineBackend
from ocx.errors import (
    ConfigError,
    DeadlineError,
    IncompleteError,
    Interrupted,
    NetworkError,
    OcxError,
    ServerError,
)
from ocx.secret import Secret
from tests.support import answers
from tests.support.answers import DONE, LAST_PIECE, STREAM_HEAD, answer, delta, event, finish
from tests.support.chat_server import ChatServer
from tests.support.raw_server import CERTIFICATE, CLOSE, RESET, STALL, RawServer, Step, drip

KEY = Secret("sk-live-0123456789abcdefghij")
BODY = {"model": "m", "messages": [{"role": "user", "content": "hé"}]}
SHORT = 0.3
"""Seconds of a deadline that a test waits for; nothing asserts that it took no longer."""

Servers = Callable[..., RawServer]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def endpoint(chat_server: ChatServer) -> Endpoint:
    return Endpoint(chat_server.base_url, KEY, retries=0)


def client(server: RawServer | str, **settings: Any) -> Client:
    url = server if isinstance(server, str) else server.url
    return Client(Endpoint(url, KEY, **{"retries": 0, **settings}))


def stream(*steps: Step) -> list[Step]:
    return [STREAM_HEAD, *steps]


def collect(client: Client, seen: threading.Event | None = None) -> tuple[str, OcxError | None]:
    """The text of a streamed chat and what it ended with; `seen` is set by the first of it."""
    text = ""
    try:
        with client, client.stream(BODY) as answer:
            for deltas in answer:
                text += "".join(delta.text for delta in deltas)
                if seen:
                    seen.set()
    except OcxError as error:
        return text, error
    return text, None


def fails(
    client: Client,
    kind: type[OcxError],
    says: str,
    call: Callable[[Client], object] = lambda client: client.chat(BODY),
) -> OcxError:
    """The error that a call ends with, after closing the client."""
    with client, pytest.raises(kind) as caught:
        call(client)
    assert says in caught.value.message
    return caught.value


def reaches(client: Client) -> None:
    with client:
        assert client.models().status == 200


# What goes over the wire


@pytest.mark.parametrize("streamed", [True, False])
def test_the_bytes_sent_are_those_of_the_preview(
    chat_server: ChatServer, endpoint: Endpoint, streamed: bool
) -> None:
    with Client(endpoint) as client:
        list(client.stream(BODY)) if streamed else client.chat(BODY)
    method, url, headers, body = request_preview(endpoint, BODY, stream=streamed)
    headers["Authorization"] = f"Bearer {KEY.reveal()}"
    lines = [f"{method} {url.removeprefix(chat_server.url)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    assert chat_server.requests[0].raw == "\r\n".join([*lines, "", ""]).encode() + body


def test_one_connection_serves_every_call(chat_server: ChatServer, endpoint: Endpoint) -> None:
    """A stream that was read to its [DONE] too."""
    with Client(endpoint) as client:
        client.models()
        list(client.stream(BODY))
        client.balance()
        list(client.stream(BODY))
    assert (chat_server.connections, len(chat_server.requests)) == (1, 4)
    chat_server.wait_for_close()


def test_an_ended_answer_does_not_wait_for_the_end_of_the_connection(raw_server: Servers) -> None:
    server = raw_server()
    server.answer(stream(delta("a"), finish(), event(DONE), STALL))
    assert collect(client(server)) == ("a", None)
    server.wait_for_close()


def test_deltas_come_while_the_server_still_thinks(raw_server: Servers) -> None:
    server, go_on = raw_server(), threading.Event()
    server.answer(stream(delta("a"), go_on, delta("b"), finish(), event(DONE), LAST_PIECE))
    with client(server) as open_client, open_client.stream(BODY) as answer:
        pieces = iter(answer)
        assert next(pieces)[0].text == "a"
        go_on.set()
        assert [d.text for deltas in pieces for d in deltas] == ["b", ""]


# Deadlines


def test_comments_are_bytes_and_the_total_holds_all_the_same(raw_server: Servers) -> None:
    server = raw_server()
    server.answer(stream(delta("a"), drip(b"", answers.piece(b": ping\n\n"))))
    text, error = collect(client(server, idle_timeout=5, timeout=SHORT))
    assert (text, type(error)) == ("a", DeadlineError)
    assert "--timeout" in str(error)
    server.wait_for_close()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "step",
    [
        STALL,
        drip(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
        drip(answers.head(200, {"content-length": "99999"}), b" "),
        drip(answers.head(200), b" "),
    ],
    ids=["silence", "headers", "body", "body-without-length"],
)
def test_the_total_holds_in_every_phase(raw_server: Servers, step: Step, tls: bool) -> None:
    """A server that sends a byte now and then never trips a limit of each read."""
    server = raw_server(tls=tls)
    server.answer([step])
    url = server.url.replace("127.0.0.1", "localhost") if tls else server.url
    fails(client(url, timeout=SHORT, ca_bundle=str(CERTIFICATE)), DeadlineError, "--timeout")
    server.wait_for_close()


def test_an_error_body_that_drips_does_not_hold_the_error_back(raw_server: Servers) -> None:
    server = raw_server()
    server.answer([drip(answers.head(500, {"content-length": "99999"}) + b"oh", b" ")])
    fails(client(server, timeout=SHORT), ServerError, "oh")


def test_a_whole_answer_may_take_longer_than_idle(raw_server: Servers) -> None:
    """Nothing comes before its end, so only the total holds."""
    server, go_on = raw_server(), threading.Event()
    server.answer([go_on, answer(answers.completion("x"))])
    with client(server, idle_timeout=0.01) as open_client:
        threading.Timer(0.1, go_on.set).start()
        assert open_client.chat(BODY).attempts == 1


Serve = Callable[[socket.socket], object]
Listen = Callable[[Serve], str]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Leave one connection to a function, for what is not HTTP; its address."""
    with contextlib.ExitStack() as stack:

        def make(serve: Serve) -> str:
            def run() -> None:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    serve(connection)

            thread = threading.Thread(target=run, daemon=True)
            stack.callback(thread.join, 10)
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread.start()
            return f"127.0.0.1:{listener.getsockname()[1]}"

        yield make


@pytest.mark.parametrize(
    ("settings", "says"), [({"idle_timeout": SHORT}, "idle"), ({"timeout": SHORT}, "--timeout")]
)
def test_a_server_that_does_not_read(listen: Listen, settings: dict[str, Any], says: str) -> None:
    stop = threading.Event()
    address = listen(lambda connection: stop.wait(10))
    large = {**BODY, "x": "x" * 20_000_000}
    deaf = client(f"http://{address}", **settings)
    fails(deaf, DeadlineError, says, lambda c: c.stream(large))
    stop.set()


# Cuts and garbage


@pytest.mark.parametrize("end", [RESET, CLOSE], ids=["reset", "close"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_cut(raw_server: Servers, end: Step, tls: bool) -> None:
    server = raw_server(tls=tls)

    def ask(*steps: Step) -> tuple[str, type[Any]]:
        # A reset destroys what the client has not read yet.
        seen = threading.Event()
        server.answer([*steps, *([seen] if len(steps) > 1 else []), end])
        text, error = collect(client(server, ca_bundle=str(CERTIFICATE)), seen)
        return text, type(error)

    assert ask() == ("", NetworkError)
    assert ask(STREAM_HEAD) == ("", NetworkError)
    assert ask(STREAM_HEAD, delta("a")) == ("a", IncompleteError)
    assert ask(STREAM_HEAD, delta("a") + finish()) == ("a", type(None))


# TLS


def test_a_certificate_for_another_name(
    raw_server: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = raw_server(tls=True)
    resolve(monkeypatch, {"api.test": ["127.0.0.1"]})
    url = f"https://api.test:{server.port}"
    fails(client(url, ca_bundle=str(CERTIFICATE)), NetworkError, "Hostname mismatch")


def test_a_server_without_tls(listen: Listen) -> None:
    def plain(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.recv(65536)

    fails(client(f"https://{listen(plain)}"), NetworkError, "no TLS with 127.0.0.1")


def test_the_environments_certificates(
    raw_server: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = raw_server(tls=True)
    server.answer(answer({"data": []}))
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    reaches(client(server))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    fails(client(server), ConfigError, "SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_FILE", "")  # as good as unset
    monkeypatch.setenv("SSL_CERT_DIR", "")
    fails(client(server), NetworkError, "self-signed certificate")


def test_a_ca_bundle_may_be_a_folder(tmp_path: Path) -> None:
    fails(client("https://127.0.0.1:1", ca_bundle=str(tmp_path)), NetworkError, "cannot connect")


# Names and addresses


def resolve(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str] | Exception]) -> None:
    """Replace the resolver for `names`."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        found = names.get(host)
        if found is None:
            return real(host, port, *args, **kwargs)
        if isinstance(found, Exception):
            raise found
        return [row for address in found for row in real(address, port, 0, socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), 1),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), 3),
        (UnicodeError("label empty or too long"), 1),
    ],
)
def test_a_name_that_cannot_be_resolved(
    monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int
) -> None:
    """Named in the message; tried again only where it may be there in a moment."""
    resolve(monkeypatch, {"api.test": error})
    slept: list[float] = []
    patient = Client(Endpoint("https://api.test/v1", KEY), sleep=slept.append)
    fails(patient, NetworkError, "cannot resolve api.test: ")
    assert len(slept) == attempts - 1


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """getaddrinfo knows no timeout; ours holds all the same."""
    release = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        release.wait(10)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    for limit, says in (("connect_timeout", "looking up api.test timed out"), ("timeout", "--tim")):
        fails(client("https://api.test", **{limit: SHORT}), DeadlineError, says)
    release.set()


def test_every_address_of_a_name_is_tried(
    raw_server: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = raw_server()
    server.answer(answer({"data": []}))
    resolve(monkeypatch, {"x.localhost": ["::1", "127.0.0.1"], "empty.localhost": []})
    reaches(client(f"http://x.localhost:{server.port}"))
    fails(client("http://empty.localhost:1"), NetworkError, "cannot connect")


def test_an_address_that_swallows_packets_leaves_time_for_the_next() -> None:
    backend = DeadlineBackend(connect_timeout=9)
    backend.start(600)
    shares: list[float] = []

    class Tcp(httpcore.NetworkBackend):
        def connect_tcp(self, host: str, port: int, timeout: Any = None, *_: Any) -> Any:
            shares.append(timeout)
            raise httpcore.ConnectTimeout

    backend._tcp = Tcp()  # type: ignore[assignment]
    backend._addresses = lambda host, port: ["192.0.2.1", "192.0.2.2", "192.0.2.3"]  # type: ignore[method-assign]
    with pytest.raises(httpcore.ConnectTimeout):
        backend.connect_tcp("api.test", 443, 9)
    assert [round(share, 1) for share in shares] == [3.0, 4.5, 9.0]


def test_no_time_is_left_for_a_step_of_connecting() -> None:
    backend = DeadlineBackend(connect_timeout=-1)
    backend.start(600)
    with pytest.raises(httpcore.ConnectTimeout):
        backend.connect_tcp("127.0.0.1", 1)
    backend.start(-1)
    with pytest.raises(DeadlineError):
        backend.limit(5)


def test_ipv6(raw_server: Servers) -> None:
    try:
        server = raw_server("::1")
    except OSError:
        pytest.skip("no IPv6 here")
    server.answer(answer({"data": []}))
    reaches(client(server))
    assert server.requests[0].header("host") == f"[::1]:{server.port}"


# Proxies


def tunnel(port: int) -> Callable[[socket.socket], None]:
    """Connects whatever comes to a port of this machine."""

    def run(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as target:
            back = threading.Thread(target=pump, args=(target, connection), daemon=True)
            back.start()
            pump(connection, target)
            back.join(10)

    return run


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def test_plain_http_through_a_proxy(raw_server: Servers) -> None:
    proxy = raw_server()
    proxy.answer(answer({"data": []}))
    address = proxy.url.removeprefix("http://")
    lan = Endpoint("http://lan.test/v1", allow_http=True, proxy=f"http://u:p%40@{address}")
    with Client(lan) as open_client:
        open_client.models()
    assert proxy.requests[0].target == "http://lan.test/v1/models"
    assert proxy.requests[0].header("proxy-authorization") == "Basic dTpwQA=="


def proxied(proxy: str, **settings: Any) -> Client:
    """An endpoint whose name only the proxy knows."""
    return client("https://api.test/v1", proxy=proxy, ca_bundle=str(CERTIFICATE), **settings)


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_tls_through_a_tunnel(
    raw_server: Servers, listen: Listen, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    server, proxy = raw_server(tls=True), raw_server()
    server.answer(answer({"data": []}))
    proxy.answer([b"HTTP/1.1 200 OK\r\n\r\n", tunnel(server.port), CLOSE])
    address = proxy.url.removeprefix("http://")
    if kind == "socks5":
        address = listen(socks(server.port))
    # The test's certificate has no name but those of loopback.
    monkeypatch.setattr("ocx.api.proxy.is_loopback", lambda host: False)
    url = f"https://localhost:{server.port}"
    reaches(client(url, proxy=f"{kind}://{address}", ca_bundle=str(CERTIFICATE)))
    if kind == "http":
        assert proxy.requests[0].raw.startswith(f"CONNECT localhost:{server.port} ".encode())
        assert KEY.reveal().encode() not in proxy.received()


def socks(port: int) -> Callable[[socket.socket], None]:
    def run(connection: socket.socket) -> None:
        connection.recv(64)
        connection.sendall(b"\x05\x00")
        connection.recv(512)
        connection.sendall(b"\x05\x00\x00\x01\0\0\0\0\0\0")
        tunnel(port)(connection)

    return run


@pytest.mark.parametrize(
    ("reply", "says", "attempts"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "asks for credentials: 407", 1),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refused: 403", 3),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "refused: 502", 3),
        (b"garbage\r\n\r\n", "cannot connect to the proxy", 3),
        (CLOSE, "cannot connect to the proxy", 3),
    ],
)
def test_a_proxy_that_refuses(raw_server: Servers, reply: Step, says: str, attempts: int) -> None:
    proxy = raw_server()
    proxy.answer([reply, CLOSE])
    address = proxy.url.removeprefix("http://")
    endpoint = Endpoint("https://api.test", KEY, proxy=f"http://me:pa55word@{address}")
    open_client = Client(endpoint, sleep=lambda _: None)
    error = fails(open_client, NetworkError, says)
    assert len(proxy.requests) == attempts
    assert "pa55word" not in f"{error.message}{error.hint}"
    assert address in error.message
    assert KEY.reveal().encode() not in proxy.received()


@pytest.mark.parametrize(
    "reply", [b"\x05\xff", b"\x05\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b""]
)
def test_a_socks_proxy_that_is_none(listen: Listen, reply: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(64)
        if not reply:
            return
        connection.sendall(reply)
        connection.recv(64)
        connection.sendall(b"\x05\x01\x00\x01\0\0\0\0\0\0")

    fails(proxied(f"socks5://{listen(serve)}"), NetworkError, "")


def test_a_proxy_behind_tls(raw_server: Servers) -> None:
    proxy = raw_server(tls=True)
    proxy.answer([b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", CLOSE])
    fails(proxied(proxy.url), NetworkError, "407")
    untrusting = client("https://api.test", proxy=proxy.url)
    fails(untrusting, NetworkError, "api.test or its proxy is not trusted")


def test_a_proxy_of_the_environment(raw_server: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = raw_server()
    proxy.answer([b"HTTP/1.1 503 Busy\r\n\r\n", CLOSE])
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    fails(client("https://api.test"), NetworkError, "503")
    monkeypatch.setenv("HTTPS_PROXY", "gopher://u:pa55word@h")
    assert "pa55word" not in fails(client("https://api.test"), ConfigError, "").message


# Interrupts


@pytest.fixture
def interrupting() -> Iterator[Callable[[Any], None]]:
    """A step of a script that interrupts this process, as Ctrl-C would."""

    def raise_interrupted(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, raise_interrupted)
    yield lambda _: os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("begun", [[], [STREAM_HEAD], [STREAM_HEAD, delta("a")]])
def test_an_interrupt_in_the_middle_of_a_read_closes_the_connection(
    raw_server: Servers, interrupting: Step, begun: list[Step], tls: bool
) -> None:
    """At once and by itself: the server sees it while exception and client still exist."""
    server = raw_server(tls=tls)
    server.answer([*begun, interrupting, STALL])
    open_client = client(server, ca_bundle=str(CERTIFICATE))
    kept: list[object] = []
    try:
        with open_client.stream(BODY) as answer:
            kept.append(answer)
            kept += list(answer)
    except Interrupted as interrupt:
        kept.append(interrupt)
        server.wait_for_close()
    assert isinstance(kept[-1], Interrupted)


def test_an_interrupt_of_a_whole_answer(raw_server: Servers, interrupting: Step) -> None:
    server = raw_server()
    server.answer([answers.head(200, {"content-length": "9"}), interrupting, STALL])
    with pytest.raises(Interrupted):
        client(server).chat(BODY)
    server.wait_for_close()


@pytest.mark.parametrize("tls", [False, True])
def test_closing_from_another_thread_ends_the_call(raw_server: Servers, tls: bool) -> None:
    """What a second Ctrl-C does to the workers of a batch."""
    server = raw_server(tls=tls)
    open_client = client(server, ca_bundle=str(CERTIFICATE))
    server.answer([lambda _: open_client.close(), STALL])
    with pytest.raises(NetworkError, match="lost"):
        open_client.chat(BODY)
    with pytest.raises(NetworkError):
        open_client.chat(BODY)


class Slow(httpcore.NetworkStream):
    """Data only after some waits that were too short."""

    def __init__(self, timeouts: int) -> None:
        self._timeouts = timeouts
        self.waits: list[float] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        assert timeout is not None
        self.waits.append(timeout)
        if len(self.waits) <= self._timeouts:
            raise httpcore.ReadTimeout("timed out")
        return b"data"


def test_no_wait_is_long_so_that_no_signal_is_missed() -> None:
    """One that comes after the last look and before the system call does not end that call."""
    backend, slow = DeadlineBackend(connect_timeout=9), Slow(timeouts=9)
    backend.start(60)
    assert backend.adopt(slow).read(10, timeout=50) == b"data"
    assert (len(slow.waits), max(slow.waits) <= 1) == (10, True)


def test_a_read_that_is_over_is_over() -> None:
    backend, slow = DeadlineBackend(connect_timeout=9), Slow(timeouts=10_000_000)
    backend.start(60)
    with pytest.raises(httpcore.ReadTimeout):
        backend.adopt(slow).read(10, timeout=0.01)

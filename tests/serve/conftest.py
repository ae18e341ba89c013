"""A real server in this process, and the ways that tests reach it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocx.api.prices import Price
from ocx.api.types import Endpoint
from ocx.secret import Secret
from ocx.serve.admission import RequestRecord, mint
from ocx.serve.app import App, ServeSettings
from ocx.serve.charge import MICRO, problems
from ocx.serve.forward import Forward, Upstream
from ocx.serve.ledger import Account, Key, Ledger
from ocx.serve.routing import BUILT_IN, Model, Router
from ocx.serve.server import UvicornServer, serving
from ocx.serve.store import Store
from ocx.serve.tape import Tape, TapeFile
from ocx.serve.tape_player import TapeApp, to_completion
from tests.support.raw_server import CLOSE, RawServer
from tests.support.waiting import DEADLINE, Board

REQUEST_LINE = "POST /api/v1/chat/completions HTTP/1.1"
GRANT = 500 * MICRO
PRICE = Price(Decimal(10), Decimal(100))


class Watched(Ledger):
    """A ledger whose reservations can be waited for."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.board = Board()
        self.reserved = 0

    def reserve(self, key: Key, model: str, hold: int) -> int:
        charge = super().reserve(key, model, hold)
        self.board.note(self._count)
        return charge

    def _count(self) -> None:
        self.reserved += 1

    def wait_for(self, count: int) -> None:
        self.board.wait_for(lambda: self.reserved >= count, f"{count} reservations")


@dataclass
class Served:
    """A running server: its address, its key, its ledger and what it logged."""

    url: str
    key: Secret
    app: App
    http: httpx.Client
    log: list[RequestRecord]
    board: Board
    ledger: Watched

    @property
    def account(self) -> Account:
        return self.ledger.account()

    def ask(self, text: str = "hi", model: str = "gpt-4o", **given: Any) -> httpx.Response:
        headers = given.pop("headers", {})
        body = request(text, model, **given)
        return self.http.post("/chat/completions", json=body, headers=headers)

    def connect(self) -> socket.socket:
        """A connection on which nothing has been sent."""
        return socket.create_connection(("127.0.0.1", httpx.URL(self.url).port), DEADLINE)

    def head(self, *headers: str) -> bytes:
        """That of a chat request with the key, and with these headers."""
        lines = (
            REQUEST_LINE,
            "Host: localhost",
            f"Authorization: Bearer {self.key.reveal()}",
            *headers,
        )
        return "\r\n".join([*lines, "", ""]).encode()

    def raw(self, body: Any, *headers: str) -> socket.socket:
        """A connection on which a chat request has been sent."""
        data = json.dumps(body).encode()
        connection = self.connect()
        connection.sendall(self.head(*headers, f"Content-Length: {len(data)}") + data)
        return connection

    def wait_for(self, count: int) -> list[RequestRecord]:
        """The log, as soon as `count` requests are over."""
        self.board.wait_for(lambda: len(self.log) >= count, f"{count} requests to end")
        return self.log

    def charges(self) -> list[tuple[Any, ...]]:
        """(state, outcome, prompt tokens, completion tokens, cost) of every charge."""
        return self.ledger.store.db.execute(
            "SELECT state, outcome, prompt_tokens, completion_tokens, cost FROM charge ORDER BY id"
        ).fetchall()


def request(text: str = "hi", model: str = "gpt-4o", **given: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **given}


Serve = Callable[..., Served]
ASK = request("one two three", "front")


def forwarded(gateway: Served, **given: Any) -> httpx.Response:
    """What the model `front` answers, which another stands behind."""
    return gateway.ask("one two three", "front", **given)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers; at the end each stops, and its ledger must be sound with nothing held."""
    with ExitStack() as stack:
        ledgers: list[Ledger] = []

        def start(grant: int = GRANT, store: Store | None = None, **given: Any) -> Served:
            ledger = Watched(stack.enter_context(closing(store or Store.memory())))
            ledger.account(grant=grant)
            ledgers.append(ledger)
            log: list[RequestRecord] = []
            board = Board()
            key = mint()

            def note(record: RequestRecord) -> None:
                board.note(lambda: log.append(record))

            fixed = given.pop("fixed", False)
            settings = ServeSettings(**given)
            app = App(ledger, settings, key, note, fixed)
            stack.callback(lambda: check(ledger))
            url = stack.enter_context(serving(app))
            headers = {"authorization": f"Bearer {key.reveal()}"}
            http = httpx.Client(base_url=url, headers=headers, timeout=DEADLINE)
            stack.enter_context(http)
            return Served(url, key, app, http, log, board, ledger)

        yield start


Tell = Callable[[bytes], RawServer]


@pytest.fixture
def told(raw_server: Callable[..., RawServer]) -> Tell:
    """Start upstreams that send these bytes, and hang up."""

    def make(answer: bytes) -> RawServer:
        made = raw_server()
        made.answer([answer, CLOSE])
        return made

    return make


@pytest.fixture
def front(serve: Serve, told: Tell) -> Serve:
    """Start gateways whose model `front` is a model of what stands behind.

    That is a server of ours, an upstream that sends these bytes, or a URL.
    """

    def start(back: Served | bytes | str, model: str | None = "m", **given: Any) -> Served:
        if isinstance(back, Served):
            given["key"] = back.key
        server = told(back) if isinstance(back, bytes) else back
        url = server if isinstance(server, str) else server.url
        price = given.pop("price", PRICE)
        more = {"grant": given.pop("grant")} if "grant" in given else {}
        allowed = given.pop("allow_fields", frozenset())
        endpoint = Endpoint(url, proxy="", allow_http="key" not in given, **given)
        routed = Model("front", "me", price, Forward("up", endpoint, model, allowed))
        return serve(router=Router([*BUILT_IN, routed]), **more)

    return start


def check(ledger: Ledger) -> None:
    assert problems(ledger.store.db) == []
    assert ledger.account().held == 0
    left = ledger.store.db.execute("SELECT count(*) FROM charge WHERE state = 'held'").fetchone()
    assert left == (0,)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()


Inside = Callable[..., tuple[UvicornServer, Served]]


@pytest.fixture
def inside(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inside]:
    """Start a server that a test can look into, which keeps `most` connections."""
    with ExitStack() as stack:

        def start(most: int | None = None) -> tuple[UvicornServer, Served]:
            made = UvicornServer(replace(served.app))
            monkeypatch.setattr("ocx.serve.server.UvicornServer", lambda _: made)
            served.url = stack.enter_context(serving(served.app))
            if most is not None:
                monkeypatch.setattr(made, "_most", lambda: most)
            return made, served

        yield start


def events(text: str) -> list[Any]:
    """The events of a stream: documents, and "[DONE]"."""
    found = [line.removeprefix("data: ") for line in text.split("\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in found]


def error(reply: httpx.Response, status: int) -> dict[str, Any]:
    """The error of a reply, which has exactly the four documented fields."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    found: dict[str, Any] = body["error"]
    return found


def refused(served: Served, change: dict[str, Any], param: str) -> dict[str, Any]:
    """The error of a chat request with this change: it names `param`, and nothing is charged."""
    found = error(served.http.post("/chat/completions", json={**request(), **change}), 400)
    assert (found["param"], found["type"]) == (param, "invalid_request_error")
    assert served.charges() == []
    return found


def choice(reply: httpx.Response) -> Any:
    """The first choice of a whole answer, or what the chunks of a stream make of it."""
    if reply.headers["content-type"] == "application/json":
        return reply.json()["choices"][0]
    *chunks, done = events(reply.text)
    assert done == "[DONE]"
    return to_completion(chunks)["choices"][0]


def said(reply: httpx.Response) -> Any:
    return choice(reply)["message"]["content"]


def routed(serve: Serve, target: Any, **given: Any) -> Served:
    """A server whose model `scripted` is `target`."""
    model = Model("scripted", "me", BUILT_IN[0].price, target)
    return serve(router=Router([*BUILT_IN, model]), **given)


def until_closed(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def until(connection: socket.socket, marker: bytes) -> bytes:
    data = b""
    while marker not in data:
        piece = connection.recv(65536)
        assert piece, f"closed before {marker!r}: {data!r}"
        data += piece
    return data


def recorded(path: Path, back: Served, *asked: dict[str, Any]) -> list[httpx.Response]:
    """The answers of `back`, which are on a tape at `path` now."""
    tape = Tape(path, file=TapeFile(path))
    app = TapeApp(tape, Upstream(Endpoint(back.url, back.key)), plays=False)
    with serving(app) as url:
        headers = {"authorization": f"Bearer {app.key.reveal()}"}
        replies = [
            httpx.post(f"{url}/chat/completions", json=body, headers=headers) for body in asked
        ]
    tape.file.complete()
    return replies

"""A real server in this process, and the ways that tests reach it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocx.api.types import Endpoint
from ocx.secret import Secret
from ocx.serve.admission import RequestRecord, mint
from ocx.serve.app import App, ServerConfig, ServeSettings
from ocx.serve.charge import MICRO, problems
from ocx.serve.forward import Upstream
from ocx.serve.ledger import Account, Key, Ledger
from ocx.serve.server import serving
from ocx.serve.store import Store
from ocx.serve.tape import Tape, TapeFile
from ocx.serve.tape_player import tape_server
from tests.support.waiting import DEADLINE, Board

GRANT = 500 * MICRO


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
    components: ServerConfig
    http: httpx.Client
    log: list[RequestRecord]
    board: Board
    ledger: Watched

    @property
    def account(self) -> Account:
        return self.components.ledger.account()

    def ask(self, text: str = "hi", model: str = "gpt-4o", **given: Any) -> httpx.Response:
        headers = given.pop("headers", {})
        messages = [{"role": "user", "content": text}]
        body = {"model": model, "messages": messages, **given}
        return self.http.post("/chat/completions", json=body, headers=headers)

    def raw(self, body: Any, *, headers: str = "", host: str = "127.0.0.1") -> socket.socket:
        """A connection on which a chat request has been sent."""
        data = json.dumps(body).encode()
        port = int(self.url.split(":")[2].split("/")[0])
        connection = socket.create_connection(("127.0.0.1", port), DEADLINE)
        connection.sendall(
            (
                f"POST /api/v1/chat/completions HTTP/1.1\r\nHost: {host}\r\n"
                f"Authorization: Bearer {self.key.reveal()}\r\n{headers}"
                f"Content-Length: {len(data)}\r\n\r\n"
            ).encode()
            + data
        )
        return connection

    def wait_for(self, count: int) -> list[RequestRecord]:
        """The log, as soon as `count` requests are over."""
        self.board.wait_for(lambda: len(self.log) >= count, f"{count} requests to end")
        return self.log

    def charges(self) -> list[tuple[Any, ...]]:
        """(state, outcome, prompt tokens, completion tokens, cost) of every charge."""
        return self.components.ledger.store.db.execute(
            "SELECT state, outcome, prompt_tokens, completion_tokens, cost FROM charge ORDER BY id"
        ).fetchall()


def request(text: str = "hi", model: str = "gpt-4o", **given: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **given}


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
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
            components = ServerConfig(ledger, settings, key, note, fixed=fixed)
            stack.callback(lambda: check(ledger))
            url = stack.enter_context(serving(App(components)))
            headers = {"authorization": f"Bearer {key.reveal()}"}
            http = httpx.Client(base_url=url, headers=headers, timeout=DEADLINE)
            stack.enter_context(http)
            return Served(url, key, components, http, log, board, ledger)

        yield start


def check(ledger: Ledger) -> None:
    assert problems(ledger.store.db) == []
    assert ledger.account().held == 0
    left = ledger.store.db.execute("SELECT count(*) FROM charge WHERE state = 'held'").fetchone()
    assert left == (0,)


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()


def events(text: str) -> list[Any]:
    """The events of a stream: documents, and "[DONE]"."""
    found = [line.removeprefix("data: ") for line in text.split("\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in found]


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
    with tape_server(tape, Upstream(Endpoint(back.url, back.key)), plays=False) as (url, key):
        headers = {"authorization": f"Bearer {key.reveal()}"}
        replies = [
            httpx.post(f"{url}/chat/completions", json=body, headers=headers) for body in asked
        ]
    assert tape.file is not None
    tape.file.complete()
    return replies

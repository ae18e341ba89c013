"""What `ocx.serve.server` uses of uvicorn beyond its documentation.

uvicorn may change any of it in a minor release. Then the test with its name fails here, before a
server that does not stop fails somewhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h11
import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.serve.conftest import Inside, Serve, request, until

USED: dict[str, Callable[[Any, Any], object]] = {
    "app_state": lambda running, state: running.cycle.scope["state"] == state,
    "transport": lambda _, transport: callable(transport.abort) and callable(transport.close),
    "loop": lambda _, loop: callable(loop.call_later),
    "conn": lambda _, conn: isinstance(conn, h11.Connection),
    "cycle": lambda _, cycle: cycle.scope["path"].endswith("/chat/completions"),
}


@pytest.mark.parametrize("name", USED)
def test_a_running_connection_knows_its(inside: Inside, name: str) -> None:
    made, served = inside()
    with served.raw(request("a b", "fault/stall:1", stream=True)) as connection:
        until(connection, b"data:")
        (running,) = made.server_state.connections
        assert USED[name](running, getattr(running, name))
    served.wait_for(1)


@pytest.mark.parametrize("path", ["/chat/completions", "/balance"])
def test_head_and_body_are_sent_in_one_write(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """uvicorn writes them one after the other; each write is a system call and a packet."""
    written: list[bytes] = []
    made = H11Protocol.connection_made

    def noted(self: H11Protocol, transport: Any) -> None:
        send = transport.write

        class Noted:
            def __getattr__(self, name: str) -> Any:
                return getattr(transport, name)

            def write(self, data: bytes) -> None:
                written.append(data)
                send(data)

        made(self, Noted())  # type: ignore[arg-type]

    monkeypatch.setattr(H11Protocol, "connection_made", noted)
    served = serve()
    reply = served.ask() if path == "/chat/completions" else served.http.get(path)
    assert reply.status_code == 200
    (answer,) = written
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(reply.content)

"""How answers end: the outcome table, over raw sockets."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from ocx.serve.app import App
from ocx.serve.server import serving
from ocx.serve.store import Store
from tests.serve.conftest import REQUEST_LINE, Serve, Served, Watched, request, until, until_closed


def test_a_client_that_leaves_pays_what_it_got(served: Served) -> None:
    with served.raw(request("a b c d", "fault/stall:2", stream=True)) as connection:
        until(connection, b'"b "')
    served.wait_for(1)
    assert served.charges() == [("settled", "client_gone", 9, 2, 9 * 5 + 2 * 18)]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_got_nothing_pays_nothing(served: Served, stream: bool) -> None:
    """Also without streaming: nobody waits for its answer any more."""
    body = request("a b", "fault/stall:0" if stream else "fault/stall:2", stream=stream)
    with served.raw(body) as connection:
        if stream:
            until(connection, b"\r\n\r\n")
        else:
            served.ledger.wait_for(1)
    served.wait_for(1)
    state, outcome, *_, cost = served.charges()[0]
    assert (state, outcome, cost) == ("released", "client_gone", 0)


def test_a_long_answer_stops_soon_after_its_reader_left(served: Served) -> None:
    """uvicorn's send does not notice by itself: a million tokens would be billed."""
    with served.raw(request("x", "lorem:1000000", stream=True, max_tokens=1_000_000)) as connection:
        until(connection, b"data:")
    record = served.wait_for(1)[0]
    assert record.outcome == "client_gone"
    assert 0 < record.usage.completion_tokens < 500_000


def test_a_reader_that_stands_still_is_left(serve: Serve) -> None:
    served = serve(send_timeout=0.2)
    body = request("x", "lorem:1000000", stream=True, max_tokens=1_000_000)
    with served.raw(body) as connection:
        record = served.wait_for(1)[0]
        assert record.outcome == "client_stalled"
        assert 0 < record.usage.completion_tokens < 1_000_000
        data = until_closed(connection)
    assert b"[DONE]" not in data


def test_a_reader_that_stands_still_before_an_error_is_left(serve: Serve) -> None:
    served = serve(send_timeout=0.2)
    body = request("x" * 4_000_000, "fault/error:1", stream=True)
    with served.raw(body):
        assert served.wait_for(1)[0].outcome == "client_stalled"


def test_a_client_that_leaves_within_its_body_is_forgotten(served: Served) -> None:
    with served.raw(request(), "Expect: 100-continue") as connection:
        until(connection, b"100 Continue")
    with served.connect() as connection:
        connection.sendall(served.head("Content-Length: 9") + b"{")
        connection.shutdown(socket.SHUT_WR)
        until_closed(connection)
    served.wait_for(2)
    assert "client_gone" in {record.outcome for record in served.log}


@pytest.mark.parametrize(
    ("model", "stream", "marker", "charge"),
    [
        ("fault/stall:2", True, b'"b "', ("settled", "shutdown", 9, 2, 81)),
        ("fault/stall:0", True, b"\r\n\r\n", ("released", "shutdown", 9, 0, 0)),
        ("fault/stall:2", False, b"", ("released", "shutdown", 9, 0, 0)),
    ],
)
def test_a_stop_settles_what_runs(
    serve: Serve, model: str, stream: bool, marker: bytes, charge: tuple[object, ...]
) -> None:
    """The client is told by an error, and never by a [DONE]."""
    served = serve()
    with closing(Store.memory()) as store:
        served.ledger = Watched(store)
        served.ledger.account(grant=1_000_000)
        with serving(App(served.ledger, process_key=served.key)) as served.url:
            connection = served.raw(request("a b c", model, stream=stream))
            if marker:
                until(connection, marker)
            else:
                served.ledger.wait_for(1)
        with connection:
            data = until_closed(connection)
        assert b"[DONE]" not in data
        assert b"shutting_down" in data
        assert (b" 503 " in data) == (not stream)
        assert served.charges() == [charge]
        assert served.account.held == 0


def test_a_client_gone_after_the_finish_pays_in_full(served: Served) -> None:
    """The finish is out; that nobody waits for [DONE] changes nothing."""
    with served.raw(request("a b", stream=True)) as connection:
        until(connection, b'"finish_reason":"stop"')
    served.wait_for(1)
    (charge,) = served.charges()
    assert charge[0] == "settled"
    assert charge[3:] == (2, 8 * 40 + 2 * 160)


def drip(connection: socket.socket) -> bytes:
    """Send a byte whenever nothing comes, until the server closes; what it said."""
    connection.settimeout(0.01)
    data = b""
    while True:
        try:
            connection.send(b"x")
            piece = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return data
        if not piece:
            return data
        data += piece


NO_KEY = ["invalid_api_key"]


@pytest.mark.parametrize(
    ("begun", "status", "outcomes"),
    [
        ("", 408, []),
        (f"{REQUEST_LINE}\r\nHost: localhost\r\nX-Slow: ", 408, []),
        ("HEAD\r\nContent-Length: 1000000\r\n\r\n{", 408, ["request_timeout"]),
        # A body that nobody reads: its answer has been sent.
        (f"{REQUEST_LINE}\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n", 401, NO_KEY),
    ],
)
def test_a_request_that_drips_is_timed_out(
    serve: Serve, begun: str, status: int, outcomes: list[str]
) -> None:
    served = serve(request_timeout=0.2)
    head = served.head().decode().removesuffix("\r\n\r\n")
    with served.connect() as connection:
        connection.sendall(begun.replace("HEAD", head).encode())
        data = drip(connection)
    assert data.startswith(b"HTTP/1.1 %d " % status)
    assert (b'"code":"request_timeout"' in data) == (b" 408 " in data) == (status == 408)
    assert [record.outcome for record in served.wait_for(len(outcomes))] == outcomes
    assert served.charges() == []


def test_a_body_that_begins_behind_another_request_is_timed_out(serve: Serve) -> None:
    served = serve(request_timeout=0.2)
    with served.connect() as connection:
        head = served.head("Content-Length: 2")
        connection.sendall(head + b"{}" + head)
        assert b"HTTP/1.1 408 " in until_closed(connection)


def test_an_idle_connection_is_not_told_that_it_is_late(serve: Serve) -> None:
    with serve(request_timeout=0.2).connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n")
        until(connection, b"}}")
        connection.sendall(b"x")
        assert until_closed(connection) == b""


def test_nobody_who_sends_a_request_in_time_is_timed_out(serve: Serve) -> None:
    """Neither a long answer nor a connection that is kept counts as a slow request."""
    served = serve(request_timeout=0.2)
    slow = served.ask("a b c", "fault/slow,ttft=0.3,tps=100", stream=True)
    assert slow.text.endswith("data: [DONE]\n\n")
    assert served.ask("again").status_code == 200
    assert [record.outcome for record in served.wait_for(2)] == ["finished", "finished"]

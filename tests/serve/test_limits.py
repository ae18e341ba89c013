"""What a client can make the server do before it has paid, and what it pays for in the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ocx.secret import Secret
from ocx.serve.app import LARGE_AT_ONCE, SMALL_BODY
from ocx.serve.builtin import Echo
from ocx.serve.connection import DeadlineProtocol
from ocx.serve.openai_format import ApiError
from ocx.serve.request import MOST_PARTS, read
from ocx.serve.schema_example import MOST_BYTES, SchemaError, smallest_instance
from ocx.serve.tool_calls import plan
from tests.serve.conftest import (
    ASK,
    REQUEST_LINE,
    Inside,
    Serve,
    Served,
    forwarded,
    refused,
    request,
    until,
    until_closed,
)
from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.raw_server import RawServer, drip
from tests.support.waiting import DEADLINE

POINT = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def array(fewest: int, items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": fewest}


def nested(depth: int, item: Any, fewest: int = 1000) -> dict[str, Any]:
    for _ in range(depth):
        item = array(fewest, item)
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": item}}


def connect(served: Served) -> socket.socket:
    """A kept connection on which one request has been answered."""
    connection = served.connect()
    ask(connection, served)
    return connection


def ask(connection: socket.socket, served: Served) -> None:
    head = served.head().replace(REQUEST_LINE.encode(), b"GET /api/v1/balance HTTP/1.1")
    connection.sendall(head)
    assert until(connection, b'"used"').startswith(b"HTTP/1.1 200 ")


def ask_without_a_key(connection: socket.socket) -> None:
    """Ask without a key."""
    connection.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert until(connection, b"invalid_api_key").startswith(b"HTTP/1.1 401 ")


def test_an_accepted_connection_waits_for_no_acknowledgement(inside: Inside) -> None:
    made, served = inside()
    with connect(served):
        (accepted,) = made.server_state.connections
        found = accepted.transport.get_extra_info("socket")
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_longest_idle_connection_makes_room_for_a_new_one(inside: Inside) -> None:
    _, served = inside(3)
    idle = [connect(served) for _ in range(3)]
    with connect(served):
        assert until_closed(idle[0]) == b""
        for kept in idle[1:]:
            ask(kept, served)
    for each in idle:
        each.close()


def test_a_running_answer_is_not_closed_for_a_new_connection(inside: Inside) -> None:
    _, served = inside(1)
    with served.raw(request("a b", "fault/stall:1", stream=True)) as running:
        until(running, b"data:")
        waiting = served.connect()
    with waiting:
        ask_without_a_key(waiting)


def test_a_connection_counts_once_while_it_is_accepted(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one that is idle is closed although there is room."""
    _, served = inside(2)
    connection_made, second = DeadlineProtocol.connection_made, []

    def while_accepting(protocol: DeadlineProtocol, transport: asyncio.Transport) -> None:
        connection_made(protocol, transport)
        if not second:
            second.append(served.connect())

    monkeypatch.setattr(DeadlineProtocol, "connection_made", while_accepting)
    with connect(served) as first:
        ask(second[0], served)
        ask(first, served)
        second[0].close()


def test_half_a_request_makes_room_if_nothing_is_idle(inside: Inside) -> None:
    """Else who has a key, and no credits, shuts out everybody for as long as a body may take."""
    made, served = inside(3)
    half = [served.connect() for _ in range(3)]
    for number, each in enumerate(half):
        each.sendall(served.head("Content-Length: 5") + b"{")
        wait_until(lambda number=number: len(made._reading) > number)
    with connect(served) as idle:
        assert until_closed(half[0]) == b""
        with connect(served):
            assert until_closed(idle) == b"", "what is idle goes first"
    for each in half[1:]:
        each.sendall(b"}   ")
        assert until(each, b"}").startswith(b"HTTP/1.1 400 "), "and the others go on"
        ask(each, served)
    for each in half:
        each.close()


def test_answers_that_nobody_reads_make_room(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends requests without a key, and reads nothing, would keep a descriptor for ever."""
    _, served = inside(1)
    monkeypatch.setattr("ocx.serve.connection.HEAD_SECONDS", 0.05)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # else thousands are answered
        deaf.connect(("127.0.0.1", httpx.URL(served.url).port))
        deaf.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:
                deaf.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
        with served.connect() as waiting:
            ask_without_a_key(waiting)


def wait_until(holds: Callable[[], bool]) -> None:
    stop = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < stop
        time.sleep(0.005)


CRUMB = b"1\r\n \r\n"


@pytest.mark.parametrize("known", [False, True], ids=["no key", "a key"])
def test_a_body_of_crumbs_is_given_up(serve: Serve, known: bool) -> None:
    """A megabyte of chunks of one byte would keep the server busy for five seconds."""
    served = serve()
    if not known:
        served.key = Secret("nobody")
    with served.connect() as crumbs:
        crumbs.sendall(served.head("Transfer-Encoding: chunked"))
        if not known:
            until(crumbs, b"invalid_api_key")
        ends_after(crumbs, CRUMB * 1000, most=100)
    assert served.ask().is_success


def test_a_body_that_goes_on_after_its_answer_is_given_up(serve: Serve) -> None:
    served = serve()
    head = b"POST /api/v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n"
    with served.connect() as endless:
        endless.sendall(head)
        until(endless, b"invalid_api_key")
        ends_after(endless, b" " * 1_000_000, most=100)


def ends_after(connection: socket.socket, piece: bytes, most: int) -> None:
    with contextlib.suppress(ConnectionError):
        for _ in range(most):
            connection.sendall(piece)
        while connection.recv(1000):
            pass


def test_a_body_of_a_few_hundred_pieces_is_read(serve: Serve) -> None:
    served = serve()
    data = json.dumps(request("a" * 800)).encode()
    pieces = (data[at : at + 1] for at in range(len(data)))
    assert served.http.post("/chat/completions", content=pieces).is_success
    long = json.dumps(request("a" * 300_000)).encode()
    lines = (long[at : at + 80] for at in range(0, len(long), 80))
    assert served.http.post("/chat/completions", content=lines).is_success


def test_no_descriptor_is_left(inside: Inside) -> None:
    made, served = inside(1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first = connect(served)
    new = socket.socket()
    new.settimeout(DEADLINE)
    (kept,) = made.server_state.connections
    highest = max(new.fileno(), kept.transport.get_extra_info("socket").fileno())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        new.connect(first.getpeername())
        assert until_closed(first) == b""
        ask_without_a_key(new)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        first.close()
        new.close()


SCHEMA = "response_format.json_schema.schema"


def test_a_body_of_two_lengths_is_refused(served: Served) -> None:
    with served.raw(request(), "Transfer-Encoding: chunked") as connection:
        assert until(connection, b"ambiguous_length").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": ["x"] * 20_000}, "stop"),
        ({"messages": [{"role": "user", "content": "a"}] * 10_001}, "messages"),
        ({"response_format": nested(3, {"type": "null"})}, SCHEMA),
        ({"response_format": nested(400, {"type": "null"}, 1)}, SCHEMA),
    ],
)
def test_a_request_beyond_the_limits(served: Served, given: dict[str, Any], param: str) -> None:
    refused(served, given, param)


@pytest.mark.parametrize(
    "given", [{"stop": ["a"] * 16}, {"response_format": nested(2, {"type": "null"}, 400)}]
)
def test_a_request_within_the_limits(served: Served, given: dict[str, Any]) -> None:
    assert served.ask(**given).status_code == 200


def big(count: int) -> dict[str, Any]:
    text = {"type": "string", "minLength": 100_000}
    names = [f"p{at}" for at in range(count)]
    return {"type": "object", "properties": dict.fromkeys(names, text), "required": names}


@pytest.mark.parametrize(
    "schema",
    [
        nested(2, {"const": "x" * 2000})["json_schema"]["schema"],
        array(1000, {"const": "x" * 1046}),  # by its commas
        big(11),
        {**array(11, {"$ref": "#/$defs/a"}), "$defs": {"a": {"const": "y" * 99_999}}},
        array(1, {"anyOf": [{"type": "string", "minLength": 100_000}] * 100}),
        {"const": "z" * (MOST_BYTES + 1)},
        {"enum": ["z" * 4_000_000]},
    ],
)
def test_an_answer_to_a_schema_is_bounded_while_it_is_made(schema: Any) -> None:
    with pytest.raises(SchemaError, match="1 MiB"):
        smallest_instance(schema, strict=False)


@pytest.mark.parametrize("grant", [0, 1])
@pytest.mark.parametrize(
    "given",
    [
        {"response_format": nested(1, POINT)},
        {"model": "lorem:1000000"},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"},
    ],
)
def test_no_answer_is_made_without_credits(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, grant: int, given: dict[str, Any]
) -> None:
    """A grant of one micro-credit holds not even a prompt."""
    served = serve(grant=grant)

    def made(*_: Any, **__: Any) -> Any:
        raise AssertionError("an answer was made")

    for place in ("builtin.smallest_instance", "tool_calls.smallest_instance", "builtin.plan"):
        monkeypatch.setattr(f"ocx.serve.{place}", made)
    reply = served.http.post("/chat/completions", json={**request(), **given})
    assert reply.status_code == 402


def test_no_answer_is_made_beyond_the_rate(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:

    served = serve(rpm=1, concurrency=1)
    assert served.ask().status_code == 200
    monkeypatch.setattr("ocx.serve.builtin.smallest_instance", lambda *_, **__: 1 / 0)
    assert served.ask(response_format=nested(1, POINT)).status_code == 429


ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    b'{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":1}}'
)


UNKNOWN = "models route best_of options prediction service_tier web_search_options audio x_new"


@pytest.mark.parametrize("name", UNKNOWN.split())
def test_a_field_of_unknown_cost_goes_to_no_upstream(front: Serve, name: str) -> None:
    gateway = front(ANSWER)
    reply = forwarded(gateway, **{name: 5})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["param"] == name
    assert "allow_fields of [upstreams.up]" in error["message"]
    assert forwarded(gateway, **{name: None}).status_code == 200
    assert [charge[1] for charge in gateway.charges()] == ["finished"]


def test_a_part_of_unknown_cost_needs_leave(front: Serve) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    content = [{"type": "text", "text": "what?"}, picture]
    body = {**ASK, "messages": [{"role": "user", "content": content}]}
    closed = front(ANSWER)
    reply = closed.http.post("/chat/completions", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "messages[0].content[1]")
    opened = front(ANSWER, allow_fields=frozenset({"image_url"}))
    assert opened.http.post("/chat/completions", json=body).status_code == 200


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search", "web_search": {"search_result": True}},
        {"type": "openrouter:web_search"},
        {"type": "builtin_function", "function": {"name": "$web_search"}},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"google_search": {}},
        5,
    ],
)
def test_a_tool_that_the_upstream_runs_needs_leave(front: Serve, tool: Any) -> None:
    """What it finds is read as prompt, and often paid by the call: nothing here holds that."""
    closed = front(ANSWER)
    reply = forwarded(closed, tools=[TOOL, tool])
    assert reply.status_code == 400
    assert reply.json()["error"]["param"].startswith("tools[1]")
    for mine in (TOOL, {"function": TOOL["function"]}, {"type": "custom", "custom": {"name": "c"}}):
        assert forwarded(closed, tools=[mine]).is_success
    if isinstance(tool, dict) and "type" in tool:
        opened = front(ANSWER, allow_fields=frozenset({tool["type"]}))
        assert forwarded(opened, tools=[tool]).is_success


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ({"max_tokens": 5, "max_completion_tokens": 700}, 700),
        ({"max_tokens": 700, "max_completion_tokens": 5}, 700),
        ({"max_completion_tokens": 40}, 40),
        ({}, 4096),
    ],
)
def test_the_greater_limit_is_held(front: Serve, given: dict[str, Any], tokens: int) -> None:
    gateway = front("http://127.0.0.1:1/v1", grant=100)
    reply = forwarded(gateway, **given)
    assert reply.status_code == 402
    holds = float(reply.json()["error"]["message"].split("up to ")[1].split()[0])
    assert tokens * 100 / 1e6 <= holds < (tokens * 100 + 10_000) / 1e6


def test_an_upstream_that_drips_is_cut_off_in_the_end(
    front: Serve, raw_server: Callable[..., RawServer]
) -> None:
    piece = b'data: {"choices":[{"index":0,"delta":{"content":"abcd"}}]}\n\n'
    up = raw_server()
    up.answer([drip(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", piece)])
    gateway = front(up.url, timeout=0.3, idle_timeout=30.0)
    assert "upstream_timeout" in forwarded(gateway, stream=True).text
    up.wait_for_close()
    gateway.wait_for(1)
    (charge,) = gateway.charges()
    assert charge[1] == "cut"
    assert charge[3] > 0


def test_large_bodies_of_one_key_are_read_a_few_at_a_time(serve: Serve) -> None:
    """Who has a key, and no credits, may have many connections; others are not kept waiting."""
    served = serve()
    body = json.dumps(request("a" * SMALL_BODY)).encode()
    begun = []
    for _ in range(LARGE_AT_ONCE + 2):
        connection = served.connect()
        connection.sendall(served.head(f"Content-Length: {len(body)}") + body[:-1])
        begun.append(connection)
    assert served.ask().status_code == 200, "a small one of the same key"
    last = begun[-1]
    last.sendall(body[-1:])
    last.settimeout(0.1)
    with pytest.raises(TimeoutError):
        last.recv(1)
    last.settimeout(DEADLINE)
    for connection in begun[:2]:
        connection.close()
    assert until(last, b"usage").startswith(b"HTTP/1.1 200 ")
    for connection in begun:
        connection.close()


def calling(parameters: Any, calls: int, **given: Any) -> dict[str, Any]:
    """A request whose prompt calls one function many times."""
    function = {"name": "f", "parameters": parameters}
    tools = [{"type": "function", "function": function}]
    return request("f() " * calls, tools=tools, **given)


@pytest.mark.parametrize(
    ("parameters", "calls"),
    [
        ({"properties": {"x": {"const": "a" * 100_000}}, "required": ["x"]}, 128),
        ({"properties": {"x": {"type": "string", "minLength": 99_999}}, "required": ["x"]}, 128),
        (
            {
                "properties": {"x": {"$ref": "#/x"}, "y": {"$ref": "#/x"}},
                "required": ["x", "y"],
                "x": {"type": "array", "minItems": 1000, "items": {"const": "a" * 500}},
            },
            20,
        ),
        ({"anyOf": [{"properties": {}, "type": "object"}] * 500}, 128),
    ],
)
def test_all_calls_of_a_request_together_are_bounded(parameters: Any, calls: int) -> None:
    asked = read(json.dumps(calling(parameters, calls)).encode())
    with pytest.raises(ApiError) as caught:
        plan(asked)
    assert caught.value.status == 400
    assert plan(read(json.dumps(calling(parameters, 1)).encode()))


def test_of_tool_calls_only_what_is_sent_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(
        "ocx.serve.tool_calls.text_tokens",
        lambda *_: (made.append(at) or "0" for at in range(10**9)),
    )
    asked = read(json.dumps(calling({}, 2, max_tokens=5)).encode())

    async def take() -> int:
        return len([part async for part in Echo().answer(asked).parts])

    assert asyncio.run(take()) == 6
    assert len(made) <= 5


def test_log_probabilities_of_a_long_answer_are_streamed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocx.serve.responses.MOST_LISTED", 10)
    served = serve()
    asked = {"model": "lorem:11", "logprobs": True}
    reply = served.ask(**asked)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "logprobs")
    assert served.account.used == 0
    assert served.ask(**{**asked, "model": "lorem:10"}).is_success
    assert served.ask(**asked, stream=True).is_success
    assert served.ask("hi", "lorem:11").is_success


def test_a_long_answer_in_single_bytes_keeps_nobody_waiting(serve: Serve) -> None:
    served = serve()
    long = request("a" * 300_000, "fault/split", stream=True)
    with served.raw(long) as connection:
        until(connection, b"1\r\na\r\n")
        assert served.ask().is_success
        (first,) = served.wait_for(1)
        assert first.model == "gpt-4o", "the long one still goes on"


TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
COSTLY: dict[str, Any] = {
    "max_tokens": 5,
    "max_completion_tokens": 7,
    "tools": [TOOL] * 3,
    "functions": [TOOL["function"]],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": POINT}},
    "reasoning_effort": "high",
    "verbosity": "high",
    "logprobs": True,
    "top_logprobs": 20,
    "n": 1,
    "store": True,
    "metadata": {"a": "b" * 500},
    "modalities": ["text"],
}


@pytest.mark.parametrize("streamed", [False, True])
def test_fifty_clients_race_for_ten_answers(
    front: Serve, chat_server: ChatServer, streamed: bool
) -> None:
    """Each field that may cost is there; the upstream takes all that was held."""
    body = {**ASK, **COSTLY, "stream": streamed}
    poor = front(chat_server.base_url, grant=1)
    refused = poor.http.post("/chat/completions", json=body)
    assert refused.status_code == 402
    hold = round(float(refused.json()["error"]["message"].split("up to ")[1].split()[0]) * 1e6)
    usage = {"prompt_tokens": (hold - 700) // 10, "completion_tokens": 7}
    document = {**answers.completion("x"), "usage": usage}
    end = answers.event({**answers.chunk(finish="stop"), "usage": usage})
    events = answers.STREAM_HEAD + answers.delta("x") + end + answers.event(answers.DONE)
    chat_server.answer(
        *[events + answers.LAST_PIECE if streamed else answers.answer(document)] * 50, path=CHAT
    )
    gateway = front(chat_server.base_url, grant=10 * hold)

    def ask(_: int) -> int:
        return gateway.http.post("/chat/completions", json=body).status_code

    with ThreadPoolExecutor(50) as clients:
        found = Counter(clients.map(ask, range(50)))
    assert found == {200: 10, 402: 40}
    assert len(chat_server.requests) == 10
    assert gateway.account.balance == 0


@pytest.mark.parametrize("unit", ["{}", "[]", '{"a":[]}'])
def test_a_body_of_too_many_parts(served: Served, unit: str) -> None:
    many = ",".join([unit] * (MOST_PARTS // 2 + MOST_PARTS // 2 * (len(unit) == 2)))
    body = f'{{"model":"gpt-4o","messages":[],"metadata":[{many}]}}'
    reply = served.http.post("/chat/completions", content=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "body_too_complex")


@pytest.mark.parametrize("text", ["{" * 150_000, '"[' * 150_000, '\\"{' * 150_000, "{\n[" * 99_999])
def test_a_text_may_hold_as_many_as_it_likes(served: Served, text: str) -> None:
    assert served.ask(text, max_tokens=1).status_code == 200


@pytest.mark.parametrize(
    "data", [b'"\\' * 700_000, b'{"' * 700_000, b'"\\"{' * 500_000, b"{" * 2_000_000]
)
def test_bodies_that_are_no_json_take_no_time(data: bytes) -> None:
    began = time.process_time()
    with pytest.raises(ApiError):
        read(data)
    assert time.process_time() - began < DEADLINE

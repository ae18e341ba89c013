"""Forwarding: one server in front of another, and in front of one that does as it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ocx.api.prices import Price
from ocx.api.sse import MAX_EVENT
from ocx.secret import Secret
from ocx.serve.builtin import Echo
from ocx.serve.openai_format import Usage
from ocx.serve.routing import Model, Router
from ocx.serve.upstream_reader import read_usage
from tests.serve.conftest import (
    ASK,
    PRICE,
    Serve,
    Served,
    Tell,
    events,
    forwarded,
    until,
)
from tests.support.raw_server import STALL, RawServer, closed_port

Chain = Callable[[str], tuple[Served, Served]]


@pytest.fixture
def chain(serve: Serve, front: Serve) -> Chain:
    """A gateway and the real server behind it, which answers as `model`."""

    def make(model: str) -> tuple[Served, Served]:
        back = serve()
        return front(back, model), back

    return make


def text_of(found: list[Any]) -> str:
    chunks = [chunk for chunk in found if isinstance(chunk, dict) and chunk.get("choices")]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


@pytest.mark.parametrize(
    "given",
    [
        {"messages": [{"role": "user", "content": "今天槟城的天气怎么样？" * 9}]},
        {"messages": [{"role": "user", "content": "hello " * 50}]},
        {"tools": [{"type": "function", "function": {"name": "find", "description": "查询" * 40}}]},
        {"response_format": {"type": "json_object", "说明": "键" * 99}},
    ],
)
def test_a_byte_may_be_a_token_of_an_upstream(
    serve: Serve, front: Serve, given: dict[str, Any]
) -> None:
    """What is held is enough for any tokenizer; what we count ourselves needs a quarter."""
    body = {**ASK, **given, "max_tokens": 5}
    read = {name: body[name] for name in ("messages", *given)}
    compact = json.dumps(read, ensure_ascii=False, separators=(",", ":"))
    hold = len(compact.encode()) * 10 + 5 * 100
    back = serve()
    for grant, status in ((hold - 1, 402), (hold, 200)):
        gateway = front(back, "gpt-4o", grant=grant)
        assert gateway.http.post("/chat/completions", json=body).status_code == status
    local = Router([Model("front", "me", PRICE, Echo())])
    assert serve(grant=hold // 2, router=local).http.post("/chat/completions", json=body).is_success


@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_passes_through_and_is_charged_by_the_upstream(chain: Chain, usage: bool) -> None:
    gateway, back = chain("gpt-4o")
    options = {"include_usage": True} if usage else None
    reply = forwarded(gateway, stream=True, stream_options=options)
    found = events(reply.text)
    assert text_of(found) == "one two three"
    assert found[-1] == "[DONE]"
    assert any("usage" in chunk for chunk in found[:-1]) == usage
    assert gateway.charges() == [("settled", "finished", 11, 3, 11 * 10 + 3 * 100)]
    assert gateway.wait_for(1)[0].micro == 410
    assert back.charges()[0][:2] == ("settled", "finished")


@pytest.mark.parametrize("streams", [True, False])
def test_cached_tokens_are_charged_by_their_price(front: Serve, streams: bool) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_cache_hit_tokens": 8}
    choice = {"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}
    last = {"choices": [], "usage": usage}
    answer = whole({"choices": [choice], "usage": usage})
    up = sse(chunk("hi", finish="stop"), last) if streams else answer
    price = Price(Decimal(10), Decimal(100), Decimal(1))
    gateway = front(up, price=price)
    reply = forwarded(gateway, stream=streams)
    assert reply.status_code == 200
    assert gateway.charges() == [("settled", "finished", 10, 2, 2 * 10 + 8 * 1 + 2 * 100)]
    assert gateway.wait_for(1)[0].usage == Usage(10, 2, 8)


def test_a_whole_answer_passes_through(chain: Chain) -> None:
    gateway, _ = chain("deepseek-reasoner")
    reply = forwarded(gateway).json()
    assert reply["choices"][0]["message"]["content"] == "one two three"
    assert reply["choices"][0]["message"]["reasoning_content"]
    assert gateway.charges()[0][4] == 11 * 10 + reply["usage"]["completion_tokens"] * 100


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("fault/400", 400, "upstream_400"),
        ("fault/401", 502, "upstream_401"),
        ("fault/402", 502, "upstream_402"),
        ("fault/429,after=7", 429, "upstream_429"),
        ("fault/500", 502, "upstream_500"),
        ("fault/503", 503, "upstream_503"),
        ("nothing", 404, "upstream_404"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_is_mapped_and_free(
    chain: Chain, model: str, status: int, code: str, stream: bool
) -> None:
    gateway, _ = chain(model)
    reply = forwarded(gateway, stream=stream)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert error["code"] == code
    assert "the upstream answered" in error["message"]
    assert reply.headers.get("retry-after") == ("7" if status == 429 else None)
    assert gateway.charges()[0][1:] == ("refused", 11, 0, 0)


@pytest.mark.parametrize("fault", ["cut:2", "error:2", "badjson:2"])
def test_a_break_after_tokens_is_an_error_event_and_charged(chain: Chain, fault: str) -> None:
    gateway, _ = chain(f"fault/{fault}")
    reply = stream(gateway)
    found = events(reply.text)
    assert text_of(found) == "one two "
    assert found[-1]["error"]["type"] == "upstream_error"
    assert "[DONE]" not in found
    assert gateway.charges() == [("settled", "cut", 11, 2, 11 * 10 + 2 * 100)]


@pytest.mark.parametrize("fault", ["cut:0", "error:0"])
def test_a_break_before_tokens_is_a_status_and_free(chain: Chain, fault: str) -> None:
    gateway, _ = chain(f"fault/{fault}")
    reply = stream(gateway)
    assert reply.status_code == 502
    assert gateway.charges()[0][1:] == ("refused", 11, 0, 0)


def test_an_upstream_without_usage_is_counted(chain: Chain) -> None:
    gateway, _ = chain("fault/nousage")
    found = events(stream(gateway, stream_options={"include_usage": True}).text)
    counted = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}
    assert found[-2]["usage"] == counted
    whole = forwarded(gateway)
    assert "usage" not in whole.json()
    assert [charge[3] for charge in gateway.charges()] == [4, 4]
    sources = gateway.ledger.store.db.execute("SELECT source FROM charge").fetchall()
    assert sources == [("counted",), ("counted",)]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_closes_the_upstream(chain: Chain, stream: bool) -> None:
    gateway, back = chain("fault/stall:2")
    with gateway.raw({**ASK, "stream": stream}) as connection:
        if stream:
            until(connection, b'"two "')
        else:
            back.ledger.wait_for(1)
    assert back.wait_for(1)[0].outcome == "client_gone"
    gateway.wait_for(1)
    cost = 11 * 10 + (2 * 100 if stream else 0)
    assert gateway.charges()[0][1:] == ("client_gone", 11, 2 if stream else 0, cost)


def sse(
    *documents: Any, end: bytes = b"data: [DONE]\n\n", kind: str = "text/event-stream"
) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode()
    shown = [json.dumps(document, ensure_ascii=False) for document in documents]
    return head + b"".join(f"data: {text}\n\n".encode() for text in shown) + end


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def whole(document: Any, status: int = 200) -> bytes:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    return head.encode() + data


def stream(gateway: Served, **given: Any) -> Any:
    return forwarded(gateway, stream=True, **given)


def test_large_events_and_line_separators_pass_unharmed(front: Serve) -> None:
    texts = ["x" * 200 * 1024, "a\u2028b\u2029c\u0085d\u000be", "end"]
    up = sse(*(chunk(text) for text in texts), chunk(finish="stop"))
    reply = stream(front(up))
    assert text_of(events(reply.text)) == "".join(texts)
    assert "\u2028" in reply.text


def test_an_event_of_several_lines_stays_one(front: Serve) -> None:
    pretty = json.dumps(chunk("hi"), indent=1).replace("\n", "\ndata: ")
    end = f"data: {pretty}\n\n".encode() + sse(chunk(finish="stop")).partition(b"\r\n\r\n")[2]
    reply = stream(front(sse(end=end)))
    assert reply.text.startswith('data: {\ndata:  "choices": [\n')


def test_nothing_of_the_client_goes_on_but_its_request(front: Serve, told: Tell) -> None:
    up = told(sse(chunk("hi"), chunk(finish="stop")))
    key = Secret("sk-upstream-000000000000")
    gateway = front(up.url, "real", key=key)
    headers = {"x-private": "mine", "cookie": "a=b"}
    body = {**ASK, "stream": True, "seed": 7, "stream_options": {"other": 1}}
    gateway.http.post("/chat/completions", json=body, headers=headers)
    head, _, sent = up.requests[0].raw.partition(b"\r\n\r\n")
    lower = head.lower()
    assert b"authorization: bearer sk-upstream-000000000000" in lower
    for private in (b"x-private", b"cookie", b"sk-live-local"):
        assert private not in lower
    assert json.loads(sent) == {
        **body,
        "model": "real",
        "max_tokens": 4096,
        "stream_options": {"other": 1, "include_usage": True},
    }


def test_an_upstream_without_a_key_gets_none(front: Serve, told: Tell) -> None:
    up = told(whole({"choices": [{"message": {"content": "x"}}]}))
    gateway = front(up.url, None)
    forwarded(gateway, max_completion_tokens=5)
    assert b"authorization" not in up.requests[0].raw.lower()
    assert b'"max_tokens"' not in up.requests[0].raw
    assert b'"model":"front"' in up.requests[0].raw


@pytest.mark.parametrize(
    ("answer", "status", "word"),
    [
        (sse(chunk("a"), kind="text/html"), 502, "sent no stream"),
        (sse(end=b"data: {oops\n\n"), 502, "not JSON"),
        (sse([1]), 502, "no object"),
        (sse({"error": {"message": "boom sk-upstream-000000000000"}}), 502, "boom sk-…"),
        (sse({"error": "boom"}), 502, "failed: boom"),
        (sse(), 502, "broke off"),
        (sse(end=b"data: " + b"x" * (MAX_EVENT + 100)), 502, "more than 32 MiB"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", 502, "302"),
        (b"HTTP/1.1 429 X\r\nContent-Length: 4\r\n\r\noops", 429, "429: oops"),
        (b"garbage\r\n\r\n", 502, "sent what is not HTTP"),
        (b"", 502, "was lost before the answer"),
        (whole(b"x" * 300_000, 500), 502, "more than 262144 bytes"),
        (b"<html>", 502, "not JSON"),
        ([], 502, "no object"),
        ({"object": "list"}, 502, "has no choices"),
        ({"choices": []}, 502, "has no choices"),
        ({"error": {"message": "quota", "code": 1}}, 502, "failed: quota"),
    ],
)
def test_a_bad_answer_is_a_502_and_free(front: Serve, answer: Any, status: int, word: str) -> None:
    """A stream, as the bytes of HTTP, or a document."""
    streams = isinstance(answer, bytes) and answer != b"<html>"
    gateway = front(answer if streams else whole(answer))
    reply = forwarded(gateway, stream=streams)
    assert reply.status_code == status
    assert word in reply.json()["error"]["message"]
    assert gateway.charges()[0][1] == "refused"
    assert gateway.charges()[0][4] == 0


def test_nobody_listens(front: Serve) -> None:
    port = closed_port()
    gateway = front(f"http://127.0.0.1:{port}/v1")
    reply = stream(gateway)
    assert reply.status_code == 502
    assert reply.json()["error"]["message"] == (
        f"the upstream up cannot be reached: cannot connect to 127.0.0.1:{port}: Connection refused"
    )


@pytest.mark.parametrize(("streamed", "limit"), [(True, "idle_timeout"), (False, "timeout")])
def test_silence_is_a_504(front: Serve, serve: Serve, streamed: bool, limit: str) -> None:
    back = serve()
    gateway = front(back, "fault/slow,ttft=60", **{limit: 0.2})
    reply = forwarded(gateway, stream=streamed)
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "upstream_timeout"


@pytest.mark.parametrize("reason", ["error", "insufficient_system_resource", "ABORTED"])
@pytest.mark.parametrize("done", [b"data: [DONE]\n\n", b""])
@pytest.mark.parametrize(
    ("text", "charge"),
    [("half", ("settled", "cut", 11, 1, 11 * 10 + 100)), (None, ("released", "refused", 11, 0, 0))],
)
def test_a_failure_by_finish_reason_goes_on_as_it_came_and_is_no_end(
    front: Serve, reason: str, done: bytes, text: str | None, charge: tuple[Any, ...]
) -> None:
    """Charged are the prompt and the tokens that came, whatever usage the upstream reports."""
    usage = {"usage": {"prompt_tokens": 999, "completion_tokens": 999}}
    sent = sse(*([chunk(text)] if text else []), chunk(finish=reason, **usage), end=done)
    gateway = front(sent)
    reply = stream(gateway, stream_options={"include_usage": True})
    assert reply.content == sent.partition(b"\r\n\r\n")[2]
    assert gateway.charges() == [charge]


@pytest.mark.parametrize("reason", ["error", "canceled", None])
def test_a_whole_answer_that_failed_goes_on_as_it_came_and_is_no_end(
    front: Serve, reason: str | None
) -> None:
    usage = {"prompt_tokens": 999, "completion_tokens": 999}
    choice = {"index": 0, "message": {"content": "half"}, "finish_reason": reason}
    document = {"choices": [choice], "usage": usage}
    gateway = front(whole(document))
    assert forwarded(gateway).json() == document
    assert gateway.charges() == [("settled", "cut", 11, 1, 11 * 10 + 100)]


def test_a_message_in_a_stream_is_charged_once(front: Serve) -> None:
    """After deltas it says nothing new; without them it is the answer."""
    whole_message = {"choices": [{"index": 0, "message": {"content": "halfhalf"}}]}
    end = chunk(finish="stop")
    for sent in (sse(chunk("halfhalf"), whole_message, end), sse(whole_message, end)):
        gateway = front(sent)
        stream(gateway)
        assert gateway.charges() == [("settled", "finished", 11, 2, 11 * 10 + 2 * 100)]


def test_a_filter_and_a_reason_that_is_not_known_are_ends(front: Serve) -> None:
    for reason in ("SAFETY", "load_shed"):
        usage = {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}
        gateway = front(sse(chunk("half"), chunk(finish=reason, **usage)))
        stream(gateway)
        assert gateway.charges() == [("settled", "finished", 5, 2, 250)]


@pytest.mark.parametrize(
    "end", [b"", b"{oops\n\n", b'"[DONE]"\n\n', b"[done]\n\n", b"data: [DONE]"]
)
def test_what_comes_after_the_finish_is_no_error(front: Serve, end: bytes) -> None:
    """Nothing, what is no JSON, and a [DONE] that is spelt otherwise."""
    gateway = front(sse(chunk("hi"), chunk(finish="stop"), end=end and b"data: " + end))
    assert events(stream(gateway).text)[-1] == "[DONE]"
    assert gateway.charges()[0][1] == "finished"


def test_all_that_is_said_counts(front: Serve) -> None:
    call = {"name": "f", "arguments": "1234567"}
    calls = [{"index": 0, "function": call}, {"custom": {"name": "c", "input": "123"}}, None]
    content = [{"type": "text", "text": "1234"}]
    delta = {"content": content, "tool_calls": calls, "reasoning": "1234", "refusal": "1234"}
    delta["function_call"] = call
    first = {"choices": [{"delta": delta}, "odd"], "usage": {"prompt_tokens": True}}
    up = sse(first, chunk(finish="tool_calls"))
    gateway = front(up)
    stream(gateway)
    assert gateway.charges()[0][3] == 8


def test_a_fault_never_reaches_the_upstream(chain: Chain) -> None:
    gateway, back = chain("gpt-4o")
    headers = {"x-ocx-fault": "length"}
    reply = forwarded(gateway, headers=headers).json()
    assert reply["choices"][0]["finish_reason"] == "length"
    assert back.charges() == []


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2}, Usage(1, 2)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 7},
            },
            Usage(9, 2, 7),
        ),
        ({"prompt_tokens": 1, "completion_tokens": 2, "cached_tokens": 7}, Usage(1, 2)),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": 1.0, "completion_tokens": 2}, Usage(1, 2)),
        ({"prompt_tokens": 1.5, "completion_tokens": 2}, None),
        ({"prompt_tokens": 2**31, "completion_tokens": 2}, None),
        ({"prompt_tokens": 1}, None),
        ([], None),
    ],
)
def test_only_counts_are_usage(value: Any, usage: Usage | None) -> None:
    assert read_usage(value) == usage


def test_a_reader_gone_is_noticed_before_the_first_byte(
    front: Serve, raw_server: Callable[..., RawServer]
) -> None:
    up = raw_server()
    up.answer([STALL])
    gateway = front(f"{up.url}/v1")
    with gateway.raw({**ASK, "stream": True}):
        assert up.wait_for_requests().target == "/v1/chat/completions"
    up.wait_for_close()
    gateway.wait_for(1)
    assert gateway.charges()[0][1:] == ("client_gone", 11, 0, 110)

"""The documented endpoints over real HTTP: who comes in, what is answered, what every reply has."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from ocx import __version__
from ocx.api.prices import Price
from ocx.serve.admission import digest, mint
from ocx.serve.openai_format import dump
from ocx.serve.request import texts_of
from ocx.serve.routing import BUILT_IN, Router
from tests.serve.conftest import (
    Serve,
    Served,
    choice,
    error,
    events,
    refused,
    request,
    said,
    until,
    until_closed,
)

REAL = "sk-live-Te5tKey0000000000000000000000a1b2"


def content(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def attached(**file: str) -> dict[str, Any]:
    return {"type": "file", "file": file}


def test_an_answer_is_the_documented_document(served: Served) -> None:
    reply = served.ask("Hello wörld!\n", "deepseek-chat")
    assert reply.status_code == 200
    body = reply.json()
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello wörld!\n"},
            "finish_reason": "stop",
        }
    ]
    assert body["usage"] == {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
    assert (body["object"], body["model"]) == ("chat.completion", "deepseek-chat")
    assert body["id"].startswith("chatcmpl-")
    assert abs(body["created"] - time.time()) < 100


def test_a_stream_is_a_chunk_a_token_and_done(served: Served) -> None:
    reply = served.ask("one two\nthree", stream=True)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    *chunks, finish, done = events(reply.text)
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": "one "},
        {"content": "two\n"},
        {"content": "three"},
    ]
    assert finish["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_usage_comes_in_a_stream_where_it_is_asked_for(served: Served) -> None:
    reply = served.ask("a b", stream=True, stream_options={"include_usage": True})
    usage = events(reply.text)[-2]
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}


def test_a_charge_is_read_by_whoever_read_the_answer(served: Served) -> None:
    for stream in (True, False):
        before = served.account.balance
        served.ask("a b c", stream=stream)
        assert before - served.account.balance == 9 * 40 + 3 * 160
    balance = served.http.get("/balance").json()
    assert balance == {
        "object": "balance",
        "balance": 499.99832,
        "unit": "credits",
        "granted": 500,
        "used": 0.00168,
    }
    # As decimals, which a reader of balances compares.
    text = json.loads(served.http.get("/balance").text, parse_float=Decimal)
    assert text["granted"] - text["used"] == text["balance"]


def test_the_reasoner_says_its_reasoning_apart(served: Served) -> None:
    message = choice(served.ask("x", "deepseek-reasoner"))["message"]
    assert message["content"] == "x"
    assert message["reasoning_content"]
    assert choice(served.ask("x", "deepseek-reasoner", stream=True))["message"] == message


@pytest.mark.parametrize("stream", [True, False])
def test_max_tokens_cuts_with_length(served: Served, stream: bool) -> None:
    found = choice(served.ask("a b c d", max_tokens=2, stream=stream))
    assert (found["message"]["content"], found["finish_reason"]) == ("a b ", "length")


@pytest.mark.parametrize(("stop", "text"), [("c", "a b "), (["z", "b c", "d"], "a "), ("q", None)])
def test_stop_cuts_before_the_first_of_them(served: Served, stop: Any, text: str | None) -> None:
    found = choice(served.ask("a b c d", stop=stop))
    assert (found["message"]["content"], found["finish_reason"]) == (text or "a b c d", "stop")


def test_image_parts_tools_and_unknown_fields_are_accepted(served: Served) -> None:
    parts = [
        {"type": "text", "text": "look: "},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "text", "text": "done"},
    ]
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "42", "tool_call_id": "c"},
    ]
    tools = [{"type": "function", "function": {"name": "f"}}]
    for asked, answer in ((messages, "42"), (messages[:2], "look: done")):
        reply = served.ask(messages=asked, seed=1, logprobs=False, tools=tools, made_up=None)
        assert choice(reply)["message"] == {"role": "assistant", "content": answer}


def test_all_of_an_earlier_answer_counts(served: Served) -> None:
    answer = {
        "content": [{"type": "refusal", "refusal": "1234"}],
        "reasoning_content": "1234",
        "refusal": "1234",
        "function_call": {"name": "f", "arguments": "123"},
        "tool_calls": [{"type": "custom", "id": "x", "custom": {"input": "1234"}}],
    }
    messages = [{"role": "assistant", **answer}, *request()["messages"]]
    assert served.ask(messages=messages).json()["usage"]["prompt_tokens"] == 5 + 4 + 1 + 4 + 3


def test_texts_are_found_however_deep_they_are() -> None:
    value: Any = "x"
    for _ in range(5000):
        value = [value]
    assert list(texts_of(value)) == ["x"]


@pytest.mark.parametrize(
    ("part", "note"),
    [
        (attached(filename="a.pdf", file_data="data:x/y;base64,AAAA"), "[file a.pdf: 3 bytes]"),
        (attached(file_data="AAAA"), "[file: 3 bytes]"),
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}, None),
    ],
)
def test_files_and_audio_are_echoed_as_notes(served: Served, part: Any, note: str | None) -> None:
    content = [{"type": "text", "text": "look "}, part]
    asked = [{"role": "developer", "content": "x"}, {"role": "user", "content": content}]
    assert said(served.ask(messages=asked)) == f"look {note or '[input_audio wav: 1 bytes]'}"


@pytest.mark.parametrize("stream", [True, False])
def test_json_mode_answers_with_json(served: Served, stream: bool) -> None:
    wanted = {"response_format": {"type": "json_object"}, "stream": stream}
    for text, answer in (
        ("hi", {"echo": "hi"}),
        ('{"a": [1]}', {"a": [1]}),
        ("JSON with 'setup' and \"end\" keys", {"setup": "", "end": ""}),
        ("say 'hi'", {"echo": "say 'hi'"}),
    ):
        assert json.loads(said(served.ask(text, **wanted))) == answer


@pytest.mark.parametrize("stream", [True, False])
def test_logprobs_say_that_nothing_else_was_possible(served: Served, stream: bool) -> None:
    reply = served.ask("é b", logprobs=True, top_logprobs=2, stream=stream)
    if stream:
        choices = [chunk["choices"][0] for chunk in events(reply.text)[:-2]]
        found = [entry for choice in choices for entry in choice["logprobs"]["content"]]
    else:
        found = reply.json()["choices"][0]["logprobs"]["content"]
    first = {"token": "é ", "logprob": 0.0, "bytes": [0xC3, 0xA9, 0x20]}
    assert found[0] == {**first, "top_logprobs": [first]}
    assert [entry["token"] for entry in found] == ["é ", "b"]
    assert "logprobs" not in served.ask("x", logprobs=False, top_logprobs=0).json()["choices"][0]


def test_functions_that_must_not_be_called_are_not(served: Served) -> None:
    assert served.ask("f(1)", functions=[{"name": "f"}], function_call="none").status_code == 200


def test_a_lone_surrogate_comes_back(served: Served) -> None:
    body = b'{"model":"gpt-4o","messages":[{"role":"user","content":"\\ud83d"}]}'
    reply = served.http.post("/chat/completions", content=body)
    assert b'"content":"\\ud83d"' in reply.content


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 4}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        (content("x"), "messages[0].content[0]"),
        (content({"type": "text", "text": 1}), "messages[0].content[0].text"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"top_p": 1.01}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "include_usage"),
        ({"stop": ""}, "stop"),
        ({"stop": [1]}, "stop"),
        ({"stop": {}}, "stop"),
        ({"frequency_penalty": 2.5}, "frequency_penalty"),
        ({"presence_penalty": "1"}, "presence_penalty"),
        ({"seed": 1.5}, "seed"),
        ({"seed": "1"}, "seed"),
        ({"logprobs": 1}, "logprobs"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": True}, "top_logprobs"),
        ({"functions": []}, "functions"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        (content(attached(file_id="x")), "messages[0].content[0].file"),
        (content({"type": "file", "file": 3}), "messages[0].content[0].file"),
        (content(attached(file_data="?")), "messages[0].content[0].file.file_data"),
        (content({"type": "input_audio"}), "messages[0].content[0].input_audio"),
        ({"messages": [{"role": "assistant", "tool_calls": 3}]}, "messages[0].tool_calls"),
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"response_format": "json"}, "response_format"),
    ],
)
def test_a_bad_parameter_is_named(served: Served, change: dict[str, Any], param: str) -> None:
    refused(served, change, param)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b'{"a":NaN}', b"[" * 100_000, b'{"a":' + b"1" * 5000 + b"}"],
    ids=["empty", "cut", "array", "bytes", "nan", "deep", "long"],
)
def test_what_is_no_json_object_is_400(served: Served, body: bytes) -> None:
    found = error(served.http.post("/chat/completions", content=body), 400)
    assert found["code"] == "invalid_json"


def test_nulls_mean_the_defaults(served: Served) -> None:
    names = ("max_tokens", "temperature", "top_p", "stream", "stop", "n", "stream_options")
    assert served.ask(**dict.fromkeys(names)).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_4_mib_is_413(served: Served, announced: bool) -> None:
    data = dump(request("x" * 4 * 1024 * 1024))
    content = data if announced else (data[at : at + 65536] for at in range(0, len(data), 65536))
    reply = served.http.post("/chat/completions", content=content)
    assert error(reply, 413)["code"] == "body_too_large"


def test_a_body_just_below_4_mib_is_read(served: Served) -> None:
    reply = served.ask("x" * (4 * 1024 * 1024 - 200), max_tokens=1)
    assert len(reply.json()["choices"][0]["message"]["content"]) == 4 * 1024 * 1024 - 200


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"authorization": ""}, "must be: Bearer"),
        ({"authorization": "Basic abc"}, "must be: Bearer"),
        ({"authorization": "Bearer"}, "must be: Bearer"),
        ({"authorization": "Bearer abc"}, "must start with sk-live-"),
        ({"authorization": f"Bearer {REAL}"}, "looks like a real key"),
        ({"authorization": "Bearer sk-live-local-short"}, "cut or mistyped"),
        ({"authorization": f"Bearer {mint().reveal()}"}, "does not know the key"),
    ],
)
def test_a_bad_key_is_401_and_not_repeated(
    served: Served, headers: dict[str, str], word: str
) -> None:
    reply = served.http.get("/models", headers=headers)
    found = error(reply, 401)
    assert word in found["message"]
    assert found["code"] == "invalid_api_key"
    sent = headers["authorization"].removeprefix("Bearer ").strip()
    assert len(sent) < 7 or sent not in reply.text


def test_no_key_at_all_is_401_everywhere(served: Served) -> None:
    for path in ("/models", "/models/gpt-4", "/balance", "/openapi.json", "/nowhere"):
        error(httpx.get(served.url + path), 401)
    error(httpx.post(served.url + "/chat/completions", json=request()), 401)


def test_a_real_key_is_nowhere_afterwards(served: Served) -> None:
    served.http.get("/models", headers={"authorization": f"Bearer {REAL}"})
    served.http.get(f"/models/{REAL}")
    served.http.get(f"/{REAL}")
    served.ask(model=REAL)
    assert REAL not in repr(served.wait_for(4))
    assert REAL not in "\n".join(served.ledger.store.db.iterdump())


def test_keys_of_the_database_are_revoked_and_expire(served: Served) -> None:
    ledger = served.ledger
    account = ledger.account().id
    good = ledger.add_key(account, "good", expires=2**40)
    old = ledger.add_key(account, "old", expires=1)
    gone = ledger.add_key(account, "gone")
    ledger.revoke("gone")

    def get(key: Any) -> httpx.Response:
        headers = {"authorization": f"bearer {key.reveal()}"}
        return served.http.get("/models", headers=headers)

    assert get(good).status_code == 200
    assert "expired" in error(get(old), 401)["message"]
    assert "revoked" in error(get(gone), 401)["message"]
    found = ledger.find_key(digest(good.reveal()))
    assert found is not None
    assert served.wait_for(1)[0].key == found


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8790", 200),
        ("127.0.0.1", 200),
        ("127.8.9.1:1", 200),
        ("[::1]:8790", 200),
        ("127.999.999.999", 400),
        ("127.0.0.256", 400),
        ("127.0.0.01", 400),
        ("localhost.", 400),
        ("example.org", 400),
        ("localhost.example.org", 400),
        ("127.0.0.1.example.org", 400),
        ("localhost@example.org", 400),
        ("10.0.0.1", 400),
        ("", 400),
    ],
)
def test_the_host_must_be_loopback(served: Served, host: str, status: int) -> None:
    """A page whose name was rebound to here sends its own name."""
    reply = served.http.get("/models", headers={"host": host})
    assert reply.status_code == status
    if status == 400:
        assert error(reply, 400)["code"] == "host_not_allowed"
    assert "access-control-allow-origin" not in reply.headers


def test_models_are_listed_and_found(served: Served) -> None:
    listed = served.http.get("/models").json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == [model.id for model in BUILT_IN]
    assert served.http.get("/models/gpt-4").json() == listed["data"][-1]
    assert listed["data"][0]["pricing"] == {
        "unit": "credits",
        "prompt": "0.000005",
        "completion": "0.000018",
    }
    assert error(served.http.get("/models/gpt-9"), 404)["code"] == "model_not_found"
    assert served.http.get("/models/fault/429").json()["id"] == "fault/429"


@pytest.mark.parametrize("model", ["gpt-4oo", "lorem", "script:/etc/passwd", "tape:x", "forward:y"])
def test_an_unknown_model_is_404(served: Served, model: str) -> None:
    found = error(served.ask(model=model), 404)
    assert (found["code"], found["param"]) == ("model_not_found", "model")
    assert ("did you mean gpt-4o" in found["message"]) == (model == "gpt-4oo")


@pytest.mark.parametrize("base", ["", "/v1", "/api/v1", "/api/v1/v1"])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/responses", "the Responses API"),
        ("/responses/resp_1/cancel", "the Responses API"),
        ("/messages?beta=true", "Anthropic's Messages API"),
        ("/messages/count_tokens", "Anthropic's Messages API"),
    ],
)
def test_a_call_of_another_api_is_a_404_that_says_so(
    served: Served, base: str, path: str, name: str
) -> None:
    """Whatever key comes, and in whatever header: that is not what is wrong."""
    root = served.url.removesuffix("/api/v1")
    for headers in ({}, {"x-api-key": served.key.reveal()}, dict(served.http.headers)):
        reply = httpx.post(root + base + path, json={"model": "gpt-4o"}, headers=headers)
        found = error(reply, 404)
        assert found["code"] == "not_found"
        assert found["message"].startswith(f"this server does not have {name}")
        assert "/api/v1/chat/completions" in found["message"]
    assert served.wait_for(3)[-1].status == 404


@pytest.mark.parametrize("path", ["/responsesx", "/models/responses", "/chat/messages"])
def test_other_paths_still_need_a_key(served: Served, path: str) -> None:
    assert error(httpx.get(served.url + path), 401)["code"] == "invalid_api_key"


def test_unknown_paths_and_methods(served: Served) -> None:
    error(served.http.get("/nowhere"), 404)
    reply = served.http.delete("/models")
    error(reply, 405)
    assert set(reply.headers["allow"].split(", ")) == {"GET", "HEAD"}
    error(served.http.get("/chat/completions"), 405)
    assert served.http.head("/models").status_code == 200


def test_every_reply_has_its_id_and_its_limits(served: Served) -> None:
    replies = [
        served.ask(),
        served.ask(stream=True),
        served.ask(model="none"),
        served.http.get("/balance"),
        httpx.get(f"{served.url}/models"),
        served.http.get("/models", headers={"host": "x"}),
        served.ask(model="fault/500"),
    ]
    assert len({reply.headers["x-request-id"] for reply in replies}) == len(replies)
    for reply in replies:
        assert reply.headers["x-ratelimit-limit-requests"] == "60000"
        assert int(reply.headers["x-ratelimit-remaining-requests"]) <= 60000
        assert reply.headers["x-ratelimit-reset-requests"].endswith("s")
    ids = [record.request_id for record in served.wait_for(len(replies))]
    assert set(ids) == {reply.headers["x-request-id"] for reply in replies}


def test_too_many_requests_are_429_with_a_time(serve: Serve) -> None:
    served = serve(rpm=1, concurrency=5)
    assert served.http.get("/balance").headers["x-ratelimit-remaining-requests"] == "0"
    for reply in (served.ask(), served.http.get("/models")):
        assert error(reply, 429)["code"] == "rpm_limit_exceeded"
        assert 1 <= int(reply.headers["retry-after"]) <= 60
        assert 0 < int(reply.headers["retry-after-ms"]) <= 60_000


def test_refusals_come_in_the_documented_order(serve: Serve) -> None:
    """401, 400 and 404 use up nothing; 429 comes before 402, which is never sent as 429."""
    served = serve(grant=0, rpm=2, concurrency=5)
    error(served.ask(headers={"authorization": "Bearer x"}), 401)
    error(served.ask(temperature=3), 400)
    error(served.ask(model="none"), 404)
    for _ in range(3):  # a refused reservation counts for no limit
        assert error(served.ask(), 402)["code"] == "insufficient_credits"
    served.http.get("/models")
    served.http.get("/models")
    error(served.ask(), 429)


def test_requests_at_once_are_limited_per_key(serve: Serve) -> None:
    served = serve(rpm=1000, concurrency=1)
    with served.raw(request(model="fault/stall:1", stream=True)) as connection:
        until(connection, b"data:")
        found = error(served.ask(), 429)
        assert found["code"] == "concurrency_limit_exceeded"
    served.wait_for(2)
    for _ in range(2):
        assert served.http.get("/models").status_code == 200
    assert served.ask().status_code == 200


def test_402_says_what_would_fit(serve: Serve) -> None:
    served = serve(grant=100_000)
    found = error(served.ask("hi", "gpt-4", max_tokens=1000), 402)
    assert found["message"] == (
        "not enough credits: this request may cost up to 1.004 and 0.1 are available;"
        " top up the account, or set max_tokens to at most 96"
    )
    assert served.ask("hi", "gpt-4", max_tokens=96).status_code == 200
    found = error(served.ask("hi" * 9000, "gpt-4", max_tokens=1), 402)
    assert "not even its prompt fits" in found["message"]


def test_an_error_inside_is_a_500_that_says_nothing(served: Served) -> None:
    served.ledger.store.db.execute("ALTER TABLE charge RENAME TO elsewhere")
    try:
        found = error(served.ask(), 500)
    finally:
        served.ledger.store.db.execute("ALTER TABLE elsewhere RENAME TO charge")
    assert found["message"] == "internal error of this server"
    assert "no such table" in str(served.wait_for(1)[0].failure)
    assert served.ask().status_code == 200


def test_it_describes_itself(served: Served) -> None:
    document = served.http.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {
        "/chat/completions",
        "/models",
        "/models/{id}",
        "/balance",
        "/openapi.json",
    }
    assert document["info"]["version"] == __version__
    models = document["components"]["schemas"]["ChatRequest"]["properties"]["model"]
    assert models["anyOf"][0]["enum"] == [model.id for model in BUILT_IN]


def test_a_model_may_be_priced_at_nothing(serve: Serve) -> None:
    free = replace(BUILT_IN[0], price=Price(Decimal(0), Decimal(0)))
    served = serve(grant=0, router=Router([free]))
    assert served.ask(model=free.id).status_code == 200
    assert served.charges() == [("released", "finished", 8, 1, 0)]


def test_what_is_no_http_gets_400(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert b" 400 " in (reply := until_closed(connection))
        assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_http"

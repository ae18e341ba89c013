"""How the program goes on from a refusal: the waits that are asked for, and what is left out."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.support import answers
from tests.support.answers import answer, error
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx


def gemini(delay: str) -> list[dict[str, Any]]:
    """A rate limit as Google's endpoint sends it: in a list, and in words about a quota."""
    kind = "type.googleapis.com/google.rpc."
    details = [
        {"@type": f"{kind}QuotaFailure", "violations": [{"quotaId": "RequestsPerMinute"}]},
        {"@type": f"{kind}RetryInfo", "retryDelay": delay},
    ]
    message = "You exceeded your current quota, please check your plan."
    status = "RESOURCE_EXHAUSTED"
    return [{"error": {"code": 429, "message": message, "status": status, "details": details}}]


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (answer(gemini("4.837906927s"), 429), 4.8),
        (answer(gemini("31s")[0], 429), 31),
        (error(429, "x", "Rate limit reached. Please try again in 7.25s."), 7.2),
        (error(503, "x", "Please retry after 26 seconds."), 26),
        (error(429, retry_after="3"), 3),
    ],
    ids=["gemini", "object", "words", "503", "header"],
)
@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_a_wait_in_the_body_is_waited_for(
    online: Ocx, chat_server: ChatServer, refusal: bytes, seconds: float, flag: str
) -> None:
    chat_server.answer(refusal, path=CHAT)
    process = online.spawn("chat", "hi", flag)
    assert process.stderr is not None
    line = process.stderr.until(b" s: ").decode()
    process.kill()
    found = re.search(r"retry 1 of 2 in ([0-9.]+) s: ", line)
    assert found is not None, line
    assert seconds <= float(found.group(1)) <= seconds + 0.6


@pytest.mark.parametrize(
    "refusal",
    [answer(gemini("0.02s"), 429), error(429, "x", "try again in 20ms")],
    ids=["gemini", "words"],
)
@pytest.mark.parametrize("stream", [True, False])
def test_after_the_wait_the_answer_comes(
    online: Ocx, chat_server: ChatServer, refusal: bytes, stream: bool
) -> None:
    good = answers.stream("Hi") if stream else answer(answers.completion("Hi"))
    chat_server.answer(refusal, good, path=CHAT)
    done = online("chat", "hi", "--stream" if stream else "--no-stream").has(0)
    assert done.text == "Hi\n"
    assert "retry 1 of 2" in done.stderr


def test_the_error_of_a_list_is_read_through(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answer(gemini("9s"), 429), path=CHAT)
    found = online("chat", "hi", "--json", "--retries", "0").has(6).error
    assert (found["code"], found["status"], found["retry_after"]) == ("429", 429, 9)
    assert found["message"] == "HTTP 429: You exceeded your current quota, please check your plan."


def test_a_row_waits_as_its_refusal_asks(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answer(gemini("0.02s"), 429), answer(answers.completion("Hi")), path=CHAT)
    done = online("batch", "--text", "-", input="one\n").has(0)
    assert json.loads(done.stdout)["ocx"]["attempts"] == 2


@pytest.mark.parametrize("status", [400, 200])
def test_the_error_of_a_row_in_gbk_is_read(
    online: Ocx, chat_server: ChatServer, status: int
) -> None:
    body = '{"error":{"code":"x","message":"参数错误"}}'.encode("gbk")
    chat_server.answer(answer(body, status), path=CHAT)
    done = online("batch", "--text", "-", "--retries", "0", input="one\n")
    row = json.loads(done.stdout)
    said = row["response"]["body"]["error"] if status == 400 else row["error"]
    assert said["message"] == "参数错误"


@pytest.mark.parametrize("before", [b"", answers.delta("Hi")], ids=["first", "after-text"])
def test_a_list_in_a_stream_is_an_error(
    online: Ocx, chat_server: ChatServer, before: bytes
) -> None:
    told = answers.event(json.dumps(gemini("9s")))
    chat_server.answer(answers.STREAM_HEAD + before + told + answers.LAST_PIECE, path=CHAT)
    done = online("chat", "hi").has(11 if before else 6)
    assert "You exceeded your current quota" in done.stderr


UNKNOWN = [
    error(400, "x", "Unrecognized request argument supplied: stream_options"),
    error(422, None, "unknown field `stream_options`, expected one of `model`"),
    answer({"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs"}]}, 422),
    answer([{"error": {"message": "bad", "param": "stream_options.include_usage"}}], 400),
]


@pytest.mark.parametrize("refusal", UNKNOWN, ids=["text", "422", "loc", "param"])
def test_refused_stream_options_are_left_out(
    online: Ocx, chat_server: ChatServer, refusal: bytes
) -> None:
    chat_server.answer(refusal, answers.stream("Hi"), path=CHAT)
    done = online("chat", "hi", "--log").has(0)
    assert done.text == "Hi\n"
    assert done.stderr.count("stream_options") == 1
    first, second = (chat_server.body(request) for request in chat_server.requests)
    assert first.pop("stream_options") == {"include_usage": True}
    assert first == second
    assert online("history", "show", "--json").json["usage"] is None


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "x", "it went wrong"),
        error(404, "x", "no stream_options here"),
        error(400, "context_length_exceeded", "too long, with stream_options"),
    ],
)
def test_any_other_refusal_is_just_an_error(
    online: Ocx, chat_server: ChatServer, refusal: bytes
) -> None:
    chat_server.answer(refusal, answers.stream("Hi"), path=CHAT)
    online("chat", "hi", "--log").has(7)
    assert len(chat_server.requests) == 1


def test_a_session_asks_with_stream_options_once(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(UNKNOWN[0], answers.stream("Hi"), path=CHAT)
    session = online.in_terminal("chat", env={"OCX_HISTORY": "on"})
    assert session.stdout is not None
    for number, line in enumerate(["one\r", "two\r", "\x04"], 1):
        session.stdout.until_count(b"> ", number)
        session.send(line)
    session.finish().has(0)
    asked = ["stream_options" in chat_server.body(request) for request in chat_server.requests]
    assert asked == [True, False, False]


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_a_context_overflow_is_not_a_refused_schema(
    online: Ocx, chat_server: ChatServer, flag: str
) -> None:
    text = "maximum context length is 8192 tokens, you requested 9000 (1000 in the response_format)"
    chat_server.answer(error(400, "context_length_exceeded", text), path=CHAT)
    done = online("chat", "--schema", "a", "hi", flag).has(7)
    assert "maximum context length" in done.stderr
    assert len(chat_server.requests) == 1


@pytest.mark.parametrize("command", [("chat", "hi"), ("models",), ("batch", "--text", "-")])
def test_the_url_of_the_chat_is_named_with_the_one_to_use(
    online: Ocx, chat_server: ChatServer, command: tuple[str, ...]
) -> None:
    url = f"{chat_server.base_url}/chat/completions"
    for done in (
        online(*command, env={"OCX_BASE_URL": url}, input="x\n"),
        online(*command, "--base-url", f" {url}/", input="x\n"),
    ):
        done.has(3)
        assert f"hint: use {chat_server.base_url}\n" in done.stderr
    assert chat_server.requests == []


def test_variables_with_a_cr_work(online: Ocx, chat_server: ChatServer) -> None:
    online.env |= {name: f" {text}\r" for name, text in online.env.items() if "OCX_" in name}
    assert online("chat", "hi", env={"OCX_MODEL": "m\r"}).has(0).text == "Hello!\n"
    assert chat_server.body()["model"] == "m"


def test_a_typed_timeout_bounds_the_wait_for_stdin(online: Ocx, chat_server: ChatServer) -> None:
    silent = online.spawn("chat", "why?", "--timeout", "0.4", stdin=subprocess.PIPE)
    done = silent.finish().has(10)
    assert "stdin did not end within --timeout (0.4 s)" in done.stderr
    trickle = online.spawn("chat", "-", "--timeout", "0.4", stdin=subprocess.PIPE)
    trickle.send("a line\n")
    assert trickle.finish().has(10).text == ""
    assert chat_server.requests == []
    assert online("chat", "why?", "--timeout", "9", input="x").has(0).text == "Hello!\n"


@pytest.mark.parametrize("words", [("why?",), ("-t", "all")])
def test_a_timeout_from_elsewhere_is_for_the_call_alone(
    online: Ocx, chat_server: ChatServer, words: tuple[str, ...]
) -> None:
    (online.config / "templates").mkdir(parents=True)
    (online.config / "templates" / "all.toml").write_text('prompt = "why? $stdin"')
    patient = online.spawn("chat", *words, stdin=subprocess.PIPE, env={"OCX_TIMEOUT": "0.4"})
    assert patient.stderr is not None
    patient.stderr.until(b"waiting for stdin")
    patient.end_input()
    assert patient.finish().has(0).text == "Hello!\n"

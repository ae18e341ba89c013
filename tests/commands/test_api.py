"""`ocx api`: the key, retries, errors and exit codes of every command, on any path."""

from __future__ import annotations

import json

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, MODELS, ChatServer
from tests.support.program import KEY, Ocx


def test_get_prints_the_body_as_sent(online: Ocx, chat_server: ChatServer) -> None:
    body = b'{ "object":"list",\r\n "data":[] }'
    chat_server.answer(answers.answer(body), path=MODELS)
    assert online("api", "GET", "models").has(0).stdout == body
    request = chat_server.requests[-1]
    assert request.target == "/api/v1/models"
    assert request.header("authorization") == f"Bearer {KEY}"


def test_fields_are_a_json_body(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.answer(answers.completion("hi")), path=CHAT)
    messages = [{"role": "user", "content": "hé"}]
    online(
        *("api", "post", "/chat/completions", "-f", "model=m", "-f", "max_tokens=7"),
        *("-F", f"messages={json.dumps(messages)}", "-F", "n=2", "-H", "X-Extra: yes"),
    ).has(0)
    request = chat_server.requests[-1]
    assert (request.method, request.header("x-extra")) == ("POST", "yes")
    expected = {"model": "m", "max_tokens": "7", "messages": messages, "n": 2}
    assert chat_server.body(request) == expected


def test_fields_of_get_are_a_query(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer_all(answers.answer(answers.models("a")))
    online("api", "GET", "models", "-f", "after=a b&c", "-F", "limit=5").has(0)
    assert chat_server.requests[-1].target == "/api/v1/models?after=a+b%26c&limit=5"
    assert chat_server.requests[-1].body == b""


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_input_is_sent_as_it_is(online: Ocx, chat_server: ChatServer, source: str) -> None:
    body = b'{ "model" : "m" }\n'
    (online.work / "body.json").write_bytes(body)
    name = "body.json" if source == "file" else "-"
    online("api", "POST", "chat/completions", "--input", name, input=body).has(0)
    assert chat_server.requests[-1].body == body


def test_include_shows_the_head(online: Ocx) -> None:
    text = online("api", "GET", "balance", "-i").has(0).text
    assert text.startswith("HTTP 200\n")
    assert "content-type: application/json\n" in text
    assert text.endswith('\n\n{"balance":499.5}')


def test_on_a_terminal_json_is_indented(online: Ocx) -> None:
    process = online.in_terminal("api", "GET", "balance")
    assert b'{\r\n  "balance": 499.5\r\n}' in process.finish().stdout


def test_on_a_terminal_nothing_controls_it(online: Ocx, chat_server: ChatServer) -> None:
    sent = answers.answer(b"\x1b]0;owned\x07\n", content_type="text/plain", headers={"x-a": "\x9b"})
    chat_server.answer_all(sent)
    shown = online.in_terminal("api", "GET", "x", "-i").finish().stdout
    assert b"\x1b" not in shown
    assert b"\\x1b]0;owned\\x07" in shown


@pytest.mark.parametrize(
    "path", ["https://evil.test/", "//evil.test/x", "../../x", "a/%2e%2e/b", "..\\x"]
)
def test_nothing_else_is_reached(online: Ocx, chat_server: ChatServer, path: str) -> None:
    online("api", "GET", path).has(2)
    assert chat_server.connections == 0


@pytest.mark.parametrize(
    "words",
    [
        ("GE T", "models"),
        ("", "models"),
        ("GET", "models", "-f", "novalue"),
        ("POST", "x", "--input", "missing.json"),
        ("POST", "x", "--input", "-", "-f", "a=b"),
        ("POST", "x", "--input", "-", "--key-file", "-"),
    ],
)
def test_usage(online: Ocx, chat_server: ChatServer, words: tuple[str, ...]) -> None:
    online("api", *words).has(2)
    assert chat_server.connections == 0


@pytest.mark.parametrize(("status", "code"), [(401, 4), (402, 5), (429, 6), (404, 7), (500, 8)])
def test_errors_are_those_of_every_command(
    online: Ocx, chat_server: ChatServer, status: int, code: int
) -> None:
    chat_server.answer_all(answers.error(status))
    done = online("api", "GET", "models", "--retries", "0", "--json").has(code)
    assert done.error["status"] == status
    assert done.stdout == b""


def test_a_get_is_tried_again(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer_all(answers.error(503, retry_after="0"), answers.answer({"a": 1}))
    assert online("api", "GET", "anything").has(0).json == {"a": 1}
    assert len(chat_server.requests) == 2

"""How the program goes on from a refusal: the waits that a body asks for."""

from __future__ import annotations

import json
import re
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

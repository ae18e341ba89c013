"""What a person sees until an answer comes: the real program in a pty, on an emulator's screen."""

from __future__ import annotations

import threading

import pytest

from tests.e2e.test_live import END, Seen
from tests.support import answers
from tests.support.chat_server import BALANCE, CHAT, MODELS, ChatServer
from tests.support.emulator import trimmed
from tests.support.program import Ocx


def begin(ocx: Ocx, *args: str) -> Seen:
    return Seen(ocx.in_terminal(*args, size=(24, 80)), 80, 24)


def test_waiting_and_thinking_are_shown_and_leave_no_trace(
    online: Ocx, chat_server: ChatServer
) -> None:
    begun, thought, more = threading.Event(), threading.Event(), threading.Event()
    thinking = answers.event(answers.chunk(reasoning_content="hm"))
    script = [begun, answers.STREAM_HEAD, thinking, thought, answers.delta("A *word*"), more]
    chat_server.answer([*script, END], path=CHAT)
    seen = begin(online, "chat", "-n", "hi")
    seen.until("waiting for deepseek-chat")
    begun.set()
    seen.until("thinking")
    thought.set()
    seen.until("A word")
    assert trimmed(seen.emulator.shown()) == ["A word"]
    more.set()
    assert seen.finish(0) == ["A word"]


def test_a_retry_counts_down_below_its_whole_message(online: Ocx, chat_server: ChatServer) -> None:
    busy = answers.error(429, "rate_limit_exceeded", retry_after="1")
    chat_server.answer(busy, answers.stream("done"), path=CHAT)
    seen = begin(online, "chat", "-n", "hi")
    seen.until("retry 1 of 2 in 1 s: HTTP 429")
    lines = seen.finish(0)
    assert lines[0].startswith("ocx: retry 1 of 2 in 1.")
    assert lines[1:] == ["done"]


def test_an_error_stands_alone(online: Ocx, chat_server: ChatServer) -> None:
    begun = threading.Event()
    chat_server.answer([begun, answers.error(402, "insufficient_quota")], path=CHAT)
    seen = begin(online, "chat", "-n", "hi")
    seen.until("waiting for deepseek-chat")
    begun.set()
    assert seen.finish(5)[0].startswith("ocx: error:")


def test_it_is_the_model_of_the_conversation(online: Ocx, chat_server: ChatServer) -> None:
    begun = threading.Event()
    chat_server.answer(answers.stream("one"), [begun, answers.STREAM_HEAD, END], path=CHAT)
    online("chat", "--log", "-m", "gpt-4o", "hi").has(0)
    seen = begin(online, "chat", "-c", "more")
    seen.until("waiting for gpt-4o")
    begun.set()
    seen.finish(0)


@pytest.mark.parametrize("args", [("--extract",), ("--reasoning", "show"), ("--json",)])
def test_whatever_is_shown_of_the_answer_takes_its_place(
    online: Ocx, chat_server: ChatServer, args: tuple[str, ...]
) -> None:
    begun = threading.Event()
    script = [begun, answers.STREAM_HEAD, answers.delta("```\ncode\n```\n"), END]
    chat_server.answer(script, path=CHAT)
    seen = begin(online, "chat", "-n", *args, "hi")
    seen.until("waiting for deepseek-chat")
    begun.set()
    lines = seen.finish(0)
    assert any("code" in line for line in lines)
    assert not any("waiting" in line for line in lines)


@pytest.mark.parametrize(
    ("args", "path", "answer", "text"),
    [
        (("models",), MODELS, answers.models("gpt-4o"), "the models"),
        (("balance",), BALANCE, {"balance": 1}, "the balance"),
        (("doctor",), BALANCE, {"balance": 1}, "the account"),
        (("keys", "check"), BALANCE, {"balance": 1}, "the endpoint"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_the_other_commands_that_wait(
    online: Ocx,
    chat_server: ChatServer,
    args: tuple[str, ...],
    path: str,
    answer: dict,
    text: str,
) -> None:
    begun = threading.Event()
    chat_server.answer([begun, answers.answer(answer)], path=path)
    seen = begin(online, *args)
    seen.until(f"waiting for {text}")
    begun.set()
    lines = seen.finish(seen.process.wait())
    assert not any("waiting" in line for line in lines)

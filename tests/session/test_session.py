"""What a line of a session does, without a terminal: the turns, and what they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ocx.api import Client, Endpoint
from ocx.call.credits import Credits
from ocx.call.exchange import Exchange
from ocx.call.options import CreditLimits, Output
from ocx.call.request import Request
from ocx.config.settings import resolve
from ocx.errors import BelowError, UsageError
from ocx.runtime import Runtime
from ocx.session.session import Session
from ocx.terminal import Output as Stdout
from ocx.terminal import RedactingStderr, Terminal
from tests.support import answers
from tests.support.chat_server import BALANCE, CHAT, ChatServer
from tests.support.memory import MemoryRaw

Make = Callable[..., Session]


@pytest.fixture
def make(chat_server: ChatServer, tmp_path: Path) -> Iterator[Make]:
    with Client(Endpoint(chat_server.base_url)) as client:

        def made(**limits: Any) -> Session:
            settings = resolve({"base_url": chat_server.base_url}, {"HOME": str(tmp_path)})
            terminal = Terminal(None, Stdout(MemoryRaw()), RedactingStderr(None))
            request = Request(settings, (), "brief", True, False, {})
            exchange = Exchange(client, credits=Credits(CreditLimits(**limits)))
            return Session(Runtime(terminal), request, Output(), exchange, None, shows_cost=False)

        yield made


def contents(server: ChatServer) -> list[list[str]]:
    """The texts of each chat request."""
    chats = [request for request in server.requests if request.target.endswith(CHAT)]
    bodies = [server.body(request) for request in chats]
    return [[message["content"] for message in body["messages"]] for body in bodies]


def test_a_turn_follows_the_one_before(make: Make, chat_server: ChatServer) -> None:
    session = make()
    session.handle_line("one")
    session.handle_line("//two")
    session.handle_line("  ")
    assert contents(chat_server) == [["brief", "one"], ["brief", "one", "Hello!", "/two"]]


def test_another_system_prompt_and_model_from_the_next_turn(
    make: Make, chat_server: ChatServer
) -> None:
    session = make()
    session.handle_line("one")
    session.handle_line("/system long")
    session.handle_line("/model gpt-4o")
    session.handle_line("two")
    assert contents(chat_server)[1] == ["long", "one", "Hello!", "two"]
    assert chat_server.body()["model"] == "gpt-4o"


def test_a_stream_is_asked_for_its_usage_only_while_it_is_shown(
    make: Make, chat_server: ChatServer
) -> None:
    session = make()
    session.handle_line("one")
    assert "stream_options" not in chat_server.body()
    session.handle_line("/usage")
    session.handle_line("two")
    assert chat_server.body()["stream_options"] == {"include_usage": True}


def test_retry_asks_the_last_question_again(make: Make, chat_server: ChatServer) -> None:
    session = make()
    with pytest.raises(UsageError, match="nothing to ask again"):
        session.handle_line("/retry")
    session.handle_line("one")
    session.handle_line("/retry")
    assert contents(chat_server) == [["brief", "one"]] * 2
    session.handle_line("two")
    assert contents(chat_server)[2] == ["brief", "one", "Hello!", "two"]


def test_retry_after_the_account_was_topped_up(make: Make, chat_server: ChatServer) -> None:
    """A question that --min-balance held back is the last question."""
    balances = [answers.answer({"balance": left}) for left in (1, 100)]
    chat_server.answer(*balances, path=BALANCE)
    session = make(min_balance="10")
    with pytest.raises(BelowError):
        session.handle_line("one")
    session.handle_line("/retry")
    assert contents(chat_server) == [["brief", "one"]]


def test_a_command_that_is_not_there(make: Make) -> None:
    with pytest.raises(UsageError, match="did you mean /model"):
        make().handle_line("/modle x")

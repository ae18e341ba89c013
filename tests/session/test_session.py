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
from ocx.errors import BelowError, OcxError, UsageError
from ocx.runtime import Runtime
from ocx.session.session import HELP, Session
from ocx.terminal import Output as Stdout
from ocx.terminal import RedactingStderr, Terminal
from tests.support import answers
from tests.support.chat_server import BALANCE, CHAT, MODELS, ChatServer
from tests.support.memory import MemoryRaw

Make = Callable[..., Session]


@pytest.fixture
def make(chat_server: ChatServer, tmp_path: Path) -> Iterator[Make]:
    env = {"HOME": str(tmp_path)}
    with Client(Endpoint(chat_server.base_url)) as client:

        def made(**limits: Any) -> Session:
            settings = resolve({"base_url": chat_server.base_url}, env)
            terminal = Terminal(None, Stdout(MemoryRaw()), RedactingStderr(None), env)
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
    chats = [request for request in chat_server.requests if request.target.endswith(CHAT)]
    assert chat_server.body(chats[-1])["stream_options"] == {"include_usage": True}


def test_the_prompt_shows_the_model_and_with_usage_the_credits(
    make: Make, chat_server: ChatServer
) -> None:
    """They are looked at after each answer, until they cannot be read."""
    balances = [answers.answer({"balance": left}) for left in (12.5, 11)]
    chat_server.answer(*balances, answers.error(404), path=BALANCE)
    session = make()
    assert session.prompt == "deepseek-chat> "
    session.handle_line("/usage")
    assert session.prompt == "deepseek-chat, 12.5 credits> "
    session.handle_line("one")
    assert session.prompt == "deepseek-chat, 11 credits> "
    session.handle_line("two")
    assert session.prompt == "deepseek-chat> "
    asked = len(chat_server.requests)
    session.handle_line("three")
    assert len(chat_server.requests) == asked + 1
    session.handle_line("/usage")
    session.handle_line("/model x\x1b[2Jy")
    assert session.prompt == "x\\x1b[2Jy> "


def test_a_model_by_its_number(make: Make, chat_server: ChatServer) -> None:
    """The list is asked for once; what it does not hold is a name."""
    session = make()
    session.handle_line("/model 2")
    assert session.prompt == "gpt-4o> "
    for name in ("0", "3", "123456"):
        session.handle_line(f"/model {name}")
        assert session.prompt == f"{name}> "
    assert len(chat_server.requests) == 1
    assert session.complete("/model g") == ["/model gpt-4o"]


def test_models_that_cannot_be_listed_are_no_error(make: Make, chat_server: ChatServer) -> None:
    chat_server.answer(answers.error(404), path=MODELS)
    session = make()
    session.handle_line("/model")
    session.handle_line("/model 1")
    assert session.prompt == "1> "


@pytest.mark.parametrize("line", ["/copy", "/pipe cat", "/save x"])
def test_without_an_answer_there_is_nothing_to_take(make: Make, line: str) -> None:
    with pytest.raises(UsageError, match="there is no answer to"):
        make().handle_line(line)


def test_a_command_that_fails_is_an_error_of_the_turn(make: Make) -> None:
    session = make()
    session.handle_line("one")
    with pytest.raises(UsageError, match="/pipe needs a command"):
        session.handle_line("/pipe")
    with pytest.raises(OcxError, match="status 3"):
        session.handle_line("/pipe exit 3")


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


def test_help_the_readme_and_the_manual_name_every_command(make: Make) -> None:
    root = Path(__file__).parents[2]
    manual = (root / "man" / "ocx-chat.1").read_text("utf-8").replace("\\", "")
    readme = (root / "README.md").read_text("utf-8")
    commands = {found.strip() for found in make().complete("/")}
    assert "/help" in commands
    for command in commands:
        assert command in HELP
        assert command in manual
        assert command in readme or command in {"/help", "/exit"}


@pytest.mark.parametrize("line", ["／model　２", "／ｍｏｄｅｌ 2", "/model ０２", "／model gpt-4o"])
def test_a_command_of_a_chinese_keyboard(make: Make, chat_server: ChatServer, line: str) -> None:
    chat_server.answer(
        answers.answer({"data": [{"id": "deepseek-chat"}, {"id": "gpt-4o"}]}), path=MODELS
    )
    session = make()
    session.handle_line(line)
    session.handle_line("／／路径")
    assert chat_server.body()["model"] == "gpt-4o"
    assert contents(chat_server) == [["brief", "／路径"]]
    assert session.complete("／mo") == ["/model "]

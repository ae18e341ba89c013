"""What a line of a session does, without a terminal: the turns, and what they leave."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ocx.api import Client, Endpoint
from ocx.chat.credits import Credits
from ocx.chat.exchange import ChatRunner
from ocx.chat.options import ChatOptions, CreditLimits
from ocx.chat.request import Request
from ocx.config.settings import resolve
from ocx.context import Context
from ocx.errors import BelowError, OcxError, UsageError
from ocx.history.call import Totals
from ocx.session import HELP, Session
from ocx.session.commands import (
    completions,
    cost_so_far,
    files,
    in_session,
    no_argument,
    tokens_so_far,
)
from ocx.session.line_editor import LineEditor
from ocx.terminal import FdWriter as Stdout
from ocx.terminal import RedactingStderr, Terminal
from tests.support import answers
from tests.support.chat_server import BALANCE, MODELS, ChatServer
from tests.support.memory import MemoryRaw
from tests.support.pages import PAGES, ROOT

Make = Callable[..., Session]


@pytest.fixture
def make(chat_server: ChatServer, tmp_path: Path) -> Iterator[Make]:
    env = {"HOME": str(tmp_path)}
    with Client(Endpoint(chat_server.base_url)) as client:

        def made(**limits: Any) -> Session:
            settings = resolve({"base_url": chat_server.base_url}, env)
            terminal = Terminal(None, Stdout(MemoryRaw()), RedactingStderr(None), env)
            request = Request(settings, (), "brief", True, False, {})
            runner = ChatRunner(client, credits=Credits(CreditLimits(**limits), settings))
            return Session(Context(terminal), request, ChatOptions(), runner, None)

        yield made


def contents(server: ChatServer) -> list[list[str]]:
    """The texts of each chat request."""
    return [[message["content"] for message in body["messages"]] for body in server.chats()]


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


def test_a_terminal_that_is_gone_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under nohup no SIGHUP ends it: each read is the end, each write an error, for ever."""

    class Gone(MemoryRaw):
        def write(self, data: memoryview | bytes) -> int:
            raise OSError(errno.EIO, "Input/output error")

    def read(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", read)
    terminal = Terminal(None, Stdout(Gone()), RedactingStderr(None), {})
    assert LineEditor(terminal, None, lambda _: []).read("> ") is None


@pytest.mark.parametrize("typed", ["/usage", "/cost"])
def test_a_stream_is_asked_for_its_usage_only_while_it_is_shown(
    make: Make, chat_server: ChatServer, typed: str
) -> None:
    session = make()
    session.handle_line("one")
    assert "stream_options" not in chat_server.body()
    session.handle_line(typed)
    session.handle_line("two")
    assert chat_server.chats()[-1]["stream_options"] == {"include_usage": True}


def test_the_prompt_shows_the_model_and_with_usage_the_credits(
    make: Make, chat_server: ChatServer
) -> None:
    """They are looked at after each answer, until they cannot be read."""
    balances = [answers.answer({"balance": left}) for left in (12.5, 11)]
    chat_server.answer(*balances, answers.error(404), path=BALANCE)
    chat_server.answer(answers.answer({"data": [{"id": "x\x1b[2Jy"}]}), path=MODELS)
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
    """The list is asked for once; a number that it does not hold is told."""
    session = make()
    session.handle_line("/model 2")
    assert session.prompt == "gpt-4o> "
    for name in ("0", "3", "9999"):
        with pytest.raises(UsageError, match="there are 2 models") as caught:
            session.handle_line(f"/model {name}")
        assert caught.value.hint == "/model lists them"
    assert session.prompt == "gpt-4o> "
    assert len(chat_server.requests) == 1
    assert session.complete("/model g") == ["/model gpt-4o"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("gpt4o", "no model called gpt4o, did you mean gpt-4o?"), ("zz", "no model called zz")],
)
def test_a_model_that_is_not_there_is_told_at_once(make: Make, name: str, said: str) -> None:
    session = make()
    with pytest.raises(UsageError) as caught:
        session.handle_line(f"/model {name}")
    assert (caught.value.message, caught.value.hint) == (said, "/model lists them")
    assert session.prompt == "deepseek-chat> "


def test_a_model_that_came_later_is_found(make: Make, chat_server: ChatServer) -> None:
    """The list that was kept may be an old one; targets of `ocx serve` are on none."""
    session = make()
    session.handle_line("/model gpt-4o")
    chat_server.answer(answers.answer({"data": [{"id": "brand-new"}]}), path=MODELS)
    session.handle_line("/model brand-new")
    assert session.prompt == "brand-new> "
    for name in ("lorem:20", "fault/429"):
        session.handle_line(f"/model {name}")
        assert session.prompt == f"{name}> "


@pytest.mark.parametrize("line", ["exit", "quit", " exit ", "/exit", "/quit", "/q"])
def test_words_that_leave_are_not_sent(make: Make, chat_server: ChatServer, line: str) -> None:
    session = make()
    session.handle_line(line)
    assert not session.open
    assert chat_server.requests == []


@pytest.mark.parametrize("line", ["exit code 3?", "how do I quit vi", "Exit", "q"])
def test_a_message_that_only_begins_so_is_sent(make: Make, line: str) -> None:
    session = make()
    session.handle_line(line)
    assert session.open


@pytest.mark.parametrize("line", ["/new", "/clear"])
def test_a_new_conversation_forgets(make: Make, chat_server: ChatServer, line: str) -> None:
    session = make()
    session.handle_line("one")
    session.handle_line(line)
    session.handle_line("two")
    assert contents(chat_server) == [["brief", "one"], ["brief", "two"]]
    session.handle_line(line)
    with pytest.raises(UsageError, match="nothing to ask again"):
        session.handle_line("/retry")


def test_several_files_go_with_one_message(
    make: Make, chat_server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "my notes"):
        Path(name).write_text(f"[{name}]\n")
    session = make()
    session.handle_line("/file a b")
    session.handle_line("/file my notes")
    session.handle_line("/file 'my notes' a")
    session.handle_line("read")
    (sent,) = contents(chat_server)
    assert sent[1].split() == ["read", "[a]", "[b]", "[my", "notes]", "[my", "notes]", "[a]"]


def test_hints_name_the_commands_of_the_session() -> None:
    for shell, session in (
        ("`ocx models` lists the models; `x` too", "/model lists the models; `x` too"),
        ("did you mean -m gpt-4o?", "did you mean /model gpt-4o?"),
        ("`ocx balance` shows what is left", "`ocx balance` shows what is left"),
        (None, None),
    ):
        assert in_session(shell) == session


def test_what_the_answers_took() -> None:
    took = Totals()
    assert tokens_so_far(took) == "0 prompt + 0 completion = 0 tokens so far"
    assert cost_so_far(took) is None
    took.add({"prompt_tokens": 3, "completion_tokens": 1}, None)
    asks = "unknown so far; `ocx chat --cost` asks the balance around each answer"
    assert cost_so_far(took) == asks
    took.add(None, Decimal("0.00002"))
    took.add({"prompt_tokens": 1, "completion_tokens": "x"}, Decimal("0.5"))
    tokens = "4 prompt + 1 completion = 5 tokens and 1 answer not counted so far"
    assert tokens_so_far(took) == tokens
    assert cost_so_far(took) == "0.50002 credits so far, and 1 answer unknown"


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


def test_retry_after_the_account_was_topped_up(make: Make, chat_server: ChatServer) -> None:
    """A question that --min-balance held back is the last question."""
    balances = [answers.answer({"balance": left}) for left in (1, 100)]
    chat_server.answer(*balances, path=BALANCE)
    session = make(min_balance="10")
    with pytest.raises(BelowError):
        session.handle_line("one")
    session.handle_line("/retry")
    assert contents(chat_server) == [["brief", "one"]]


def test_help_the_readme_and_the_manual_name_every_command(make: Make) -> None:
    manual = (ROOT / "man" / "ocx-chat.1").read_text("utf-8").replace("\\", "")
    readme = PAGES["cookbook"]
    commands = {found.strip() for found in make().complete("/")}
    assert "/help" in commands
    for command in commands:
        assert command in HELP
        assert command in manual, command
        assert command in readme or command in {"/help", "/exit", "/quit", "/q", "/clear"}


MODEL_IDS = ("gpt-4o", "gpt-4o-mini", "deepseek-chat")
COMMANDS = {
    "/model": lambda begun: [name for name in MODEL_IDS if name.startswith(begun)],
    "/system": no_argument,
    "/file": files,
    "/save": files,
    "/exit": None,
}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", []),
        ("mod", []),
        ("/m", ["/model "]),
        ("/s", ["/system ", "/save "]),
        ("/e", ["/exit"]),
        ("//m", []),
        ("/model g", ["/model gpt-4o", "/model gpt-4o-mini"]),
        ("/model x", []),
        ("/system m", []),
        ("/exit ", []),
        ("/unknown g", []),
    ],
)
def test_commands_and_names(line: str, found: list[str]) -> None:
    assert completions(line, COMMANDS) == found


def test_files_also_with_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my notes").mkdir()
    for name in ("a b.txt", "a\nb", ".hidden", "my notes/one.txt"):
        (tmp_path / name).touch()
    assert completions("/file ", COMMANDS) == ["/file a b.txt", "/file my notes/"]
    assert completions("/file a b", COMMANDS) == ["/file a b.txt"]
    assert completions("/file .", COMMANDS) == ["/file .hidden"]
    assert completions("/save my notes/o", COMMANDS) == ["/save my notes/one.txt"]
    assert completions("/file ~/a", COMMANDS) == ["/file ~/a b.txt"]
    assert completions("/file nowhere/x", COMMANDS) == []

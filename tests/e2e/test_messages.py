"""stderr on a terminal: colours by what a line is, and no word broken at the edge."""

from __future__ import annotations

import re

import pytest

from tests.e2e.test_session import begin
from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx

STYLES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def screen(ocx: Ocx, *args: str, columns: int, status: int, **env: str) -> tuple[str, list[str]]:
    """What came, and its lines without colours."""
    process = ocx.in_terminal(*args, size=(24, columns), env={"CI": "1", **env})
    text = process.finish().has(status).text
    return text, STYLES.sub("", text).replace("\r", "").splitlines()


def test_an_error_a_hint_and_a_request_id(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(
        answers.error(402, "insufficient_quota", "too few credits", x_request_id="req-7"), path=CHAT
    )
    text, _ = screen(online, "chat", "hi", columns=100, status=5)
    assert "ocx: \x1b[31merror:\x1b[0m " in text
    assert "\x1b[2mhint: " in text
    assert "\x1b[2mrequest id: req-7\x1b[0m" in text


@pytest.mark.parametrize(
    ("args", "env"),
    [
        (("--color", "never"), {}),
        (("--color=never",), {"FORCE_COLOR": "1"}),
        ((), {"NO_COLOR": "1"}),
        ((), {"TERM": "dumb"}),
        ((), {"CLICOLOR": "0"}),
    ],
)
def test_no_colour_where_none_is_wanted(
    ocx: Ocx, args: tuple[str, ...], env: dict[str, str]
) -> None:
    text, _ = screen(ocx, *args, "balance", columns=100, status=4, **env)
    assert "\x1b[" not in text


def test_colour_in_a_pipe_only_if_it_is_asked_for(ocx: Ocx) -> None:
    """And nothing is wrapped there: an error is one line."""
    assert "\x1b[" not in ocx("balance", env={"COLUMNS": "30"}).has(4).stderr
    asked = ocx("balance", "--color", "always", env={"COLUMNS": "30"}).has(4).stderr
    assert asked.startswith("ocx: \x1b[31merror:\x1b[0m ")
    assert len(asked.splitlines()) == 2
    usage = ocx("models", "--colour", "--color", "always").has(2).stderr
    assert "\x1b[31merror:" in usage


def test_a_warning_is_yellow_and_usage_is_dim(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.stream("cut", reason="length"), path=CHAT)
    text, _ = screen(online, "chat", "-u", "--cost", "hi", columns=100, status=0)
    assert "ocx: \x1b[33mwarning:\x1b[0m " in text
    assert re.search(r"\x1b\[2musage: [^\n]*\x1b\[0m", text)
    assert re.search(r"\x1b\[2mcost: [^\n]*\x1b\[0m", text)


@pytest.mark.parametrize("columns", [34, 40, 60, 80])
def test_words_are_never_broken(ocx: Ocx, columns: int) -> None:
    """A line goes on below its text."""
    _, wide = screen(ocx, "balance", columns=300, status=4)
    _, lines = screen(ocx, "balance", columns=columns, status=4)
    assert max(map(len, lines)) <= columns
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(wide).split())
    for line in lines:
        assert line.startswith(("ocx: ", "hint: ", "     "))


def test_the_help_of_a_session(online: Ocx) -> None:
    talk = begin(online, "-n", size=(40, 52))
    talk.say("/help", "/exit")
    shown = STYLES.sub("", talk.leave()).replace("\r", "").splitlines()
    assert max(map(len, shown)) <= 52
    assert "  /model [ID]      list the models, or take another" in shown
    assert "                   one, by its id or number" in shown


def test_a_key_is_masked_where_a_line_breaks(ocx: Ocx) -> None:
    key = "sk-live-" + "x" * 40 + "beef"
    text, _ = screen(ocx, "models", "--bogus", f"a {key} b " * 3, columns=45, status=2)
    assert "xxxxxxxx" not in text

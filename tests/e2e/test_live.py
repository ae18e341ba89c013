"""An answer as a person sees it: the real program in a pty, on the screen of an emulator."""

from __future__ import annotations

import re
import select
import signal
import termios
import threading
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.drawn import ANSWER, visible, whole
from tests.support.emulator import Emulator, trimmed
from tests.support.program import Ocx, Process
from tests.support.raw_server import STALL
from tests.support.sizes import some
from tests.support.waiting import DEADLINE


class Seen:
    """The screen of a program in a pty."""

    def __init__(self, process: Process, columns: int, rows: int) -> None:
        self.process = process
        self.emulator = Emulator(columns, rows)
        self._read = 0

    def until(self, text: str) -> None:
        """Until it stands on the screen; spaces do not count."""
        assert self.process.stdout is not None
        wanted = "".join(text.split())

        def holds(data: bytes) -> bool:
            self._take(data)
            return wanted in "".join("".join(self.emulator.shown()).split())

        self.process.stdout.until_holds(holds, f"{text!r} on the screen")

    def finish(self, status: int) -> list[str]:
        """All lines, when the program has ended so."""
        self._take(self.process.finish().has(status).stdout)
        return trimmed(self.emulator.lines())

    def _take(self, data: bytes) -> None:
        self.emulator.write(data[self._read :])
        self._read = len(data)


class Tokens:
    """A script for the server that sends a token when it is told to."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self._events = [threading.Event() for _ in tokens]

    def send(self, place: int) -> str:
        self._events[place].set()
        return self.tokens[place]

    def script(self, *end: object) -> list:
        steps: list = [answers.STREAM_HEAD]
        for event, token in zip(self._events, self.tokens, strict=True):
            steps += [event, answers.delta(token)]
        return [*steps, *end]


END = answers.finish() + answers.event(answers.DONE) + answers.LAST_PIECE


def begin(ocx: Ocx, columns: int, rows: int, *args: str, **options) -> Seen:
    args = ("chat", "-n", "hi", "--color", "never", *args)
    return Seen(ocx.in_terminal(*args, size=(rows, columns), **options), columns, rows)


@pytest.mark.parametrize(("columns", "rows"), some([(80, 24), (40, 10), (200, 50)], 1))
def test_each_token_is_on_the_screen_before_the_next_is_sent(
    online: Ocx, chat_server: ChatServer, columns: int, rows: int
) -> None:
    tokens = Tokens(re.findall(r"\s*\S+", ANSWER))
    chat_server.answer(tokens.script(END), path=CHAT)
    seen = begin(online, columns, rows)
    for place in range(len(tokens.tokens)):
        seen.until(visible(tokens.send(place)))
    assert seen.finish(0) == whole(ANSWER, columns)


@pytest.mark.parametrize("columns", [40, 120])
def test_a_resize_in_the_middle_leaves_no_debris(
    online: Ocx, chat_server: ChatServer, columns: int
) -> None:
    first = "- one\n- two\n\nA paragraph of words that are long enough for two lines of forty, "
    tokens = Tokens([first + "and then", " more of it, up to the very end."])
    chat_server.answer(tokens.script(END), path=CHAT)
    seen = begin(online, 80, 24)
    tokens.send(0)
    seen.until("and then")
    assert seen.process.terminal is not None
    termios.tcsetwinsize(seen.process.terminal, (24, columns))
    kept = seen.emulator.screen.cursor.y
    seen.emulator.resize(columns, 24)
    tokens.send(1)
    lines = seen.finish(0)
    assert lines[:4] == [" • one", " • two", "", lines[3]]
    assert kept >= 3
    text = " ".join(lines[3:])
    assert (
        text.split()[-12:]
        == "two lines of forty, and then more of it, up to the very end.".split()[-12:]
    )
    assert text.count("end.") == 1
    assert max(map(len, lines[kept:])) <= columns


def test_ctrl_c_leaves_what_was_shown_and_a_fresh_line(
    online: Ocx, chat_server: ChatServer
) -> None:
    tokens = Tokens(["A whole paragraph.\n\nHalf of an *answer"])
    chat_server.answer(tokens.script(STALL), path=CHAT)
    seen = begin(online, 80, 24)
    tokens.send(0)
    seen.until("*answer")
    seen.process.send(b"\x03")
    assert seen.finish(-signal.SIGINT) == ["A whole paragraph.", "", "Half of an *answer"]
    cursor = seen.emulator.screen.cursor
    assert (cursor.x, cursor.y, cursor.hidden) == (0, 3, False)


def test_what_is_typed_meanwhile_does_not_stand_in_the_answer(
    online: Ocx, chat_server: ChatServer
) -> None:
    """And the terminal echoes again afterwards."""
    tokens = Tokens(["one\n\ntwo", " three"])
    chat_server.answer(tokens.script(END), path=CHAT)
    seen = begin(online, 80, 24)
    terminal = seen.process.terminal
    assert terminal is not None
    before = termios.tcgetattr(terminal)[3]
    tokens.send(0)
    seen.until("two")
    seen.process.send("x\r\ry")
    with Path(f"/proc/{seen.process.popen.pid}/fd/2").open("rb", buffering=0) as typed:
        assert select.select([typed], [], [], DEADLINE)[0], "a busy kernel has it later"
    assert not termios.tcgetattr(terminal)[3] & termios.ECHO
    tokens.send(1)
    assert seen.finish(0) == ["one", "", "two three"]
    assert termios.tcgetattr(terminal)[3] == before


@pytest.mark.parametrize(
    ("args", "env", "columns", "expected"),
    [
        (("--no-render",), {}, 80, "A *word*.\r\n\r\n- b\r\n"),
        ((), {}, 19, "A *word*.\r\n\r\n- b\r\n"),
        ((), {"TERM": "dumb"}, 80, "A word.\r\n\r\n • b\r\n"),
    ],
)
def test_where_nothing_can_be_drawn_no_code_is_sent(
    online: Ocx,
    chat_server: ChatServer,
    args: tuple[str, ...],
    env: dict[str, str],
    columns: int,
    expected: str,
) -> None:
    chat_server.answer(answers.stream("A *wo", "rd*.\n", "\n- b"), path=CHAT)
    seen = begin(online, columns, 24, *args, env={"CI": "1", **env})  # no spinner either
    assert seen.process.finish().has(0).text == expected


def test_without_colour_it_is_drawn_all_the_same(online: Ocx, chat_server: ChatServer) -> None:
    tokens = Tokens(["some **bold**", " text"])
    chat_server.answer(tokens.script(END), path=CHAT)
    process = online.in_terminal("chat", "-n", "hi", env={"NO_COLOR": "1"}, size=(24, 80))
    seen = Seen(process, 80, 24)
    tokens.send(0)
    seen.until("some bold")
    tokens.send(1)
    assert seen.finish(0) == ["some bold text"]
    assert not re.search(r"\x1b\[[0-9;]*m", process.finished().text)

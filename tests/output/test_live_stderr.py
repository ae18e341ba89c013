"""What is waited for, on a terminal: when it shows, what it says, and that it leaves no trace.

Reasoning on a terminal: lines end between words, whatever pieces it comes in.
"""

from __future__ import annotations

import io
import logging
import os
import pty
import threading
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.retry import log_retry
from ocx.context import Context
from ocx.errors import RateLimitError
from ocx.output.live_stderr import (
    ReasoningLines,
    Spinner,
    State,
    StatusLine,
    countdown,
    elapsed,
    spinning,
)
from ocx.secret import Secret
from ocx.terminal import FdWriter, RedactingStderr, Terminal
from tests.support.drawn import cut
from tests.support.emulator import Emulator, trimmed
from tests.support.memory import MemoryRaw
from tests.support.waiting import Board, Clock, Collected


def says(text: str) -> State:
    return lambda _: text


def retry(number: int, seconds: float) -> dict[str, Any]:
    return {"number": number, "of": 2, "status": 429, "seconds": seconds}


def test_it_says_nothing_before_300_ms() -> None:
    clock = Clock()
    spinner = Spinner(RedactingStderr(StringIO()), says("connecting"), clock=clock)
    clock.now = 0.299
    assert spinner.frame() == ""
    clock.now = 0.35
    assert spinner.frame() == "\r⠸ connecting\x1b[K"


@pytest.mark.parametrize(
    ("state", "seconds", "text"),
    [
        (elapsed("waiting for deepseek-chat"), 0.9, "waiting for deepseek-chat"),
        (elapsed("waiting for deepseek-chat"), 4.2, "waiting for deepseek-chat, 4 s"),
        (countdown(retry(2, 3.0), says("then")), 0.2, "retry 2 of 2 in 3 s: HTTP 429"),
        (countdown(retry(2, 3.0), says("then")), 2.9, "retry 2 of 2 in 0 s: HTTP 429"),
    ],
)
def test_what_it_says_counts(state, seconds: float, text: str) -> None:
    assert state(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("x" * 30, "x" * 17), ("宽" * 30, "宽" * 8), ("\x1b[2J\na", "\\x1b[2J a")],
)
def test_it_is_one_line_that_fits_and_no_code(text: str, shown: str) -> None:
    clock = Clock()
    spinner = Spinner(RedactingStderr(StringIO()), says(text), columns=20, clock=clock)
    clock.now = 1.0
    assert spinner.frame() == f"\r⠋ {shown}\x1b[K"


def test_on_a_terminal_it_follows_what_is_waited_for_and_leaves_no_trace() -> None:
    ours, theirs = pty.openpty()
    shown = Collected(ours)
    with os.fdopen(theirs, "w", encoding="utf-8", closefd=True) as stream:
        stream.write("before\n")
        stream.flush()
        with Spinner(RedactingStderr(stream), says("connecting")) as spinner:
            shown.until(b"connecting")
            spinner.update(elapsed("waiting for deepseek-chat"))
            shown.until(b"waiting for deepseek-chat")
            spinner.update(countdown(retry(1, 2.0), says("then")))
            shown.until(b"retry 1 of 2 in 2 s: HTTP 429")
            spinner.stop()
        stream.write("after")
    emulator = Emulator(80, 24)
    emulator.write(shown.all())
    assert emulator.shown()[:3] == ["before", "after", ""]
    os.close(ours)
    assert not [thread for thread in threading.enumerate() if thread.name == "ticker"]


def test_an_answer_that_is_quick_shows_none() -> None:
    stream = StringIO()
    with Spinner(RedactingStderr(stream), says("connecting"), clock=Clock()):
        pass
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("stderr_tty", "stdout_tty", "env", "quiet", "expected"),
    [
        (True, True, {"TERM": "xterm"}, False, True),
        (True, False, {"TERM": "xterm"}, False, False),
        (False, True, {"TERM": "xterm"}, False, False),
        (True, True, {"TERM": "dumb"}, False, False),
        (True, True, {}, False, False),
        (True, True, {"TERM": "xterm", "CI": "true"}, False, False),
        (True, True, {"TERM": "xterm"}, True, False),
    ],
)
def test_only_a_person_at_a_terminal_sees_it(
    stderr_tty: bool, stdout_tty: bool, env: dict[str, str], quiet: bool, expected: bool
) -> None:
    streams = (None, FdWriter(MemoryRaw()), RedactingStderr(None))
    terminal = Terminal(*streams, env=env, stdout_tty=stdout_tty, stderr_tty=stderr_tty)
    assert Context(terminal, {"quiet": quiet}).animates is expected


class Log:
    """A stream that tells when something was written."""

    def __init__(self) -> None:
        self.text = ""
        self._board = Board()

    def write(self, text: str) -> None:
        def add() -> None:
            self.text += text

        self._board.note(add)

    def flush(self) -> None: ...

    def until(self, text: str, count: int = 1) -> None:
        self._board.wait_for(lambda: self.text.count(text) >= count, text)

    def screen(self) -> list[str]:
        emulator = Emulator(80, 24)
        emulator.write(self.text.replace("\n", "\r\n").encode())
        return trimmed(emulator.shown())


def test_messages_stand_above_it_also_those_in_two_writes() -> None:
    log = Log()
    stderr = RedactingStderr(log)  # type: ignore[arg-type]
    with Spinner(stderr, says("connecting")):
        log.until("connecting")
        stderr.write("one\n")
        log.until("connecting", log.text.count("connecting") + 1)
        stderr.write("t")
        stderr.write("wo")
        assert log.screen() == ["one", "two"], "it waits for the rest of the line"
        stderr.write("\n")
        log.until("connecting", log.text.count("connecting") + 1)
        assert log.screen()[:2] == ["one", "two"]
    stderr.write("three\n")
    assert log.screen() == ["one", "two", "three"]


def test_messages_stand_above_a_line_that_stays() -> None:
    log = Log()
    stderr = RedactingStderr(log)  # type: ignore[arg-type]
    texts = iter(["10 %", "20 %"])
    with StatusLine(stderr, lambda: next(texts, "100 %"), 80, 0.01, stays=True):
        log.until("10 %")
        stderr.write("a warning\n")
        log.until("100 %")
    stderr.write("done\n")
    assert log.screen() == ["a warning", "100 %", "done"]


def test_a_retry_counts_down_and_then_waits_again() -> None:
    terminal = Terminal(None, FdWriter(MemoryRaw()), RedactingStderr(None))
    error = RateLimitError("too many requests", status=429)
    with spinning(Context(terminal), says("waiting for x")) as spinner:
        seen: list[State] = []
        spinner.update = seen.append  # type: ignore[method-assign,assignment]
        log_retry(logging.getLogger("ocx.api"), 1, 2, 3.0, error)
        error.status = None
        log_retry(logging.getLogger("ocx.api"), 2, 2, 1.0, error)
        logging.getLogger("ocx.api").warning("something else")
    assert [seen[0](seconds) for seconds in (0, 2.2, 3.5)] == [
        "retry 1 of 2 in 3 s: HTTP 429",
        "retry 1 of 2 in 1 s: HTTP 429",
        "waiting for x",
    ]
    assert seen[1](0) == "retry 2 of 2 in 1 s: too many requests"
    assert len(seen) == 2


TEXT = (
    "The user wants a well-known answer.\n\n  - first indented item, which goes on and on\n"
    "  - 先看一下题目（很重要），再回答：不要着急。\n\nSo, supercalifragilisticexpialidocious!"
)


def drawn(text: str, columns: int, places: list[int], *keys: str) -> list[str]:
    stream = io.StringIO()
    stderr = RedactingStderr(stream)
    for key in keys:
        stderr.hide(Secret(key))
    terminal = Terminal(None, FdWriter(io.BytesIO()), stderr, width=columns)
    lines = ReasoningLines(terminal)
    for piece in cut(text, places):
        lines.write(piece)
    lines.finish()
    terminal.stderr.write("answer")
    screen = Emulator(columns, 40)
    screen.write(stream.getvalue().replace("\n", "\r\n").encode())
    return trimmed(screen.lines())


def test_what_has_the_shape_of_a_key_is_masked() -> None:
    assert drawn("a sk-live-0123456789abcdefghij b", 60, [9]) == ["a sk-live-…ghij b", "", "answer"]


def test_words_are_whole_and_indents_stay() -> None:
    assert drawn(TEXT, 30, []) == [
        "The user wants a well-known",
        "answer.",
        "",
        "  - first indented item, which",
        "goes on and on",
        "  - 先看一下题目（很重要），再",
        "回答：不要着急。",
        "",
        "So,",
        "supercalifragilisticexpialidoc",
        "ious!",
        "",
        "answer",
    ]


@given(st.integers(20, 60), st.lists(st.integers(0, len(TEXT)), max_size=40))
def test_any_pieces_give_the_same_lines(columns: int, places: list[int]) -> None:
    assert drawn(TEXT, columns, sorted(places)) == drawn(TEXT, columns, [])


@given(st.integers(20, 60), st.lists(st.integers(0, 60), max_size=9))
def test_no_key_is_shown_in_parts(columns: int, places: list[int]) -> None:
    key = "sk-live-Te5t-Key0-0000-0000-a1b2"
    text = f"the key in here is {key}, I think\n"
    shown = "".join(drawn(text, columns, sorted(places), key))
    assert "Te5t" not in shown
    assert "…a1b2" in shown

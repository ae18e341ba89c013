"""What is waited for, on a terminal: when it shows, what it says, and that it leaves no trace."""

from __future__ import annotations

import os
import pty
import threading
from io import StringIO

import pytest

from ocx.output.spinner import Spinner, countdown, elapsed
from ocx.terminal import Output, RedactingStderr, Terminal
from tests.support.emulator import Emulator
from tests.support.memory import MemoryRaw
from tests.support.waiting import Collected


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_says_nothing_before_300_ms() -> None:
    clock = Clock()
    spinner = Spinner(RedactingStderr(StringIO()), "connecting", clock=clock)
    clock.now = 0.299
    assert spinner.frame() == ""
    clock.now = 0.35
    assert spinner.frame() == "\r⠸ connecting\x1b[K"


@pytest.mark.parametrize(
    ("state", "seconds", "text"),
    [
        (elapsed("waiting for deepseek-chat"), 0.9, "waiting for deepseek-chat"),
        (elapsed("waiting for deepseek-chat"), 4.2, "waiting for deepseek-chat, 4 s"),
        (countdown("retry 2 of 2", 3.0, "HTTP 429"), 0.2, "retry 2 of 2 in 3 s: HTTP 429"),
        (countdown("retry 2 of 2", 3.0, "HTTP 429"), 9, "retry 2 of 2 in 0 s: HTTP 429"),
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
    spinner = Spinner(RedactingStderr(StringIO()), text, columns=20, clock=clock)
    clock.now = 1.0
    assert spinner.frame() == f"\r⠋ {shown}\x1b[K"


def test_on_a_terminal_it_follows_what_is_waited_for_and_leaves_no_trace() -> None:
    ours, theirs = pty.openpty()
    shown = Collected(ours)
    with os.fdopen(theirs, "w", encoding="utf-8", closefd=True) as stream:
        stream.write("before\n")
        stream.flush()
        with Spinner(RedactingStderr(stream), "connecting") as spinner:
            shown.until(b"connecting")
            spinner.update(elapsed("waiting for deepseek-chat"))
            shown.until(b"waiting for deepseek-chat")
            spinner.update(countdown("retry 1 of 2", 2, "HTTP 429"))
            shown.until(b"retry 1 of 2 in 2 s: HTTP 429")
            spinner.stop()
        stream.write("after")
    emulator = Emulator(80, 24)
    emulator.write(shown.all())
    assert emulator.shown()[:3] == ["before", "after", ""]
    os.close(ours)
    assert not [thread for thread in threading.enumerate() if thread.name == "spinner"]


def test_an_answer_that_is_quick_shows_none() -> None:
    stream = StringIO()
    with Spinner(RedactingStderr(stream), "connecting", clock=Clock()):
        pass
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("tty", "env", "expected"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm", "CI": "true"}, False),
    ],
)
def test_only_a_person_at_a_terminal_sees_it(
    tty: bool, env: dict[str, str], expected: bool
) -> None:
    terminal = Terminal(None, Output(MemoryRaw()), RedactingStderr(None), env=env, stderr_tty=tty)
    assert terminal.can_animate() is expected

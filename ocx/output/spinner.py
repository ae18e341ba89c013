"""What a command waits for, on a terminal's stderr until there is something to show."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TextIO
from unicodedata import east_asian_width

from ocx.escaping import one_line

DELAY = 0.3
"""Seconds without an answer until it shows: what is quicker than that needs no words."""
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME = 0.1
_ERASE = "\r\x1b[K"

State = Callable[[float], str]
"""What is waited for, given the seconds since it began."""


def elapsed(text: str) -> State:
    """`waiting for deepseek-chat, 4 s`; the seconds show from the first whole one on."""
    return lambda seconds: f"{text}, {int(seconds)} s" if seconds >= 1 else text


def countdown(text: str, seconds: float, reason: str) -> State:
    """`retry 2 of 2 in 3 s: HTTP 429`, down to 0."""
    return lambda gone: f"{text} in {max(round(seconds - gone), 0)} s: {reason}"


class Spinner:
    """A line that turns, from the first 300 ms to `stop`, which leaves no trace of it.

    A thread of its own draws. Only for a terminal: who makes one has asked
    `Terminal.can_animate`.

    Args:
        stream: stderr.
        columns: of the terminal; a longer text is cut.
    """

    def __init__(
        self,
        stream: TextIO,
        text: str | State = "connecting",
        *,
        columns: int = 80,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._clock = clock
        self._start = self._since = clock()
        self._state = _state(text)
        self._drawn = False
        # Its `put` is one step that no signal breaks into; None is the end.
        self._states: SimpleQueue[State | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Spinner:
        self._thread = threading.Thread(target=self._run, name="spinner", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def update(self, text: str | State) -> None:
        """Something else is waited for from now on."""
        self._states.put(_state(text))

    def stop(self) -> None:
        """Erase it; when this returns, stderr is free. Does nothing the second time."""
        if self._thread:
            self._states.put(None)
            self._thread.join()
            self._thread = None

    def frame(self) -> str:
        """What is to be written now; empty before the first 300 ms are over."""
        now = self._clock()
        if now - self._start < DELAY:
            return ""
        sign = _FRAMES[int((now - self._start) / _FRAME) % len(_FRAMES)]
        text = f"{sign} {one_line(self._state(now - self._since))}"
        # One column stays free: a full line would wrap, and leave a trace.
        return f"\r{_cut(text, self._columns - 1)}\x1b[K"

    def _run(self) -> None:
        wait = DELAY
        while self._follow(wait):
            wait = _FRAME
            if frame := self.frame():
                self._stream.write(frame)
                self._stream.flush()
                self._drawn = True
        if self._drawn:
            self._stream.write(_ERASE)
            self._stream.flush()

    def _follow(self, wait: float) -> bool:
        """Take over what is waited for until a frame is due; False at the end."""
        try:
            state = self._states.get(timeout=wait)
        except Empty:
            return True
        if state is None:
            return False
        self._state, self._since = state, self._clock()
        return True


def _state(text: str | State) -> State:
    return text if callable(text) else lambda _: text


def _cut(text: str, columns: int) -> str:
    used = 0
    for place, character in enumerate(text):
        used += 2 if east_asian_width(character) in "WF" else 1
        if used > columns:
            return text[:place]
    return text

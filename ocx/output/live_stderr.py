"""What moves on a terminal's stderr until the answer is there: a spinner, or the reasoning."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from ocx.context import Context
from ocx.process import suspending
from ocx.secret import StreamMask
from ocx.terminal import RedactingStderr, Terminal
from ocx.text import escape_control, one_line
from ocx.typography import cut
from ocx.wrapping import Wrapper

if TYPE_CHECKING:
    from ocx.api import Client

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


def countdown(retry: Mapping[str, Any], after: State) -> State:
    """`retry 2 of 2 in 3 s: HTTP 429`, down to 0; then `after`.

    Args:
        retry: as `ocx.api` logs it.
    """
    text = f"retry {retry['number']} of {retry['of']}"
    reason = f"HTTP {retry['status']}" if retry["status"] else str(retry["message"])
    wait = float(retry["seconds"])
    return lambda gone: (
        after(gone - wait) if gone >= wait else f"{text} in {round(wait - gone)} s: {reason}"
    )


def answer_of(client: Client, what: str) -> State:
    """`connecting`, then `waiting for WHAT, 4 s`."""
    waiting = elapsed(f"waiting for {what}")
    return lambda seconds: "connecting" if client.connecting else waiting(seconds)


class Ticker:
    """Calls `draw` every so many seconds in a thread of its own, and at the end `draw_last`.

    So Ctrl-C, which Python gives to the main thread, never breaks into a frame. `pause` is called
    before Ctrl-Z stops the process, and `resume` when it goes on; nothing is drawn in between.

    Attributes:
        failure: what ended the drawing.
    """

    def __init__(self, seconds: float) -> None:
        self.failure: Exception | None = None
        self._seconds = seconds
        # Ctrl-Z may come while the main thread has it.
        self._lock = threading.RLock()
        self._watched = ExitStack()
        # Its `put` is one step that no signal breaks into; None is the end.
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def draw(self) -> None: ...

    def draw_last(self) -> None:
        self.draw()

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        self._watched.enter_context(suspending(self._hold, self._go_on))
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """When this returns, all is drawn. Does nothing the second time."""
        if self._thread:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
            self._watched.close()

    def _run(self) -> None:
        try:
            while not self._is_over():
                with self._lock:
                    self.draw()
            with self._lock:
                self.draw_last()
        except Exception as error:  # for the thread that stops it
            self.failure = error

    def _is_over(self) -> bool:
        try:
            self._queue.get(timeout=self._seconds)
        except Empty:
            return False
        return True

    def _hold(self) -> None:
        self._lock.acquire()
        self.pause()

    def _go_on(self) -> None:
        self.resume()
        self._lock.release()


class StatusLine(Ticker):
    """A line at the end of a terminal's stderr, drawn over and over; messages stand above it.

    Args:
        text: says what is to be shown now; nothing if it is empty.
        columns: of the terminal; a longer text is cut.
        seconds: from one drawing to the next.
        stays: whether it is left there at the end, as it is then.
    """

    def __init__(
        self,
        stderr: RedactingStderr,
        text: Callable[[], str],
        columns: int,
        seconds: float,
        *,
        stays: bool = False,
    ) -> None:
        super().__init__(seconds)
        self._stderr = stderr
        self._text = text
        self._columns = columns
        self._stays = stays
        self._drawn = False
        self._mid_line = False  # a message has begun that is not yet a whole line

    def start(self) -> None:
        self._stderr.status = self
        super().start()

    def stop(self) -> None:
        """When this returns, stderr is free. Does nothing the second time."""
        if self.running:
            super().stop()
            self._stderr.status = None

    @contextmanager
    def above(self, text: str) -> Iterator[None]:
        """Inside, it is erased; it comes back below a whole line."""
        with self._lock:
            self.pause()
            yield
            self._mid_line = not text.endswith("\n")

    def frame(self) -> str:
        """What is to be written now."""
        # One column stays free: a full line would wrap, and leave a trace.
        text = cut(one_line(self._text()), self._columns - 1)
        return f"\r{text}\x1b[K" if text else ""

    def draw(self) -> None:
        if not self._mid_line and (frame := self.frame()):
            self._stderr.draw(frame)
            self._drawn = True

    def draw_last(self) -> None:
        if not self._stays:
            self.pause()
            return
        self.draw()
        if self._drawn:
            self._stderr.draw("\n")

    def pause(self) -> None:
        """Erase it."""
        if self._drawn:
            self._stderr.draw(_ERASE)
            self._drawn = False


class Spinner(StatusLine):
    """What is waited for, from the first 300 ms to `stop`, which leaves no trace of it.

    Only for a terminal: who makes one has asked `Context.animates`.
    """

    def __init__(
        self,
        stderr: RedactingStderr,
        state: State,
        *,
        columns: int = 80,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stderr, self._turning, columns, _FRAME)
        self._clock = clock
        self._start = clock()
        self.update(state)

    def update(self, state: State) -> None:
        """Something else is waited for from now on."""
        self._waiting = state, self._clock()

    def _turning(self) -> str:
        now = self._clock()
        if now - self._start < DELAY:
            return ""
        sign = _FRAMES[int((now - self._start) / _FRAME) % len(_FRAMES)]
        state, since = self._waiting
        return f"{sign} {state(now - since)}"


@contextmanager
def spinning(ctx: Context, state: State) -> Iterator[Spinner]:
    """Show what is waited for while the block runs, its retries too. Only if `ctx.animates`."""
    spinner = Spinner(ctx.terminal.stderr, state, columns=ctx.terminal.width)

    def look(record: logging.LogRecord) -> bool:
        """Count down to a retry, then show again what is waited for; every record is kept."""
        if (retry := getattr(record, "retry", None)) is not None:
            spinner.update(countdown(retry, state))
        return True

    log = logging.getLogger("ocx.api")
    log.addFilter(look)
    try:
        with spinner:
            yield spinner
    finally:
        log.removeFilter(look)


_INDENT = "\u00a0"  # the wrapper drops the spaces at the beginning of a line


class ReasoningLines:
    """As `writers.ReasoningWriter`; only the row that is being written is written again."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._begin()

    def _begin(self) -> None:
        # Masked before it is cut into lines: a key may be parted at its dashes.
        self._mask = StreamMask((), shaped=True)
        self._wrapper: Wrapper[None] = Wrapper(self._terminal.width)
        self._indented = True
        self._above = 0
        """Rows on the screen that the wrapper still holds, without the last."""
        self._row = ""
        self._any = False

    def write(self, text: str) -> None:
        if text:
            self._any = True
            self._mask.keys = self._terminal.stderr.keys
            self._show(self._mask.feed(text))

    def finish(self) -> None:
        """The answer begins, or there is none."""
        if self._any:
            self._show(self._mask.end())
            self._terminal.stderr.write("\n\n" if self._row else "\n")
            self._begin()

    def _show(self, text: str) -> None:
        for number, part in enumerate(escape_control(text).split("\n")):
            if number:
                self._wrapper.break_line()
                self._indented = True
            words = part.lstrip(" ") if self._indented else part
            self._wrapper.feed(_INDENT * (len(part) - len(words)) + words, None)
            self._indented = self._indented and not words
        done = self._wrapper.take()
        tail = self._wrapper.copy().finish() or [[]]
        lines = [*done, *tail][self._above :]
        self._above = len(tail) - 1
        rows = ["".join(text for text, _ in line).replace(_INDENT, " ") for line in lines]
        shown = rows[0][len(self._row) :] if rows[0].startswith(self._row) else f"\r{rows[0]}\x1b[K"
        self._row = rows[-1]
        self._terminal.stderr.write("\n".join([shown, *rows[1:]]))

"""Markdown on a terminal, every piece on the screen as soon as it is here."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol

from ocx.errors import OcxError, OutputClosed
from ocx.output.answer_writers import Sink, TerminalWriter, Writer
from ocx.output.live_document import Document
from ocx.output.live_echo import Echo
from ocx.output.live_screen import Screen
from ocx.output.live_style import Painter
from ocx.output.markdown import MarkdownWriter
from ocx.signals import Suspension
from ocx.terminal import Terminal

FRAME = 0.05
"""Seconds from one frame to the next."""
NARROWEST = 20
"""Columns below which there is no room for anything but the text itself."""
Size = Callable[[], tuple[int, int]]
"""Gives columns and rows of the screen."""


class Pieces(Protocol):
    """A queue of texts, None at the end; `get` raises `queue.Empty` after `timeout` seconds."""

    def get(self, block: bool = True, timeout: float | None = None) -> str | None: ...


class Pace:
    """Says how long to wait until the next frame, so that there are at most 20 a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock()

    def wait(self) -> float:
        """Seconds until a frame may be drawn; 0 now."""
        return max(self._next - self._clock(), 0.0)

    def drawn(self) -> None:
        """A frame has just been drawn."""
        self._next = self._clock() + FRAME


class LiveView:
    """The answer so far on one screen."""

    def __init__(self, sink: Sink, size: Size, *, color: bool) -> None:
        self._sink = sink
        self._size = size
        self._columns, self._rows = size()
        self._document = Document(self._columns, Painter(color=color))
        self._screen = Screen()
        # Ctrl-Z comes in the main thread, and a frame is drawn in another.
        self._lock = threading.RLock()

    def feed(self, text: str) -> None:
        """The next piece; shown with the next frame."""
        with self._lock:
            self._follow_size()
            self._document.feed(text)

    def draw(self) -> None:
        """Show all that is here.

        Raises:
            OutputClosed: the terminal is gone.
            OcxError: it cannot be written to.
        """
        with self._lock:
            self._follow_size()
            tail = self._document.tail(self._rows)
            self._write(self._screen.frame(self._document.finished(), tail, self._rows))

    def end(self) -> None:
        """No more text: what is shown stays, and the cursor stands below it. Raises as `draw`."""
        with self._lock:
            self._follow_size()
            self._document.end()
            self._write(self._screen.end(self._document.finished()))

    def pause(self) -> None:
        """Leave the terminal to another program until `resume`; what is shown stays."""
        self._lock.acquire()
        with contextlib.suppress(OcxError, OutputClosed):  # the next frame meets it again
            self._write(self._screen.leave())

    def resume(self) -> None:
        """Draw what is not finished once more, below what the other program left."""
        with contextlib.suppress(OcxError, OutputClosed):
            self.draw()
        self._lock.release()

    def _follow_size(self) -> None:
        columns, self._rows = self._size()
        if columns != self._columns:
            self._columns = columns
            self._document.resize(columns)
            self._screen.resized()

    def _write(self, text: str) -> None:
        if text:
            self._sink.write(text.encode("utf-8", "replace"))


def pump(view: LiveView, pace: Pace, pieces: Pieces) -> None:
    """Show the pieces as they come, up to the None that ends them. Raises as `LiveView.draw`."""
    while True:
        piece = pieces.get()
        while piece is not None:
            view.feed(piece)
            wait = pace.wait()
            if not wait:
                break
            try:
                piece = pieces.get(timeout=wait)
            except Empty:
                break
        else:
            view.end()
            return
        view.draw()
        pace.drawn()


class LiveMarkdown:
    """The writer of an answer that is rendered as it comes.

    A thread of its own draws: also what came just after a frame is then shown in time, and Ctrl-C,
    which Python gives to the main thread, never breaks into a frame.
    """

    def __init__(self, view: LiveView, echo: Echo | None = None) -> None:
        self._view = view
        self._echo = echo
        self._suspension = Suspension(self._pause, self._resume)
        # Its `put` is one step that no signal breaks into; None is the end.
        self._pieces: SimpleQueue[str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failed: Exception | None = None

    def write(self, text: str) -> None:
        """Show `text`, at the latest with the next frame.

        Raises:
            OutputClosed: the terminal is gone.
            OcxError: it cannot be written to.
        """
        if self._failed:
            raise self._failed
        if text:
            self._pieces.put(text)
            if not self._thread:
                if self._echo:
                    self._echo.off()
                self._suspension.watch()
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()

    def finish(self, *, complete: bool) -> None:  # noqa: ARG002 - the same either way here
        """Leave what was shown, the cursor below it. Raises as `write`."""
        if self._thread:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None
            self._suspension.release()
            if self._echo:
                self._echo.restore()
        if self._failed:
            raise self._failed

    def _pause(self) -> None:
        self._view.pause()
        if self._echo:
            self._echo.restore()

    def _resume(self) -> None:
        if self._echo:
            self._echo.off()
        self._view.resume()

    def _run(self) -> None:
        try:
            pump(self._view, Pace(), self._pieces)
        except Exception as error:  # handed to the thread that writes and finishes
            self._failed = error


def markdown_writer(sink: Sink, terminal: Terminal, *, color: bool, to_person: bool) -> Writer:
    """Draws on a screen that can be drawn on; else writes line by line, or as the text came.

    Args:
        to_person: whether `sink` is the terminal.
    """
    if not to_person:
        return MarkdownWriter(sink, terminal, color=color)
    if terminal.width < NARROWEST:
        return TerminalWriter(sink)
    if terminal.env.get("TERM", "dumb") == "dumb":
        return MarkdownWriter(sink, terminal, color=color)
    fd = terminal.stdout.fileno()
    view = LiveView(sink, terminal_size(fd, terminal.width), color=color)
    return LiveMarkdown(view, Echo(fd))


def terminal_size(fd: int, columns: int) -> Size:
    """The size of the terminal on `fd`.

    Args:
        columns: as the user set them; they hold until the terminal is resized.
    """
    first = _size(fd)

    def size() -> tuple[int, int]:
        now = _size(fd)
        if now is None:
            return columns, 24
        return (columns if now == first else now[0]), now[1]

    return size


def _size(fd: int) -> tuple[int, int] | None:
    try:
        columns, rows = os.get_terminal_size(fd)
    except (OSError, ValueError):
        return None
    return (columns, rows) if columns and rows else None

"""Markdown on a terminal, every piece on the screen as soon as it is here.

Finished lines stand above; the tail below them is drawn over and over.
"""

from __future__ import annotations

import contextlib
import os
import termios
import time
from collections.abc import Callable, Sequence
from itertools import takewhile
from queue import Empty
from typing import Any

from ocx.errors import OcxError, OutputClosed
from ocx.output.live_stderr import Ticker
from ocx.output.markdown.document import Document
from ocx.output.markdown.layout import AnsiRenderer
from ocx.output.writers import Sink

FRAME = 0.05
"""Seconds from one frame to the next."""
Size = Callable[[], tuple[int, int]]
"""Gives columns and rows of the screen."""


class LiveMarkdown(Ticker):
    """The writer of an answer that is rendered as it comes, with at most 20 frames a second.

    Args:
        fd: of the terminal, on which nothing that is typed shows meanwhile; -1 if it is none.
    """

    def __init__(self, sink: Sink, size: Size, *, color: bool, fd: int = -1) -> None:
        super().__init__(FRAME)
        self._sink = sink
        self._size = size
        self._columns, self._rows = size()
        self._document = Document(self._columns, AnsiRenderer(color=color))
        self._screen = Screen()
        self._echo = HiddenEcho(fd)
        self._next = 0.0
        """When a frame may be drawn again: the first one, and one after a pause, at once."""

    def write(self, text: str) -> None:
        """Show `text` with the next frame.

        Raises:
            OutputClosed: the terminal is gone.
            OcxError: it cannot be written to.
        """
        if self.failure:
            raise self.failure
        if text:
            self._queue.put(text)
            if not self.running:
                self._echo.hide()
                self.start()

    def finish(self, *, complete: bool) -> None:  # noqa: ARG002 - the same either way here
        """Leave what was shown, the cursor below it. Raises as `write`."""
        self.stop()
        self._echo.restore()
        if self.failure:
            raise self.failure

    def _is_over(self) -> bool:
        """Wait for a piece, then for the time of the next frame, and take what comes till then."""
        piece = self._queue.get()
        while piece is not None:
            with self._lock:
                self.feed(piece)
            wait = self._next - time.monotonic()
            if wait <= 0:
                return False
            try:
                piece = self._queue.get(timeout=wait)
            except Empty:
                return False
        return True

    def feed(self, text: str) -> None:
        """The next piece; shown with the next frame."""
        self._follow_size()
        self._document.feed(text)

    def draw(self) -> None:
        """Show all that is here. Raises as `write`."""
        self._follow_size()
        tail = self._document.tail(self._rows)
        self._show(self._screen.frame(self._document.finished(), tail, self._rows))
        self._next = time.monotonic() + FRAME

    def draw_last(self) -> None:
        """No more text: what is shown stays, and the cursor stands below it."""
        self._follow_size()
        self._document.end()
        self._show(self._screen.end(self._document.finished()))

    def pause(self) -> None:
        """Leave the terminal to another program; what is shown stays."""
        with contextlib.suppress(OcxError, OutputClosed):  # the next frame meets it again
            self._show(self._screen.leave())
        self._echo.restore()

    def resume(self) -> None:
        """Draw what is not finished once more, below what the other program left."""
        self._echo.hide()
        with contextlib.suppress(OcxError, OutputClosed):
            self.draw()

    def _follow_size(self) -> None:
        columns, self._rows = self._size()
        if columns != self._columns:
            self._columns = columns
            self._document.resize(columns)
            self._screen.resized()

    def _show(self, text: str) -> None:
        if text:
            self._sink.write(text.encode("utf-8", "replace"))


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


_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""Around a frame, which a terminal that knows them shows at once; the others ignore them."""
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_ERASE = "\x1b[J"
_UNKNOWN = "\n"  # never equal to a real line, so everything is redrawn


class Screen:
    """Makes the bytes of each frame.

    Between two frames the cursor stands, hidden, at the beginning of the tail, not at its end: a
    terminal that is resized may break the lines of the tail anew, but keeps the cursor at its
    text. So everything from the cursor on is ours to erase, whatever the size has become.
    """

    def __init__(self) -> None:
        self._tail: list[str] = []
        self._hidden = False

    def frame(self, finished: Sequence[str], tail: Sequence[str], rows: int) -> str:
        """Print the finished lines for good and the end of the tail below them.

        Args:
            rows: of the screen; the tail is never as tall.
        """
        tail = list(tail[-max(rows - 1, 1) :])
        if not finished and tail == self._tail:
            return ""
        # What becomes final is written anew: something typed may stand in it.
        same = 0 if finished else _common(self._tail, tail)
        lines = [*finished, *tail[same:]]
        final = len(finished)
        move, row = self._below(same)
        out = [_BEGIN, "" if self._hidden else _HIDE, "\r", move]
        out += [f"{line}\r\n" for line in lines[:final]]
        row += final
        if lines[final:]:
            # A line that the terminal thinks wider than we do must not make the tail taller.
            out += [_NO_WRAP, "\r\n".join(lines[final:]), _WRAP]
            row += len(lines) - final - 1
        out += ["\r", _move("A", row - len(finished)), _END]
        self._tail, self._hidden = tail, True
        return "".join(out)

    def _below(self, same: int) -> tuple[str, int]:
        """From the beginning of the tail to below its lines that stay; nothing else of it does.

        Returns: how to get there, and the row, counted from the beginning of the tail.
        """
        if same < len(self._tail):
            return _move("B", same) + _ERASE, same
        # The next line may not be there yet: only a newline scrolls.
        return _move("B", same - 1) + ("\r\n" if same else ""), same

    def resized(self) -> None:
        """The lines of the tail may stand anywhere now."""
        self._tail = [_UNKNOWN] if self._tail else []

    def leave(self) -> str:
        """The tail stays as it is, and the cursor comes to stand below it; then it begins anew."""
        if not self._hidden:
            return ""
        below = f"{_move('B', len(self._tail) - 1)}\r\n" if self._tail else ""
        self._tail, self._hidden = [], False
        return f"\r{below}{_SHOW}"

    def end(self, finished: Sequence[str]) -> str:
        """Print what is left; the cursor comes to stand below it. Nothing of the tail stays."""
        if not self._hidden and not finished:
            return ""
        text = "".join(f"{line}\r\n" for line in finished)
        erase, self._tail = f"\r{_ERASE}" if self._tail else "", []
        return f"{_BEGIN}{erase}{text}{_SHOW}{_END}"


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines at the beginning are the same."""
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(old, new, strict=False)))


def _move(direction: str, lines: int) -> str:
    return f"\x1b[{lines}{direction}" if lines > 0 else ""


_LOCAL_FLAGS = 3


class HiddenEcho:
    """A terminal that does not show what is typed, which is read later all the same.

    Without effect if `fd` is no terminal, or belongs to another program than ours: it would stop
    who changes it from the background.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: list[Any] | None = None

    def hide(self) -> None:
        with contextlib.suppress(OSError, termios.error):
            if os.tcgetpgrp(self._fd) == os.getpgrp():
                before = termios.tcgetattr(self._fd)
                after = before[:]
                after[_LOCAL_FLAGS] &= ~(termios.ECHO | termios.ECHONL)
                self._before = before
                termios.tcsetattr(self._fd, termios.TCSANOW, after)

    def restore(self) -> None:
        """As it was before."""
        if self._before is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
            self._before = None

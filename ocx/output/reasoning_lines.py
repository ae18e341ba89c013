"""Reasoning on a terminal's stderr: as it comes, in lines that end between words."""

from __future__ import annotations

from ocx.secret import StreamMask
from ocx.terminal import Terminal
from ocx.text import escape_control
from ocx.wrapping import Wrapper

_INDENT = "\u00a0"  # the wrapper drops the spaces at the beginning of a line


class ReasoningLines:
    """As `answer_writers.ReasoningWriter`; only the row that is being written is written again."""

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

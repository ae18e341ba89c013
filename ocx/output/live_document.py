"""An answer in Markdown as it comes: its finished lines, and what its last lines look like now."""

from __future__ import annotations

import re

from ocx.output.live_blocks import Blocks
from ocx.output.live_page import Page
from ocx.output.live_style import Painter
from ocx.text import escape_control

_LONG = 72
_TAB = 4
_SHOWN = 2000
"""Characters that are shown of a heading or a row of a table before its end."""
# Indentation and the markers of quotes and lists.
_BEFORE_TEXT = re.compile(r"(?:[ \t>]|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))*")


class Document:
    """Feed text, take lines. The lines are the same however the text was cut.

    Args:
        width: columns of the screen.
    """

    def __init__(self, width: int, painter: Painter) -> None:
        self._page = Page(width, painter)
        self._blocks = Blocks(self._page)
        self._line = ""
        """What has come of the line that is not whole yet, without what its block has."""
        self._begun = False
        """Whether its block has the beginning of it."""
        self._try_at = _LONG
        """How long it must be to be looked at again."""

    def feed(self, text: str) -> None:
        """The next piece of the answer, as it came."""
        first, *lines = escape_control(text).split("\n")
        self._line += first
        for line in lines:
            self._end_line()
            self._line = line
        if self._begun or len(self._line) > self._try_at:
            self._extend()

    def finished(self) -> list[str]:
        """The lines that have become final since the last call."""
        return self._page.take()

    def tail(self, wanted: int | None = None) -> list[str]:
        """The lines that may change yet, at least the last `wanted` of them."""
        page = self._page.copy(wanted)
        blocks = self._blocks.copy(page)
        if self._begun:
            blocks.extend(self._expanded())
        elif self._line:
            blocks.line(_shortened(self._expanded()))
        blocks.end()
        return page.take()

    def end(self) -> None:
        """No more text comes: all lines are final."""
        if self._line or self._begun:
            self._end_line()
        self._blocks.end()

    def resize(self, width: int) -> None:
        """What is not final yet goes on in another width."""
        self._page.width = width
        self._blocks.resize()

    def _end_line(self) -> None:
        if self._begun:
            self._blocks.extend(self._expanded())
            self._blocks.end_line()
        else:
            self._blocks.line(self._expanded())
        self._line, self._begun, self._try_at = "", False, _LONG

    def _extend(self) -> None:
        """Prose goes to its paragraph before its line is whole: a paragraph is often one line.

        So does a long line of code to its block.
        """
        line = self._expanded()
        if self._begun:
            self._blocks.extend(line)
        elif self._blocks.takes_parts(line):
            self._blocks.line(line, whole=False)
        else:
            self._try_at = 2 * len(self._line)
            return
        self._line, self._begun = "", True

    def _expanded(self) -> str:
        """The line with spaces for the tabs before its text, as wide as they are there."""
        if self._begun or "\t" not in self._line:
            return self._line
        text = _BEFORE_TEXT.sub("", self._line, count=1)
        return self._line.removesuffix(text).expandtabs(_TAB) + text


def _shortened(line: str) -> str:
    """How a line that is not whole begins, and its end: each frame lays it out anew."""
    return line if len(line) <= _SHOWN + _LONG else f"{line[:_LONG]} … {line[-_SHOWN:]}"

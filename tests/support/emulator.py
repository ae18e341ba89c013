"""A terminal in memory: what a person sees of the bytes that a program writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyte
from wcwidth import wcswidth


class _Screen(pyte.Screen):
    """Keeps what scrolls off its top: `pyte.HistoryScreen` pages too, and takes twice as long."""

    def reset(self) -> None:
        super().reset()
        self.above: list[str] = []
        self._shown: dict[int, str] = {}

    def index(self) -> None:
        if self.cursor.y == self.lines - 1:
            self.above.append(_text(self.buffer[0]))
        super().index()

    def shown(self) -> list[str]:
        for row in self.dirty:
            self._shown[row] = _text(self.buffer[row])
        self.dirty.clear()
        return [self._shown[row] for row in range(self.lines)]


class Emulator:
    """A screen with what has scrolled off its top."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = _Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)

    def write(self, data: bytes) -> int:
        """As the sink of a writer."""
        self._stream.feed(data)
        return len(data)

    def resize(self, columns: int, rows: int, *, reflow: bool = False) -> None:
        """Another size, as xterm does it: lines stay as they are and are cut at the right.

        Args:
            reflow: as most terminals do it: longer lines are broken anew, and the cursor stays at
                its text.
        """
        if not reflow:
            self.screen.resize(rows, columns)
            return
        row = self.screen.cursor.y
        above = _broken([*self.scrolled(), *self.shown()[:row]], columns)
        below = _broken(trimmed(self.shown()[row:]), columns)
        hidden = self.screen.cursor.hidden
        self.__init__(columns, rows)  # type: ignore[misc]
        self.write("".join(f"{line}\r\n" for line in above).encode())
        self.write("\r\n".join(below).encode())
        up = f"\x1b[{len(below) - 1}A" if len(below) > 1 else ""
        hide = "\x1b[?25l" if hidden else ""
        self.write(f"{up}\r{hide}".encode())

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self.screen.columns, self.screen.lines

    def scrolled(self) -> list[str]:
        """The lines above the screen."""
        return list(self.screen.above)

    def shown(self) -> list[str]:
        """The lines of the screen."""
        return self.screen.shown()

    def lines(self) -> list[str]:
        """All lines, the empty ones at the end of the screen too."""
        return [*self.scrolled(), *self.shown()]


def trimmed(lines: list[str]) -> list[str]:
    """Without the empty lines at the end."""
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def _text(line: Mapping[int, Any]) -> str:
    """The second cell of a wide character holds nothing."""
    return "".join(line[x].data for x in range(max(line, default=-1) + 1)).rstrip()


def _broken(lines: list[str], columns: int) -> list[str]:
    rows = []
    for line in lines:
        rows.append("")
        for character in line:
            if wcswidth(rows[-1] + character) > columns:
                rows.append("")
            rows[-1] += character
    return rows

"""A terminal in memory: what a person sees of the bytes that a program writes."""

from __future__ import annotations

import pyte


class Emulator:
    """A screen with what has scrolled off its top."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=1_000_000, ratio=0.5)
        self._stream = pyte.ByteStream(self.screen)

    def write(self, data: bytes) -> int:
        """As the sink of a writer."""
        self._stream.feed(data)
        return len(data)

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self.screen.columns, self.screen.lines

    def scrolled(self) -> list[str]:
        """The lines above the screen."""
        return [
            "".join(line[x].data for x in range(max(line, default=-1) + 1)).rstrip()
            for line in self.screen.history.top
        ]

    def shown(self) -> list[str]:
        """The lines of the screen."""
        return [line.rstrip() for line in self.screen.display]

    def lines(self) -> list[str]:
        """All lines, the empty ones at the end of the screen too."""
        return [*self.scrolled(), *self.shown()]

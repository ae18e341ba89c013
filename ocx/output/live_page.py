"""Lines inside their containers: the bar of a quote, the bullet and the indentation of a list."""

from __future__ import annotations

from dataclasses import dataclass

from rich.style import Style

from ocx.output.live_style import PLAIN, Painter, Run, style_of
from ocx.typography import cells

_LEAST = 10
"""Columns that deep nesting leaves to the text."""


@dataclass
class Frame:
    """What stands before each line of a container."""

    first: Run = ("", PLAIN)
    """Before the first line, the marker of an item."""
    rest: Run = ("", PLAIN)
    style: Style = PLAIN
    filled: bool = False

    @property
    def width(self) -> int:
        return cells(self.rest[0])


def quote_frame() -> Frame:
    bar = ("▌ ", style_of("block_quote"))
    return Frame(bar, bar, style_of("block_quote"))


def item_frame(number: int | None) -> Frame:
    """Of an item of a list: bulleted, or numbered."""
    if number is None:
        return Frame((" • ", style_of("item.bullet")), ("   ", PLAIN))
    text = f" {number} "
    return Frame((text, style_of("item.number")), (" " * len(text), PLAIN))


class Page:
    """Collects finished lines."""

    def __init__(self, width: int, painter: Painter, wanted: int | None = None) -> None:
        self.width = width
        self.wanted = wanted
        """How many of the last lines are looked at; None for all."""
        self._painter = painter
        self._frames: list[Frame] = []
        self._lines: list[str] = []
        self._begun = False

    def copy(self, wanted: int | None) -> Page:
        """The same place with nothing on it."""
        twin = Page(self.width, self._painter, wanted)
        twin._frames = [Frame(f.first, f.rest, f.style, f.filled) for f in self._frames]
        twin._begun = self._begun
        return twin

    @property
    def room(self) -> int:
        """Columns for text."""
        return max(self.width - sum(frame.width for frame in self._visible()), 1)

    def take(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

    def enter(self, frame: Frame) -> None:
        self._frames.append(frame)

    def leave(self) -> None:
        self.fill()
        self._frames.pop()

    def fill(self) -> None:
        """An item of a list without text has at least its marker."""
        if self._frames and not self._frames[-1].filled:
            self.write_line([])

    def gap(self, *, wanted: bool) -> None:
        """An empty line before a block, unless it is the first of its container."""
        begun = self._frames[-1].filled if self._frames else self._begun
        if begun and wanted:
            self.write_line([])

    def write_lines(self, lines: list[list[Run]]) -> None:
        for line in lines:
            self.write_line(line)

    def write_line(self, line: list[Run]) -> None:
        style = PLAIN
        runs: list[Run] = []
        for frame in self._visible():
            runs.append(frame.rest if frame.filled else frame.first)
            style += frame.style
        for frame in self._frames:
            frame.filled = True
        self._begun = True
        runs += [(text, style + its) for text, its in line] if style else line
        self._lines.append(self._painter.paint(_trimmed(runs)))

    def _visible(self) -> list[Frame]:
        """The outer ones, as long as they leave room for text."""
        room = self.width - _LEAST
        shown = []
        for frame in self._frames:
            room -= frame.width
            if room < 0:
                break
            shown.append(frame)
        return shown


def _trimmed(runs: list[Run]) -> list[Run]:
    """Without spaces at the end."""
    runs = runs[:]
    while runs:
        text, style = runs.pop()
        if kept := text.rstrip(" "):
            return [*runs, (kept, style)]
    return runs

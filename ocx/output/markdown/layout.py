"""Styled text, and lines inside their containers: quotes and items of lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from rich.theme import Theme

from ocx.text import escape_control
from ocx.typography import cells

Run = tuple[str, Style]
"""A text and the style it stands in."""
PLAIN = Style()

_SYSTEMS = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}
_THEME = Theme()


@cache
def style_of(name: str) -> Style:
    """The style of this part of Markdown: `h1`, `strong`, `link_url`."""
    if name == "code":  # Rich's black background is a box in every theme that is not black
        return Style(bold=True, color="cyan")
    return _THEME.styles.get(f"markdown.{name}", PLAIN)


class Painter:
    """Turns styled text into what the terminal understands; without colour into plain text."""

    def __init__(self, *, color: bool) -> None:
        self._system: ColorSystem | None = None
        if color:
            # Rich reads TERM and COLORTERM.
            name = Console(force_terminal=True, legacy_windows=False).color_system
            self._system = _SYSTEMS.get(name or "")

    def paint(self, runs: Iterable[Run]) -> str:
        """One line. Entities and links decode to characters that were never sent: escaped here."""
        return "".join(
            style.render(escape_control(text), color_system=self._system)
            for text, style in _joined(runs)
        )


def _joined(runs: Iterable[Run]) -> Iterable[Run]:
    text, style = "", PLAIN
    for more, its in runs:
        if its is style or its == style:
            text += more
        else:
            if text:
                yield text, style
            text, style = more, its
    if text:
        yield text, style


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

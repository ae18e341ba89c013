"""Styled text, and lines inside their containers: quotes and items of lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from operator import itemgetter

from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style
from rich.theme import Theme

from ocx.text import escape_control
from ocx.typography import cells

Span = tuple[str, Style]
"""A text and the style it stands in."""
PLAIN = Style()

_THEME = Theme()
_LEAST = 10
"""Columns that deep nesting leaves to the text."""


@cache
def style_of(name: str) -> Style:
    """The style of this part of Markdown: `h1`, `strong`, `link_url`."""
    if name == "code":  # Rich's black background is a box in every theme that is not black
        return Style(bold=True, color="cyan")
    return _THEME.styles.get(f"markdown.{name}", PLAIN)


class AnsiRenderer:
    """Turns styled text into what the terminal understands; without colour into plain text."""

    def __init__(self, *, color: bool) -> None:
        # Rich reads TERM and COLORTERM.
        name = Console(force_terminal=True, legacy_windows=False).color_system if color else None
        self._system = COLOR_SYSTEMS.get(name or "")

    def render(self, spans: Iterable[Span]) -> str:
        """One line. Entities and links decode to characters that were never sent: escaped here."""
        line = ""
        for style, group in groupby(spans, itemgetter(1)):
            text = escape_control("".join(text for text, _ in group))
            line += style.render(text, color_system=self._system)
        return line


@dataclass
class Frame:
    """What stands before each line of a container."""

    first: Span
    """Before the first line, the marker of an item."""
    rest: Span
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


class Layout:
    """Collects finished lines, each with the frames of the containers that it stands in.

    Args:
        wanted: how many of the last lines are looked at; None for all.
    """

    def __init__(self, width: int, renderer: AnsiRenderer, wanted: int | None = None) -> None:
        self.width = width
        self.wanted = wanted
        self.frames: list[Frame] = []
        self._renderer = renderer
        self._lines: list[str] = []
        self._begun = False

    def copy(self, wanted: int | None) -> Layout:
        """The same place with nothing on it."""
        twin = Layout(self.width, self._renderer, wanted)
        twin.frames = [replace(frame) for frame in self.frames]
        twin._begun = self._begun
        return twin

    @property
    def room(self) -> int:
        """Columns for text."""
        return max(self.width - sum(frame.width for frame in self._visible()), 1)

    def take(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

    def leave(self) -> None:
        self.fill()
        self.frames.pop()

    def fill(self) -> None:
        """An item of a list without text has at least its marker."""
        if self.frames and not self.frames[-1].filled:
            self.write([[]])

    def gap(self) -> None:
        """An empty line before a block, unless it is the first of its container."""
        if self.frames[-1].filled if self.frames else self._begun:
            self.write([[]])

    def write(self, lines: Iterable[list[Span]]) -> None:
        for line in lines:
            style = PLAIN
            spans: list[Span] = []
            for frame in self._visible():
                spans.append(frame.rest if frame.filled else frame.first)
                style += frame.style
            for frame in self.frames:
                frame.filled = True
            self._begun = True
            spans += [(text, style + its) for text, its in line] if style else line
            self._lines.append(self._renderer.render(_trimmed(spans)))

    def _visible(self) -> list[Frame]:
        """The outer ones, as long as they leave room for text."""
        room = self.width - _LEAST
        shown = []
        for frame in self.frames:
            room -= frame.width
            if room < 0:
                break
            shown.append(frame)
        return shown


def _trimmed(spans: list[Span]) -> list[Span]:
    """Without spaces at the end."""
    spans = spans[:]
    while spans:
        text, style = spans.pop()
        if kept := text.rstrip(" "):
            return [*spans, (kept, style)]
    return spans

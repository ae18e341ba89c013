"""Styled text, and the codes of the terminal that show it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from rich.theme import Theme

from ocx.text import escape_control

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

"""Tables on a screen: widths of columns, and texts that are wrapped, cut and aligned in them.

Widths are cells of a terminal: a wide character takes two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress, zip_longest
from typing import Protocol

from ocx.output.table import Cell, Column, Style, Table, styled_text
from ocx.terminal import Terminal
from ocx.text import one_line
from ocx.typography import cells, shortened
from ocx.wrapping import wrapped

GAP = 2
_NARROWEST = 8
_NARROWEST_CUT = 16
_LEAST = 4


class Layout:
    """Columns just wide enough for `rows`; narrower ones if the screen has not that many cells."""

    def __init__(
        self,
        rows: Sequence[Sequence[str]],
        *,
        right: Sequence[bool],
        cut: Sequence[bool],
        width: int,
        whole: Sequence[bool] | None = None,
    ) -> None:
        self._whole = whole or right
        self._right = right
        self._cut = cut
        self.widths = list(map(_widest, zip(*rows, strict=True)))
        self._shrink(width)

    def lines(self, row: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """The row as lines of one text for each column, not padded yet."""
        columns = [
            [shortened(text, width)] if cut else wrapped(text, width)
            for text, width, cut in zip(row, self.widths, self._cut, strict=True)
        ]
        yield from zip_longest(*columns, fillvalue="")

    def aligned(self, texts: Sequence[str], shown: Sequence[str]) -> str:
        """One line of the screen: `shown` in its column, which takes as many cells as `texts`."""
        spaces = [
            " " * (width - cells(text)) for text, width in zip(texts, self.widths, strict=True)
        ]
        places = zip(spaces, shown, self._right, strict=True)
        pieces = [space + text if right else text + space for space, text, right in places]
        return (" " * GAP).join(pieces).rstrip()

    def _shrink(self, width: int) -> None:
        """Texts that may be cut give way first, then the widest of the others.

        Never numbers, nor what must be whole.
        """
        over = sum(self.widths) + GAP * (len(self.widths) - 1) - width
        steps = ((True, max(_NARROWEST_CUT, width // 4)), (False, _NARROWEST), (True, _NARROWEST))
        for cut, least in (*steps, (False, _LEAST), (True, _LEAST)):
            while over > 0:
                columns = [n for n, each in enumerate(self._cut) if each is cut]
                columns = [n for n in columns if not self._whole[n] and self.widths[n] > least]
                if not columns:
                    break
                widest = max(columns, key=self.widths.__getitem__)
                self.widths[widest] -= 1
                over -= 1


def kept_columns(
    rows: Sequence[Sequence[str]],
    whole: Sequence[bool],
    cut: Sequence[bool],
    optional: Sequence[int],
    width: int,
) -> list[bool]:
    """Which columns have a place on the screen; the most optional are left out first.

    A text that may be cut wants a quarter of the screen.
    """
    widths = map(_widest, zip(*rows, strict=True))
    wanted = [
        most if is_whole else min(most, max(12, width // 4) if is_cut else _NARROWEST)
        for most, is_whole, is_cut in zip(widths, whole, cut, strict=True)
    ]
    kept = [True] * len(wanted)
    for place in sorted(range(len(wanted)), key=optional.__getitem__, reverse=True):
        taken = sum(compress(wanted, kept)) + GAP * (sum(kept) - 1)
        if taken <= width or not optional[place]:
            break
        kept[place] = False
    return kept


def _widest(column: Sequence[str]) -> int:
    return max(map(cells, column))


_STYLES: dict[str, Style] = {"ok": "good", "warning": "warning", "failed": "bad", "skipped": "dim"}
_COLUMNS = (Column("STATE"), Column("CHECK", "accent"), Column("DETAIL"))


class Check(Protocol):
    """What was looked at and what was found; `state` is ok, warning, failed or skipped."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def hint(self) -> str | None: ...


def check_writer(
    terminal: Terminal, names: Sequence[str], *, color: str
) -> Callable[[Check], None]:
    """What prints one check: in columns on a terminal, wide enough for `names`; else a line."""
    if not terminal.stdout_tty:
        return lambda check: _write_line(terminal, check, color)
    widest = [(state, name, "-" * terminal.width) for state in _STYLES for name in names]
    table = Table(terminal, _COLUMNS, widest, color=color)
    begun = False

    def write(check: Check) -> None:
        nonlocal begun
        if not begun:
            table.write_heading()
        begun = True
        table.write([(Cell(check.state, _STYLES[check.state]), check.name, check.detail)])
        if check.hint:
            table.write([("", "", Cell(f"-> {check.hint}", "dim"))])

    return write


def _write_line(terminal: Terminal, check: Check, color: str) -> None:
    style, state = _STYLES[check.state], f"{check.state:<8}"
    shown = styled_text(state, style, color=terminal.stdout_color(color))
    terminal.print(f"{shown} {check.name}: {one_line(check.detail)}", styled=True)
    if check.hint:
        terminal.print(f"{'':8} -> {one_line(check.hint)}")

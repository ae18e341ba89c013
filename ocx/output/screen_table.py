"""Tables on a screen: widths of columns, and texts that are wrapped, cut and aligned in them.

Widths are cells of a terminal: a wide character takes two.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, zip_longest

from ocx.context import Context
from ocx.output.columns import GAP, Cell, Column, Row, Style, styled_text, text_of
from ocx.text import one_line
from ocx.typography import cells, shortened
from ocx.wrapping import wrapped

_NARROWEST = 8
_NARROWEST_CUT = 16
_LEAST = 4


class Table:
    """Columns just wide enough for `rows`; narrower ones if the screen has not that many cells.

    More rows can be written as they come.
    """

    def __init__(self, ctx: Context, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        self._terminal = terminal = ctx.terminal
        self._color = terminal.stdout_color(ctx.color)
        texts = zip([column.title for column in columns], *rows, strict=True)
        widths = [max(cells(one_line(text_of(cell))) for cell in column) for column in texts]
        self._kept = _kept(columns, widths, terminal.width)
        self.left_out = [c.title for c, kept in zip(columns, self._kept, strict=True) if not kept]
        self._columns = list(compress(columns, self._kept))
        self.widths = _shrunk(self._columns, list(compress(widths, self._kept)), terminal.width)

    def write_heading(self) -> None:
        self._write([Cell(column.title, "bold") for column in self._columns])

    def write(self, rows: Sequence[Row]) -> None:
        """Print rows in the table's widths."""
        for row in rows:
            kept = zip(compress(row, self._kept), self._columns, strict=True)
            self._write(
                [cell if isinstance(cell, Cell) else Cell(cell, its.style) for cell, its in kept]
            )

    def _write(self, row: list[Cell]) -> None:
        texts = [
            [shortened(one_line(cell.text), width)]
            if column.cut or column.short
            else wrapped(one_line(cell.text), width)
            for cell, column, width in zip(row, self._columns, self.widths, strict=True)
        ]
        for line in zip_longest(*texts, fillvalue=""):
            pieces = []
            for text, cell, column, width in zip(
                line, row, self._columns, self.widths, strict=True
            ):
                shown, space = styled_text(text, cell.style, color=self._color), width - cells(text)
                pieces.append(" " * space + shown if column.right else shown + " " * space)
            self._terminal.print((" " * GAP).join(pieces).rstrip(), styled=True)


def _kept(columns: Sequence[Column], widths: list[int], room: int) -> list[bool]:
    """Which columns have a place on the screen; the most optional are left out first.

    A text that may be cut wants a quarter of the screen.
    """
    wanted = [
        width if column.is_fixed else min(width, max(12, room // 4) if column.cut else _NARROWEST)
        for column, width in zip(columns, widths, strict=True)
    ]
    kept = [True] * len(columns)
    for place in sorted(range(len(columns)), key=lambda place: -columns[place].optional):
        taken = sum(compress(wanted, kept)) + GAP * (sum(kept) - 1)
        if taken <= room or not columns[place].optional:
            break
        kept[place] = False
    return kept


def _shrunk(columns: Sequence[Column], widths: list[int], room: int) -> list[int]:
    """Texts that may be cut give way first, then the widest of the others.

    What should be whole does if all else is at its least, and numbers never.
    """
    steps = ((True, max(_NARROWEST_CUT, room // 4)), (False, _NARROWEST), (True, _NARROWEST))
    for cut, least in (*steps, (False, _LEAST), (True, _LEAST), (None, _NARROWEST)):
        over = max(sum(widths) + GAP * (len(widths) - 1) - room, 0)
        wide = {
            place: widths[place]
            for place, column in enumerate(columns)
            if (column.whole if cut is None else column.cut is cut and not column.is_fixed)
            and widths[place] > least
        }
        narrower = shrunk(wide.values(), max(sum(wide.values()) - over, least * len(wide)))
        for place, width in zip(wide, narrower, strict=True):
            widths[place] = width
    return widths


def shrunk(widths: Iterable[int], room: int) -> list[int]:
    """Column widths that fit into `room`, at the cost of the widest; none becomes nothing."""
    widths = [max(width, 1) for width in widths]
    room = max(room, len(widths))

    def taken(most: int) -> int:
        return sum(min(width, most) for width in widths)

    most = bisect_right(range(max(widths, default=0) + 1), room, key=taken) - 1
    left = room - taken(most)
    for place in range(len(widths) - 1, -1, -1):
        if widths[place] > most:
            widths[place] = most + (left > 0)
            left -= 1
    return widths


_STYLES: dict[str, Style] = {"ok": "good", "warning": "warning", "failed": "bad", "skipped": "dim"}
_CHECKS = (Column("STATE"), Column("CHECK", "accent"), Column("DETAIL"))


def check_writer(ctx: Context, names: Sequence[str]) -> Callable[[str, str, str, str | None], None]:
    """What prints a check of `ocx doctor`: its state, name, what was found, the next step.

    In columns on a terminal, wide enough for `names`; else as a line.
    """
    terminal = ctx.terminal
    widest = [(state, name, "-" * terminal.width) for state in _STYLES for name in names]
    table = Table(ctx, _CHECKS, widest)
    if terminal.stdout_tty:
        table.write_heading()

    def write(state: str, name: str, detail: str, hint: str | None) -> None:
        style = _STYLES[state]
        if terminal.stdout_tty:
            table.write([(Cell(state, style), name, detail)])
            if hint:
                table.write([("", "", Cell(f"-> {hint}", "dim"))])
            return
        shown = styled_text(f"{state:<8}", style, color=terminal.stdout_color(ctx.color))
        terminal.print(f"{shown} {name}: {one_line(detail)}")
        if hint:
            terminal.print(f"{'':8} -> {one_line(hint)}")

    return write

"""Tables: laid out for a person, TSV without truncation for a pipe.

On a terminal all tables are one family: bold headings, one accent colour for what a row is about,
dim for what is secondary, numbers at the right, no column wider than it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Literal, NamedTuple

from ocx.context import Context

GAP = 2
"""Columns between two of a table."""
Style = Literal["plain", "bold", "accent", "dim", "good", "warning", "bad"]


class Column(NamedTuple):
    """One column of a table on a terminal.

    Attributes:
        right: it holds numbers.
        cut: a long text is shortened with `…`, and gives way first.
        short: a long text is shortened, too, but gives way after those; in columns that are
            neither it continues on the next line.
        whole: as wide as its widest text if the screen is; None: always so if it holds numbers.
        optional: left out where the screen is too narrow for all, the highest first; 0 is never.
    """

    title: str
    style: Style = "plain"
    right: bool = False
    cut: bool = False
    short: bool = False
    whole: bool | None = None
    optional: int = 0

    @property
    def is_fixed(self) -> bool:
        return self.right if self.whole is None else self.whole


class Cell(NamedTuple):
    """A cell in a style other than its column's."""

    text: str
    style: Style


Row = Sequence[str | Cell]
_SPACES = str.maketrans("\t\r\n", "   ")  # a field of TSV cannot hold a tab or a line break


def write_table(ctx: Context, columns: Sequence[str | Column], rows: Sequence[Row]) -> list[str]:
    """Print `rows`; headings only on a terminal, where a column without any text is left out.

    Returns: the headings of those for which there was no room.
    """
    if not ctx.terminal.stdout_tty:
        for row in rows:
            ctx.terminal.print("\t".join(text_of(cell).translate(_SPACES) for cell in row))
        return []
    from ocx.output.screen_table import Table  # what wraps texts is not for a pipe

    named = [column if isinstance(column, Column) else Column(column) for column in columns]
    used = [any(map(text_of, cells)) for cells in zip(*rows, strict=True)] or [True] * len(named)
    rows = [list(compress(row, used)) for row in rows]
    table = Table(ctx, list(compress(named, used)), rows)
    table.write_heading()
    table.write(rows)
    return table.left_out


_CODES = {"accent": "36", "dim": "2", "bold": "1", "good": "32", "warning": "33", "bad": "31"}


def styled_text(text: str, style: str, *, color: bool) -> str:
    """`text` as a terminal shows it in a style; bold and dim count as colours."""
    code = _CODES.get(style)
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text


def text_of(cell: str | Cell) -> str:
    return cell.text if isinstance(cell, Cell) else cell

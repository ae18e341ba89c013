"""Tables: laid out for a person, TSV without truncation for a pipe.

On a terminal all tables are one family: bold headings, one accent colour for what a row is about,
dim for what is secondary, numbers at the right, no column wider than it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Literal, NamedTuple

from ocx.terminal import Terminal
from ocx.text import one_line

Style = Literal["plain", "accent", "dim", "good", "warning", "bad"]


class Column(NamedTuple):
    """One column of a table on a terminal.

    Attributes:
        right: it holds numbers.
        cut: a long text is shortened with `…`; in other columns it continues on the next line.
        whole: it is neither cut nor continued; so are numbers unless it says otherwise.
        optional: left out where the screen is too narrow for all, the highest first; 0 is never.
    """

    title: str
    style: Style = "plain"
    right: bool = False
    cut: bool = False
    whole: bool | None = None
    optional: int = 0


class Cell(NamedTuple):
    """A cell in a style other than its column's."""

    text: str
    style: Style


Row = Sequence[str | Cell]


def write_table(
    terminal: Terminal,
    columns: Sequence[str | Column],
    rows: Sequence[Row],
    *,
    color: str = "auto",
) -> None:
    """Print `rows`; headings only on a terminal, where a column without any text is left out."""
    if not terminal.stdout_tty:
        for row in rows:
            terminal.print("\t".join(_field(text_of(cell)) for cell in row))
        return
    named = [column if isinstance(column, Column) else Column(column) for column in columns]
    used = [any(map(text_of, cells)) for cells in zip(*rows, strict=True)] or [True] * len(named)
    named = list(compress(named, used))
    table = Table(terminal, named, [list(compress(row, used)) for row in rows], color=color)
    table.write_heading()
    table.write(table.rows)


class Table:
    """Columns whose widths are those of `rows`; more rows can be written as they come.

    For a terminal only.
    """

    def __init__(
        self, terminal: Terminal, columns: Sequence[Column], rows: Sequence[Row], *, color: str
    ) -> None:
        from ocx.output.screen_table import Layout, kept_columns  # not for a table in a pipe

        self._terminal = terminal
        self._color = terminal.stdout_color(color)
        self.rows = rows
        titles = [column.title for column in columns]
        texts = [titles, *([one_line(text_of(cell)) for cell in row] for row in rows)]
        whole = [column.right if column.whole is None else column.whole for column in columns]
        cut = [column.cut for column in columns]
        optional = [column.optional for column in columns]
        self._kept = kept_columns(texts, whole, cut, optional, terminal.width)
        self._columns = list(compress(columns, self._kept))
        self._layout = Layout(
            [list(compress(row, self._kept)) for row in texts],
            right=[column.right for column in self._columns],
            cut=list(compress(cut, self._kept)),
            whole=list(compress(whole, self._kept)),
            width=terminal.width,
        )

    def write_heading(self) -> None:
        self._write([(column.title, "bold") for column in self._columns])

    def write(self, rows: Sequence[Row]) -> None:
        """Print rows in the table's widths."""
        for row in rows:
            self._write(
                [
                    (one_line(text_of(cell)), cell.style if isinstance(cell, Cell) else own.style)
                    for cell, own in zip(compress(row, self._kept), self._columns, strict=True)
                ]
            )

    def _write(self, cells: list[tuple[str, str]]) -> None:
        for texts in self._layout.lines([text for text, _ in cells]):
            shown = [
                styled_text(text, style, color=self._color)
                for text, (_, style) in zip(texts, cells, strict=True)
            ]
            self._terminal.print(self._layout.aligned(texts, shown), styled=True)


_CODES = {"accent": "36", "dim": "2", "bold": "1", "good": "32", "warning": "33", "bad": "31"}


def styled_text(text: str, style: str, *, color: bool) -> str:
    """`text` as a terminal shows it in a style; bold and dim count as colours."""
    code = _CODES.get(style)
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text


def text_of(cell: str | Cell) -> str:
    return cell.text if isinstance(cell, Cell) else cell


def _field(value: str) -> str:
    """A field of TSV cannot hold a tab or a line break."""
    return value.replace("\t", " ").replace("\r", " ").replace("\n", " ")

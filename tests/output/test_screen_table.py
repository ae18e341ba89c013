"""Columns on a screen: only what may be cut is lost, and nothing is wider than the screen."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from ocx.output.columns import GAP, Column
from ocx.output.screen_table import Table
from ocx.terminal import FdWriter, RedactingStderr, Terminal
from ocx.typography import cells
from tests.support.memory import MemoryRaw

TEXTS = st.text(st.sampled_from("ab1 -/世界é…"), max_size=40)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5)


def table(
    columns: list[Column], rows: list[tuple[str, ...]], width: int
) -> tuple[list[int], list[str]]:
    """The widths of its columns, and its lines without the heading."""
    raw = MemoryRaw()
    terminal = Terminal(None, FdWriter(raw), RedactingStderr(None), width=width, stdout_tty=True)
    made = Table(terminal, columns, rows, color="never")
    made.write(rows)
    return made.widths, raw.text().splitlines()


@given(ROWS, st.integers(60, 120))
def test_a_row_fits_the_screen_and_its_columns_are_aligned(
    rows: list[tuple[str, ...]], width: int
) -> None:
    columns = [Column("", right=True), Column(""), Column("", cut=True)]
    widths, lines = table(columns, rows, width)
    assume(widths[0] <= 20)  # numbers are never broken
    assert sum(widths) + 2 * GAP <= width
    for line in lines:
        assert cells(line) <= width
        assert line == line.rstrip()


def test_a_column_is_as_wide_as_its_widest_text() -> None:
    rows = [("10", "gpt"), ("9", "世界世界")]
    widths, lines = table([Column("ID", right=True), Column("MODEL")], rows, 80)
    assert widths == [2, 8]
    assert lines == ["10  gpt", " 9  世界世界"]


def test_a_short_one_ends_in_an_ellipsis_but_gives_way_after_what_is_cut() -> None:
    rows = [("a-rather-long-name-of-a-model", "w" * 60)]
    columns = [Column("", short=True), Column("", cut=True)]
    assert table(columns, rows, 50)[0] == [29, 19]
    assert table(columns, rows, 30)[1] == [f"a-rather-lo…  {'w' * 15}…"]


def test_what_may_be_cut_gives_way_first() -> None:
    rows = [("a-rather-long-name-of-a-model", "w" * 60)]
    columns = [Column(""), Column("", cut=True)]
    assert table(columns, rows, 50)[0] == [29, 19]
    widths, lines = table(columns, rows, 30)
    assert widths == [12, 16]
    assert lines == [f"a-rather-lon  {'w' * 15}…", "g-name-of-a-", "model"]

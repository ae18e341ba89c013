"""Columns on a screen: only what may be cut is lost, and nothing is wider than the screen."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from ocx.output.screen_table import GAP, Layout
from ocx.typography import cells, shortened
from ocx.wrapping import wrapped

TEXTS = st.text(st.sampled_from("ab1 -/世界é…"), max_size=40)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5)


@given(TEXTS, st.integers(2, 40))
def test_a_wrapped_text_fits_and_is_whole(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(TEXTS, st.integers(2, 40))
def test_a_shortened_text_says_that_it_is(text: str, width: int) -> None:
    short = shortened(text, width)
    assert cells(short) <= max(width, 3)
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


@given(ROWS, st.integers(60, 120))
def test_a_row_fits_the_screen_and_its_columns_are_aligned(
    rows: list[tuple[str, ...]], width: int
) -> None:
    layout = Layout(rows, right=[True, False, False], cut=[False, False, True], width=width)
    assume(layout.widths[0] <= 20)  # numbers are never broken
    assert sum(layout.widths) + 2 * GAP <= width
    for row in rows:
        for line in layout.lines(row):
            aligned = layout.aligned(line, line)
            assert cells(aligned) <= width
            assert aligned == aligned.rstrip()


def test_a_column_is_as_wide_as_its_widest_text() -> None:
    rows = [("ID", "MODEL"), ("10", "gpt"), ("9", "世界世界")]
    layout = Layout(rows, right=[True, False], cut=[False, False], width=80)
    assert layout.widths == [2, 8]
    lines = [layout.aligned(line, line) for row in rows for line in layout.lines(row)]
    assert lines == ["ID  MODEL", "10  gpt", " 9  世界世界"]


def test_what_may_be_cut_gives_way_first() -> None:
    rows = [("a-rather-long-name-of-a-model", "w" * 60)]
    layout = Layout(rows, right=[False, False], cut=[False, True], width=50)
    assert layout.widths == [29, 19]
    narrow = Layout(rows, right=[False, False], cut=[False, True], width=30)
    assert narrow.widths == [12, 16]
    assert ["".join(line) for line in narrow.lines(rows[0])] == [
        f"a-rather-lon{'w' * 15}…",
        "g-name-of-a-",
        "model",
    ]

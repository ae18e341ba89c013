"""An answer that is drawn as it comes: what stands on the screen, after each piece and at the end.

The screen is a terminal emulator; the size, the clock and the cuts are the test's.
"""

from __future__ import annotations

import os
import pty
import re
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocx.errors import OutputClosed
from ocx.output.markdown import MarkdownWriter, markdown_writer
from ocx.output.markdown.document import Document
from ocx.output.markdown.layout import AnsiRenderer
from ocx.output.markdown.live import (
    FRAME,
    HiddenEcho,
    LiveMarkdown,
    terminal_size,
)
from ocx.output.writers import PlainWriter
from ocx.terminal import FdWriter, RedactingStderr, Terminal
from tests.support.drawn import ANSWER, SIZES, Watched, cut, visible, whole
from tests.support.emulator import Emulator, trimmed
from tests.support.memory import MemoryRaw
from tests.support.sizes import examples, step
from tests.support.waiting import DEADLINE

# Many runs through lines that tests/e2e/test_live.py measures, at twice the cost if traced.
pytestmark = pytest.mark.no_cover


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("at_once", [1, 3, 50])
def test_each_frame_shows_all_that_has_come(columns: int, rows: int, at_once: int) -> None:
    """And there are 20 frames a second, so that a token is on the screen within 100 ms."""
    assert FRAME <= 0.05
    emulator = Emulator(columns, rows)
    writer = LiveMarkdown(emulator, lambda: emulator.size, color=False)
    writer._thread = threading.Thread()  # that draws nothing: the frames are the test's
    tokens = re.findall(r"\s*\S+", ANSWER)
    for place in range(0, len(tokens), at_once):
        for token in tokens[place : place + at_once]:
            writer.write(token)
            writer._next = 0.0
            assert not writer._is_over()
        writer.draw()
        assert visible(token) in "".join(emulator.shown())
    writer.draw_last()
    assert trimmed(emulator.lines()) == whole(ANSWER, columns)


def check_resize(
    pieces: list[str], place: int, before: tuple[int, int], after: tuple[int, int], reflow: bool
) -> None:
    """What was finished stays as it was; the rest is what it would have been in the new width."""
    watched = Watched(*before)
    rest = Document(before[0], AnsiRenderer(color=False))
    for piece in pieces[:place]:
        watched.show(piece)
        rest.feed(piece)
    done = rest.finished()
    watched.emulator.resize(*after, reflow=reflow)
    cursor = watched.emulator.screen.cursor.y
    kept = [*watched.emulator.scrolled(), *watched.emulator.shown()[:cursor]]
    assert len(kept) >= len(done)
    if reflow:
        assert "".join("".join(kept).split()) == "".join("".join(done).split())
    rest.resize(after[0])
    watched.finished = []
    for piece in pieces[place:]:
        watched.show(piece)
        rest.feed(piece)
    rest.end()
    assert watched.end() == trimmed([*kept, *rest.finished()])


@pytest.mark.parametrize("reflow", [False, True])
@pytest.mark.parametrize(("before", "after"), [((80, 24), (40, 24)), ((40, 10), (80, 10))])
@pytest.mark.parametrize("place", [30, 150, 700, 850, 950, 1050])
def test_a_resize_in_the_middle_leaves_no_debris(
    before: tuple[int, int], after: tuple[int, int], place: int, reflow: bool
) -> None:
    size = step(5)
    pieces = [ANSWER[at : at + size] for at in range(0, len(ANSWER), size)]
    check_resize(pieces, place // size, before, after, reflow)


class Broken:
    """A sink whose reader is gone."""

    def write(self, data: bytes) -> int:
        raise OutputClosed


def test_what_goes_wrong_while_drawing_is_raised_where_text_is_written() -> None:
    writer = LiveMarkdown(Broken(), lambda: (80, 24), color=False)
    writer.write("a")
    with pytest.raises(OutputClosed):
        writer.finish(complete=False)
    with pytest.raises(OutputClosed):
        writer.write("b")


def test_the_first_piece_waits_for_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocx.output.markdown.live.FRAME", 60)
    emulator, drawn = Emulator(40, 10), threading.Event()

    class Sink:
        def write(self, data: bytes) -> int:
            written = emulator.write(data)
            drawn.set()
            return written

    writer = LiveMarkdown(Sink(), lambda: (40, 10), color=False)
    writer.write("first")
    assert drawn.wait(DEADLINE)
    assert trimmed(emulator.shown()) == ["first"]
    writer.finish(complete=True)


def test_the_writer_leaves_what_was_shown_and_the_cursor_below_it() -> None:
    emulator = Emulator(40, 10)
    writer = LiveMarkdown(emulator, lambda: (40, 10), color=False)
    writer.write("")
    writer.write("half of an *ans")
    writer.finish(complete=False)
    assert trimmed(emulator.lines()) == ["half of an *ans"]
    assert (emulator.screen.cursor.x, emulator.screen.cursor.y) == (0, 1)


def test_nothing_is_written_of_an_empty_answer() -> None:
    raw = MemoryRaw()
    writer = LiveMarkdown(raw, lambda: (40, 10), color=False)
    writer.finish(complete=True)
    view = LiveMarkdown(raw, lambda: (40, 10), color=False)
    view.draw()
    view.draw_last()
    assert not raw.text()


@pytest.mark.parametrize(
    ("width", "term", "to_person", "kind"),
    [
        (80, "xterm", True, LiveMarkdown),
        (80, "dumb", True, MarkdownWriter),
        (19, "xterm", True, PlainWriter),
        (80, "xterm", False, MarkdownWriter),
    ],
)
def test_where_nothing_can_be_drawn_twice_it_is_written_once(
    tmp_path: Path, width: int, term: str, to_person: bool, kind: type
) -> None:
    with (tmp_path / "shown").open("wb", buffering=0) as raw:
        streams = (None, FdWriter(raw), RedactingStderr(None))
        terminal = Terminal(*streams, {"TERM": term}, width=width, stdout_tty=True)
        writer = markdown_writer(terminal.stdout, terminal, color=False, to_person=to_person)
        assert type(writer) is kind
        if kind is PlainWriter:
            writer.write("\x1b[2J")
            writer.finish(complete=True)
            assert (tmp_path / "shown").read_bytes() == b"\\x1b[2J\n"


def test_without_a_terminal_the_size_is_the_usual_one() -> None:
    with Path(os.devnull).open("wb", buffering=0) as raw:
        assert terminal_size(raw.fileno(), 72)() == (72, 24)


@pytest.fixture
def tty() -> Iterator[int]:
    """A terminal, which does not control the tests."""
    ours, theirs = pty.openpty()
    yield theirs
    os.close(ours)
    os.close(theirs)


def test_the_echo_of_another_programs_terminal_is_left_alone(tty: int) -> None:
    before = termios.tcgetattr(tty)
    echo = HiddenEcho(tty)
    echo.hide()
    assert termios.tcgetattr(tty) == before
    echo.restore()
    assert termios.tcgetattr(tty) == before


def test_columns_that_the_user_set_hold_until_a_resize(tty: int) -> None:
    termios.tcsetwinsize(tty, (30, 100))
    size = terminal_size(tty, 72)
    assert size() == (72, 30)
    termios.tcsetwinsize(tty, (30, 90))
    assert size() == (90, 30)


BLOCKS = st.sampled_from(
    [
        "word ", "a", "*", "**", "_", "`", "``", "~~", "[", "](u)", "]", "<", ">", "&amp;", "\\",
        "\n", "\n\n", "  \n", "# h", "\n# ", "---", "\n---\n", "===", "\n```py\n", "```", "~~~\n",
        "\n- ", "\n  - ", "\n1. ", "\n2) ", "\n> ", "\n>", "\n    ", "  ", "\t", "|",
        "\n| a | b |\n", "|--|--|\n", "| 1 | 2 |\n", "x" * 50, "long words of a line " * 5,
        "宽字符，", "é", "\x1b[2J", "def f():\n", "/* ", "*/", "'''", "12345", "😀", "a|b " * 30,
    ]
)  # fmt: skip
MARKDOWN = st.lists(BLOCKS, max_size=40).map("".join)
CUTS = st.lists(st.integers(0, 600), max_size=12)


@given(MARKDOWN, CUTS, st.sampled_from([*SIZES, (20, 6), (33, 4)]))
@settings(max_examples=examples(150))
@example(ANSWER, list(range(0, 2000, 17)), (40, 10))
@example("a | b\n--|--\n" + "c | d\n" * 40, [50, 60, 100, 150], (40, 10))
@example("- a\n" * 30 + "\n" + "x **y " * 80, [7, 60, 100, 150, 200, 300], (40, 10))
def test_no_cut_changes_the_end_and_no_finished_line_changes(
    text: str, places: list[int], size: tuple[int, int]
) -> None:
    check_cuts(text, places, size)


def check_cuts(text: str, places: list[int], size: tuple[int, int]) -> None:
    watched = Watched(*size)
    for piece in cut(text, places):
        watched.show(piece)
    assert watched.end() == trimmed(whole(text, size[0]))


@given(
    MARKDOWN,
    CUTS,
    st.integers(0, 12),
    st.sampled_from([*SIZES, (20, 50)]),
    st.sampled_from([20, 33, 80, 150]),
    st.booleans(),
)
@settings(max_examples=examples(100))
def test_a_resize_anywhere_leaves_no_debris(
    text: str,
    places: list[int],
    place: int,
    before: tuple[int, int],
    columns: int,
    reflow: bool,
) -> None:
    text = re.sub(r"[^\x00-\x7f]", "", text)  # the emulator cuts a wide character in two
    check_resize(cut(text, places), place, before, (columns, before[1]), reflow)


@given(MARKDOWN, CUTS)
@settings(max_examples=examples(100))
def test_every_letter_of_the_answer_is_shown(text: str, places: list[int]) -> None:
    """In this order; but of a table, cells that the head has no column for are dropped."""
    text = text.replace("|", "").replace("&amp;", "").replace("```", "").replace("~", "")
    shown = "".join(whole(text, 60))
    letters = [c for c in text if c.isalpha()]
    rest = iter(shown)
    assert all(letter in rest for letter in letters)

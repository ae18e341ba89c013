"""An answer that is drawn as it comes: what stands on the screen, after each piece and at the end.

The screen is a terminal emulator; the size, the clock and the cuts are the test's.
"""

from __future__ import annotations

import os
import pty
import re
import termios
from itertools import pairwise
from pathlib import Path
from queue import Empty

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocx.errors import OutputClosed
from ocx.output.answer_writers import TerminalWriter
from ocx.output.live import (
    FRAME,
    LiveMarkdown,
    LiveView,
    Pace,
    markdown_writer,
    pump,
    terminal_size,
)
from ocx.output.live_document import Document
from ocx.output.live_echo import Echo
from ocx.output.live_style import Painter
from ocx.output.markdown import MarkdownWriter
from ocx.terminal import Output, RedactingStderr, Terminal
from tests.support.emulator import Emulator, trimmed
from tests.support.memory import MemoryRaw

SIZES = [(80, 24), (40, 10), (200, 50)]
ANSWER = """\
# A title that is long enough to be wrapped on a narrow screen

A paragraph with **bold**, *italic*, `code`, ~~struck~~ and [a link](https://example.org/x).
It goes on in a second line,\\
breaks hard, and has <b>HTML</b> and ![a picture](https://example.org/p.png) in it.

Underlined
----------

1. one
2. two
   - nested
     > quoted in a list
     in two lines
   - nested again

     ```python
     def f(x):
         '''doc
         of two lines'''
         return "string" + str(x)  # comment
     ```
3. three

> A quote that is long enough to be wrapped, so that its bar stands before every line of it.
>
> - with a list
> - in it

| Left | Right | Centre |
|:-----|------:|:------:|
| a | 1 | x |
| a longer cell with **bold** | 12345 | y |
| 宽字符 | 7 | z |

***

```c
/* a comment
   of two lines */
int main(void) { return 0; }  // and a line that is longer than the screen is wide, so it folds
```

    indented code

- [ ] open
- [x] done

  A second paragraph of the item.

宽字符在终端里占两列，所以这一行也要正确地折行，不能超出边界。宽字符在终端里占两列，所以这一行也要正确地折行。
An end without a newline, 2 * 3, a_b, an open *asterisk, a `tick, \x1b[31m, &amp; &#x202e;."""


def whole(text: str, columns: int) -> list[str]:
    """All lines of the answer, rendered at once."""
    document = Document(columns, Painter(color=False))
    document.feed(text)
    document.end()
    return document.finished()


class Watched:
    """A view on an emulator, checked after each piece."""

    def __init__(self, columns: int, rows: int) -> None:
        self.emulator = Emulator(columns, rows)
        self.view = LiveView(self.emulator, lambda: self.emulator.size, color=False)
        self.finished: list[str] = []
        """The lines of the screen above the tail: the cursor stands at its beginning."""

    def show(self, piece: str) -> None:
        before = len(self.emulator.screen.history.top)
        self.view.feed(piece)
        self.view.draw()
        shown = self.emulator.shown()
        scrolled = len(self.emulator.screen.history.top) - before
        left = self.finished[scrolled:]
        assert shown[: len(left)] == left, "a finished line has changed"
        self.finished = shown[: self.emulator.screen.cursor.y]

    def end(self) -> list[str]:
        self.view.end()
        cursor = self.emulator.screen.cursor
        assert cursor.x == 0
        assert not cursor.hidden
        assert not any(self.emulator.shown()[cursor.y :]), "something is left of the tail"
        return trimmed(self.emulator.lines())


def visible(token: str) -> str:
    """The last letters of a token that a person must see: not of a fence's language, an entity."""
    letters = re.findall(r"[^\W_]+", token)
    return letters[-1][-4:] if letters and not re.search("```|&", token) else ""


def cut(text: str, places: list[int]) -> list[str]:
    cuts = sorted({0, len(text), *(place for place in places if place < len(text))})
    return [text[a:b] for a, b in pairwise(cuts)]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("step", [1, 17, 400])
def test_the_end_is_as_if_rendered_at_once(columns: int, rows: int, step: int) -> None:
    watched = Watched(columns, rows)
    for at in range(0, len(ANSWER), step):
        watched.show(ANSWER[at : at + step])
    assert watched.end() == whole(ANSWER, columns)


class Script:
    """A queue whose pieces come at their times, by a clock that waits for nobody."""

    def __init__(self, pieces: list[str], rate: float) -> None:
        self.now = 0.0
        self._rest = [(at / rate, piece) for at, piece in enumerate([*pieces, None])]
        self.taken: list[tuple[float, str]] = []

    def get(self, block: bool = True, timeout: float | None = None) -> str | None:
        at, piece = self._rest[0]
        if timeout is not None and at > self.now + timeout:
            self.now += timeout
            raise Empty
        self.now = max(self.now, at)
        del self._rest[0]
        if piece:
            self.taken.append((at, piece))
        return piece


class Timed(LiveView):
    """A view that checks, frame by frame, when a piece came to be shown."""

    def __init__(self, script: Script, columns: int, rows: int) -> None:
        self.emulator = Emulator(columns, rows)
        super().__init__(self.emulator, lambda: self.emulator.size, color=False)
        self.script = script
        self.frames: list[float] = []

    def draw(self) -> None:
        super().draw()
        self.frames.append(self.script.now)
        shown = "".join(self.emulator.shown())
        for came, piece in self.script.taken:
            assert self.script.now - came <= 0.1, f"{piece!r} was not shown in time"
        assert visible(self.script.taken[-1][1]) in shown
        self.script.taken.clear()


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("rate", [1, 3, 50, 1000])
def test_each_token_is_on_the_screen_within_100_ms(columns: int, rows: int, rate: float) -> None:
    """And no more than 20 frames a second are drawn."""
    tokens = re.findall(r"\s*\S+", ANSWER)
    script = Script(tokens, rate)
    view = Timed(script, columns, rows)
    pump(view, Pace(lambda: script.now), script)
    assert trimmed(view.emulator.lines()) == whole(ANSWER, columns)
    assert not script.taken or script.now - script.taken[0][0] <= 0.1
    assert all(b - a >= FRAME - 1e-9 for a, b in pairwise(view.frames))


def check_resize(
    pieces: list[str], place: int, before: tuple[int, int], after: tuple[int, int], reflow: bool
) -> None:
    """What was finished stays as it was; the rest is what it would have been in the new width."""
    watched = Watched(*before)
    rest = Document(before[0], Painter(color=False))
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
    check_resize(list(ANSWER), place, before, after, reflow)


class Broken:
    """A sink whose reader is gone."""

    def write(self, data: bytes) -> int:
        raise OutputClosed


def test_what_goes_wrong_while_drawing_is_raised_where_text_is_written() -> None:
    writer = LiveMarkdown(LiveView(Broken(), lambda: (80, 24), color=False))
    writer.write("a")
    with pytest.raises(OutputClosed):
        writer.finish(complete=False)
    with pytest.raises(OutputClosed):
        writer.write("b")


def test_the_writer_leaves_what_was_shown_and_the_cursor_below_it() -> None:
    emulator = Emulator(40, 10)
    writer = LiveMarkdown(LiveView(emulator, lambda: (40, 10), color=False))
    writer.write("")
    writer.write("half of an *ans")
    writer.finish(complete=False)
    assert trimmed(emulator.lines()) == ["half of an *ans"]
    assert (emulator.screen.cursor.x, emulator.screen.cursor.y) == (0, 1)


def test_nothing_is_written_of_an_empty_answer() -> None:
    raw = MemoryRaw()
    writer = LiveMarkdown(LiveView(raw, lambda: (40, 10), color=False))
    writer.finish(complete=True)
    view = LiveView(raw, lambda: (40, 10), color=False)
    view.draw()
    view.end()
    assert not raw.text()


@pytest.mark.parametrize(
    ("width", "term", "to_person", "kind"),
    [
        (80, "xterm", True, LiveMarkdown),
        (80, "dumb", True, MarkdownWriter),
        (19, "xterm", True, TerminalWriter),
        (80, "xterm", False, MarkdownWriter),
    ],
)
def test_where_nothing_can_be_drawn_twice_it_is_written_once(
    width: int, term: str, to_person: bool, kind: type
) -> None:
    with Path(os.devnull).open("wb", buffering=0) as raw:
        terminal = Terminal(
            None,
            Output(raw),
            RedactingStderr(None),
            width=width,
            stdout_tty=True,
            env={"TERM": term},
        )
        writer = markdown_writer(terminal.stdout, terminal, color=False, to_person=to_person)
        assert type(writer) is kind


def test_without_a_terminal_the_size_is_the_usual_one() -> None:
    with Path(os.devnull).open("wb", buffering=0) as raw:
        assert terminal_size(raw.fileno(), 72)() == (72, 24)


def test_the_echo_of_another_programs_terminal_is_left_alone() -> None:
    ours, theirs = pty.openpty()
    try:
        before = termios.tcgetattr(theirs)
        echo = Echo(theirs)  # not the terminal that controls the tests
        echo.off()
        assert termios.tcgetattr(theirs) == before
        echo.restore()
        assert termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
        os.close(theirs)


def test_columns_that_the_user_set_hold_until_a_resize() -> None:
    ours, theirs = pty.openpty()
    try:
        termios.tcsetwinsize(theirs, (30, 100))
        size = terminal_size(theirs, 72)
        assert size() == (72, 30)
        termios.tcsetwinsize(theirs, (30, 90))
        assert size() == (90, 30)
    finally:
        os.close(ours)
        os.close(theirs)


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
@settings(deadline=None, max_examples=150)
@example("a | b\n--|--\n" + "c | d\n" * 40, [50, 60, 100, 150], (40, 10))
@example("- a\n" * 30 + "\n" + "x **y " * 80, [7, 60, 100, 150, 200, 300], (40, 10))
def test_no_cut_changes_the_end_and_no_finished_line_changes(
    text: str, places: list[int], size: tuple[int, int]
) -> None:
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
@settings(deadline=None, max_examples=100)
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
@settings(deadline=None, max_examples=100)
def test_every_letter_of_the_answer_is_shown(text: str, places: list[int]) -> None:
    """In this order; but of a table, cells that the head has no column for are dropped."""
    text = text.replace("|", "").replace("&amp;", "").replace("```", "").replace("~", "")
    shown = "".join(whole(text, 60))
    letters = [c for c in text if c.isalpha()]
    rest = iter(shown)
    assert all(letter in rest for letter in letters)

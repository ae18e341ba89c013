"""An answer that is drawn as it comes: what stands on the screen, after each piece and at the end.

The screen is a terminal emulator; the size, the clock and the cuts are the test's.
"""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocx.output.live import LiveView
from ocx.output.live_document import Document
from ocx.output.live_style import Painter
from tests.support.emulator import Emulator

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

    def __init__(self, columns: int, rows: int, *, color: bool = False) -> None:
        self.emulator = Emulator(columns, rows)
        self.view = LiveView(self.emulator, lambda: self.emulator.size, color=color)
        self.finished: list[str] = []

    def show(self, piece: str) -> None:
        self.view.feed(piece)
        self.view.draw()
        lines = self.emulator.lines()
        assert lines[: len(self.finished)] == self.finished, "a finished line has changed"
        cursor = self.emulator.screen.cursor.y
        above = [*self.emulator.scrolled(), *self.emulator.shown()[:cursor]]
        self.finished = above

    def end(self) -> list[str]:
        self.view.end()
        cursor = self.emulator.screen.cursor
        assert cursor.x == 0
        assert not cursor.hidden
        assert not any(self.emulator.shown()[cursor.y :])
        return trimmed(self.emulator.lines())


def trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def cut(text: str, places: list[int]) -> list[str]:
    cuts = sorted({0, len(text), *(place for place in places if place < len(text))})
    return [text[a:b] for a, b in pairwise(cuts)]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("step", [1, 3, 17, 400])
def test_the_end_is_as_if_rendered_at_once(columns: int, rows: int, step: int) -> None:
    watched = Watched(columns, rows)
    for at in range(0, len(ANSWER), step):
        watched.show(ANSWER[at : at + step])
    assert watched.end() == whole(ANSWER, columns)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_each_word_is_on_the_screen_as_soon_as_it_is_here(columns: int, rows: int) -> None:
    words = re.findall(r"\S*\w\S*\s*|\S+\s*", ANSWER.partition("***")[0])
    watched = Watched(columns, rows)
    for word in words:
        watched.show(word)
        if (letters := re.findall(r"[^\W_]+", word)) and not word.startswith("```"):
            assert letters[-1][-4:] in "".join(watched.emulator.shown()), word
    watched.end()


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
@settings(deadline=None, max_examples=300)
@example("a | b\n--|--\n" + "c | d\n" * 40, [50, 60, 100, 150], (40, 10))
@example("- a\n" * 30 + "\n" + "x **y " * 80, [7, 60, 100, 150, 200, 300], (40, 10))
def test_no_cut_changes_the_end_and_no_finished_line_changes(
    text: str, places: list[int], size: tuple[int, int]
) -> None:
    watched = Watched(*size)
    for piece in cut(text, places):
        watched.show(piece)
    assert watched.end() == trimmed(whole(text, size[0]))


@given(MARKDOWN, CUTS)
@settings(deadline=None, max_examples=200)
def test_every_letter_of_the_answer_is_shown(text: str, places: list[int]) -> None:
    """In this order; but of a table, cells that the head has no column for are dropped."""
    text = text.replace("|", "").replace("&amp;", "").replace("```", "").replace("~", "")
    shown = "".join(whole(text, 60))
    letters = [c for c in text if c.isalpha()]
    rest = iter(shown)
    assert all(letter in rest for letter in letters)

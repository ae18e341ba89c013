"""An answer of every kind of block, and the screen of an emulator that it is drawn on."""

from __future__ import annotations

import re
from itertools import pairwise

from ocx.output.markdown.document import Document
from ocx.output.markdown.layout import AnsiRenderer
from ocx.output.markdown.live import LiveMarkdown
from tests.support.emulator import Emulator, trimmed

WIDTH = 120
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


def rendered(*pieces: str, width: int = WIDTH, color: bool = False) -> list[str]:
    """All lines of an answer that comes in these pieces."""
    document = Document(width, AnsiRenderer(color=color))
    for piece in pieces:
        document.feed(piece)
    document.end()
    return document.finished()


def whole(text: str, columns: int) -> list[str]:
    return rendered(text, width=columns)


class Watched:
    """A view on an emulator, checked after each piece."""

    def __init__(self, columns: int, rows: int) -> None:
        self.emulator = Emulator(columns, rows)
        self.view = LiveMarkdown(self.emulator, lambda: self.emulator.size, color=False)
        self.finished: list[str] = []
        """The lines of the screen above the tail: the cursor stands at its beginning."""

    def show(self, piece: str) -> None:
        before = len(self.emulator.screen.above)
        self.view.feed(piece)
        self.view.draw()
        shown = self.emulator.shown()
        scrolled = len(self.emulator.screen.above) - before
        left = self.finished[scrolled:]
        assert shown[: len(left)] == left, "a finished line has changed"
        self.finished = shown[: self.emulator.screen.cursor.y]

    def end(self) -> list[str]:
        self.view.draw_last()
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

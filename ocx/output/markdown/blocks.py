"""The blocks that hold text: what of them is final is given to the layout, the rest waits.

Each may be read again with more lines; `kept` returns what of its lines in the source is needed for
that, and `close` writes all that is left.
"""

from __future__ import annotations

from copy import copy
from itertools import zip_longest

from markdown_it.token import Token
from rich.style import Style

from ocx.output.markdown.highlight import State, highlight, lexer_of
from ocx.output.markdown.layout import PLAIN, Layout, Span, style_of
from ocx.output.markdown.parser import BAR, HEADING, LAID, REACH, inline_spans, settled
from ocx.output.screen_table import shrunk
from ocx.typography import cells, folds
from ocx.wrapping import Wrapper, parted, wrapped_runs

_TAB = 4
_GAP = 2


class Paragraph:
    """Lines of prose. Settled text is laid out once; its finished lines go to the layout."""

    def __init__(self, layout: Layout) -> None:
        self._wrapper: Wrapper[Style] = Wrapper(layout.room)
        self._text = ""
        self._laid = self._tried = 0

    def copy(self) -> Paragraph:
        twin = copy(self)
        twin._wrapper = self._wrapper.copy()
        return twin

    def read(self, layout: Layout, text: str, *, whole: bool) -> None:
        """Its text so far; `whole` if its last line is."""
        self._text = text
        self._settle(self._limit(whole=whole))
        layout.write(self._wrapper.take())

    def resize(self, layout: Layout) -> None:
        self._wrapper = self._wrapper.resized(layout.room)
        layout.write(self._wrapper.take())

    def close(self, layout: Layout) -> None:
        self._settle(len(self._text))
        self._lay(len(self._text))
        layout.write(self._wrapper.finish())

    def kept(self, source: list[str]) -> list[str]:
        """With `LAID` in the place of what is laid out."""
        if not self._laid:
            return source
        lines = self._text.split("\n")
        row = self._text.count("\n", 0, self._laid)
        column = self._laid - (self._text.rfind("\n", 0, self._laid) + 1)
        before = source[0][: _indent(source[0], lines[0])]
        rest = source[row][_indent(source[row], lines[row]) + column :]
        self._tried += len(LAID) - self._laid
        self._laid = len(LAID)
        return [before + LAID + rest, *source[row + 1 :]]

    def _settle(self, limit: int) -> None:
        while True:
            end, self._tried = settled(self._text, self._laid, self._tried, limit)
            if end == self._laid:
                break
            self._lay(end)

    def _limit(self, *, whole: bool) -> int:
        """The end of what no later line turns into a heading or the head of a table."""
        if not self._laid and len(self._text) <= HEADING:
            return 0
        start = self._text.rfind("\n") + 1
        line = self._text[start:].lstrip()
        is_head = "|" in line[:BAR] and len(line) <= REACH
        may_be_head = is_head or (not whole and len(line) <= BAR)
        return start if may_be_head and self._laid <= start else len(self._text)

    def _lay(self, end: int) -> None:
        for text, style in inline_spans(self._text[self._laid : end]):
            self._wrapper.feed(text, style)
        self._laid = end


def _indent(line: str, text: str) -> int:
    """How much stands in the source before the text of a paragraph's line."""
    return len(line.rstrip()) - len(text.rstrip())


class Code:
    """A fenced or an indented block of code; empty lines wait for the next that is not.

    A line that is too long to be highlighted is shown row by row as it comes.
    """

    def __init__(self, layout: Layout, *, fenced: bool, language: str = "") -> None:
        self._lexer = lexer_of(language)
        self._state = State()
        self._fenced = fenced
        self._text = ""
        self._empty = 0
        self._row: str | None = None
        """The last row of a line that goes on."""
        self._column = 0
        self.resize(layout)

    def copy(self) -> Code:
        return copy(self)

    def read(self, layout: Layout, text: str, *, end: bool) -> None:
        """The next lines; the last is not whole yet if it has no newline, unless it is the end."""
        self._text = text
        *lines, rest = text.removeprefix("" if self._fenced else f"{LAID}\n").split("\n")
        for line in [*lines, rest] if rest and end else lines:
            if line.startswith(LAID):
                self._extend(layout, line.removeprefix(LAID))
                self._end_line(layout)
            else:
                self._add(layout, line)
        if rest and not end:
            self._extend(layout, rest.removeprefix(LAID))

    def kept(self, source: list[str]) -> list[str]:
        """How it began, and what follows the lines that were read."""
        *lines, rest = self._text.split("\n")
        if rest:
            return [source[0], source[-1].removesuffix(rest) + LAID]
        if self._fenced:
            return [source[0], *source[1 + len(lines) :]]
        *empty, last = source[len(lines) :]
        self._empty += max(len(empty) - 1, 0)
        return [source[0].removesuffix(lines[0]) + LAID, *empty[-1:], last]

    def resize(self, layout: Layout) -> None:
        self._width = max(layout.room - 2, 1)

    def close(self, layout: Layout) -> None:
        self._end_line(layout)
        layout.fill()

    def _add(self, layout: Layout, line: str) -> None:
        if not line.strip():
            self._empty += 1
            return
        self._write_empty(layout)
        line = line.expandtabs(_TAB)
        spans, self._state = highlight(self._lexer, line, self._state)
        places = folds(line, self._width, prose=False)  # of code no space may get lost
        layout.write([(" ", PLAIN), *row] for row in parted(spans, places))

    def _extend(self, layout: Layout, text: str) -> None:
        """More of a line that is too long to be highlighted."""
        if self._row is None:
            self._write_empty(layout)
            self._row, self._column = "", 0
        before = self._column % _TAB
        expanded = (" " * before + text).expandtabs(_TAB)[before:]
        self._column += len(expanded)
        row = self._row + expanded
        *full, [(self._row, _)] = parted([(row, PLAIN)], folds(row, self._width, prose=False))
        layout.write([(" ", PLAIN), *line] for line in full)

    def _end_line(self, layout: Layout) -> None:
        if self._row is not None:
            layout.write([[(f" {self._row}", PLAIN)]])
            self._row = None

    def _write_empty(self, layout: Layout) -> None:
        for _ in range(self._empty):
            _, self._state = highlight(self._lexer, "", self._state)
            layout.write([[]])
        self._empty = 0


Cell = list[Span]


class Table:
    """A table: as wide as its widest cells, so nothing of it is final before its end."""

    def __init__(self, layout: Layout, tokens: list[Token]) -> None:
        head = style_of("table.header")
        self._head = [inline_spans(text, head) for text in _rows(tokens)[0]]
        self._alignments = [
            str(token.attrs.get("style", "")).removeprefix("text-align:")
            for token in tokens
            if token.type == "th_open"
        ]
        self._rows: list[list[Cell]] = []
        self._widest = list(map(_widest, self._head))
        self._width = layout.room

    def copy(self) -> Table:
        twin = copy(self)
        twin._rows = self._rows[:]
        return twin

    def read(self, tokens: list[Token]) -> None:
        """The head, and the next rows."""
        for row in _rows(tokens)[1:]:
            cells_of_row = [inline_spans(text) for text in row]
            self._rows.append(cells_of_row)
            self._widest = list(map(max, self._widest, map(_widest, cells_of_row)))

    def kept(self, source: list[str]) -> list[str]:
        """The head, and the rule below it."""
        return [*source[:2], source[-1]]

    def resize(self, layout: Layout) -> None:
        self._width = layout.room

    def close(self, layout: Layout) -> None:
        """Write all lines, or at least as many as are looked at, if that is less work."""
        widths = shrunk(self._widest, self._width - _GAP * (len(self._widest) - 1))
        found: list[list[list[Span]]] = []
        count = 0
        for row in reversed(self._rows):
            found.append(self._row(row, widths))
            count += len(found[-1])
            if layout.wanted is not None and count >= layout.wanted:
                break
        else:
            border = [("─" * (sum(widths) + _GAP * (len(widths) - 1)), style_of("table.border"))]
            found.append([*self._row(self._head, widths), border])
        for lines in reversed(found):
            layout.write(lines)

    def _row(self, row: list[Cell], widths: list[int]) -> list[list[Span]]:
        columns = [
            wrapped_runs(cell, width) or [[]] for cell, width in zip(row, widths, strict=True)
        ]
        lines: list[list[Span]] = []
        for texts in zip_longest(*columns, fillvalue=list[Span]()):
            line: list[Span] = []
            for text, width, alignment in zip(texts, widths, self._alignments, strict=True):
                room = max(width - sum(cells(part) for part, _ in text), 0)
                before = {"right": room, "center": room // 2}.get(alignment, 0)
                line += [(" " * before, PLAIN), *text, (" " * (room - before + _GAP), PLAIN)]
            lines.append(line)
        return lines


OpenBlock = Paragraph | Code | Table


def _rows(tokens: list[Token]) -> list[list[str]]:
    """The texts of the cells."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token.content)
    return rows


def _widest(cell: Cell) -> int:
    """In one line, but for its hard line breaks."""
    text = "".join(part for part, _ in cell)
    return max(map(cells, text.split("\n")))

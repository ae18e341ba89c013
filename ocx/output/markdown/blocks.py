"""The blocks that hold text: what of them is final is given to the page, the rest waits."""

from __future__ import annotations

from typing import Protocol

from markdown_it.token import Token
from rich.style import Style

from ocx.output.markdown.highlight import State, highlight, lexer_of
from ocx.output.markdown.inline import PARSER, REACH, inline_runs, settled
from ocx.output.markdown.layout import PLAIN, Page, Run, style_of
from ocx.typography import cells, folds
from ocx.wrapping import Wrapper, parted, wrapped_runs

_TAB = 4
HEADING = 72
"""Characters of a line up to which one that is underlined below is a heading."""


class Leaf(Protocol):
    """A block that is open."""

    def copy(self) -> Leaf: ...

    def resize(self, page: Page) -> None: ...

    def close(self, page: Page) -> None:
        """Write all that is left."""


class Paragraph:
    """Lines of prose. Settled text is laid out once; its finished lines go to the page."""

    def __init__(self, page: Page, line: str, *, whole: bool) -> None:
        self._source = line
        self._line = 0
        """Where the last line begins."""
        self._whole = whole
        self._laid = self._tried = 0
        self._wrapper: Wrapper[Style] = Wrapper(page.room)
        self.lines = 1
        self._settle(page)

    def copy(self) -> Paragraph:
        twin = object.__new__(Paragraph)
        twin.__dict__.update(self.__dict__)
        twin._wrapper = self._wrapper.copy()
        return twin

    @property
    def last_line(self) -> str:
        return self._source[self._line :]

    @property
    def may_be_heading(self) -> bool:
        """Whether an underline makes it a heading."""
        return self.lines == 1 and len(self._source) <= HEADING and not self._laid

    @property
    def may_be_head(self) -> bool:
        """Whether the last line may be the head of a table: nothing of it is laid out."""
        return self._laid <= self._line

    def add(self, page: Page, line: str, *, whole: bool) -> None:
        """The next line; `whole` if all of it is here."""
        self._source += "\n"
        self._line = len(self._source)
        self._source += line
        self.lines += 1
        self._whole = whole
        self._settle(page)

    def extend(self, page: Page, text: str) -> None:
        """More of the last line."""
        self._source += text
        self._settle(page)

    def end_line(self, page: Page) -> None:
        self._whole = True
        self._settle(page)

    def pop_line(self) -> str:
        """The last line becomes something else."""
        line = self.last_line
        self._source = self._source[: max(self._line - 1, 0)]
        return line

    def resize(self, page: Page) -> None:
        self._wrapper = self._wrapper.resized(page.room)
        self._write(page)

    def close(self, page: Page) -> None:
        self._lay(self._source[self._laid :].rstrip())
        page.write_lines(self._wrapper.finish())

    def _settle(self, page: Page) -> None:
        limit = self._limit()
        while True:
            end, self._tried = settled(self._source, self._laid, self._tried, limit)
            if end == self._laid:
                break
            self._lay(self._source[self._laid : end])
            self._laid = end
        self._write(page)
        if self._laid > 4 * REACH:  # what is laid out is not needed any more
            self._forget(self._laid - 1)

    def _limit(self) -> int:
        """The end of what no later line turns into a heading or the head of a table."""
        if self._laid > self._line:
            return len(self._source)
        size = len(self._source) - self._line
        if size <= HEADING and (self.lines == 1 or not self._whole):
            return self._line if self.lines > 1 else 0
        if "|" in self._source[self._line : self._line + HEADING] and size <= REACH:
            return self._line
        return len(self._source)

    def _forget(self, count: int) -> None:
        self._source = self._source[count:]
        self._line = max(self._line - count, 0)
        self._laid -= count
        self._tried -= count

    def _lay(self, source: str) -> None:
        for text, style in inline_runs(source):
            self._wrapper.feed(text, style)

    def _write(self, page: Page) -> None:
        page.write_lines(self._wrapper.take())


class Code:
    """A fenced or an indented block of code; empty lines wait for the next that is not.

    A line that is too long to be highlighted is shown row by row as it comes.
    """

    def __init__(self, page: Page, language: str = "") -> None:
        self._lexer = lexer_of(language)
        self._state = State()
        self._empty = 0
        self._width = _code_width(page)
        self._row: str | None = None
        """The last row of a line that goes on."""
        self._column = 0

    def copy(self) -> Code:
        twin = object.__new__(Code)
        twin.__dict__.update(self.__dict__)
        return twin

    def add(self, page: Page, line: str) -> None:
        if not line.strip():
            self._empty += 1
            return
        self._write_empty(page)
        line = line.expandtabs(_TAB)
        runs, self._state = highlight(self._lexer, line, self._state)
        places = folds(line, self._width, prose=False)  # of code no space may get lost
        for row in parted(runs, places):
            page.write_line([(" ", PLAIN), *row])

    def begin(self, page: Page, text: str) -> None:
        """A line of more than `LONGEST` characters that is not whole."""
        self._write_empty(page)
        self._row, self._column = "", 0
        self.extend(page, text)

    def extend(self, page: Page, text: str) -> None:
        """More of it."""
        before = self._column % _TAB
        expanded = (" " * before + text).expandtabs(_TAB)[before:]
        self._column += len(expanded)
        row = (self._row or "") + expanded
        start = 0
        for place in folds(row, self._width, prose=False):
            page.write_line([(f" {row[start:place]}", PLAIN)])
            start = place
        self._row = row[start:]

    def end_line(self, page: Page) -> None:
        if self._row is not None:
            page.write_line([(f" {self._row}", PLAIN)])
            self._row = None

    def _write_empty(self, page: Page) -> None:
        for _ in range(self._empty):
            _, self._state = highlight(self._lexer, "", self._state)
            page.write_line([])
        self._empty = 0

    def resize(self, page: Page) -> None:
        self._width = _code_width(page)

    def close(self, page: Page) -> None:
        self.end_line(page)
        page.fill()


def _code_width(page: Page) -> int:
    return max(page.room - 2, 1)


class TableLeaf:
    """A table: as wide as its widest cells, so nothing of it is final before its end."""

    def __init__(self, page: Page, head: str, rule: str) -> None:
        self._head = f"{head}\n{rule}\n"
        self._table = Table(page.room, _cells(self._head)[0], _alignments(self._head))

    def copy(self) -> TableLeaf:
        twin = object.__new__(TableLeaf)
        twin._head = self._head
        twin._table = self._table.copy()
        return twin

    def add(self, row: str) -> None:
        self._table.add(_cells(self._head + row)[1])

    def resize(self, page: Page) -> None:
        self._table.width = page.room

    def close(self, page: Page) -> None:
        for line in self._table.lines(page.wanted):
            page.write_line(line)


def is_table(head: str, rule: str) -> bool:
    """Whether `rule` makes a table of the line before it."""
    if "|" not in head[:HEADING] or len(head) > REACH:
        return False
    tokens = PARSER.parse(f"{head}\n{rule}\n")
    return bool(tokens) and tokens[0].type == "table_open"


def _cells(source: str) -> list[list[list[Run]]]:
    """The rows of a table, each a list of cells."""
    rows: list[list[list[Run]]] = []
    head: Style = PLAIN
    for token in PARSER.parse(source):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in {"thead_open", "tbody_open"}:
            head = style_of("table.header") if token.type == "thead_open" else PLAIN
        elif token.type == "inline" and rows:
            rows[-1].append(inline_runs(token.content, head))
    return rows


def _alignments(source: str) -> list[str]:
    def alignment(token: Token) -> str:
        return str(token.attrs.get("style", "")).removeprefix("text-align:")

    return [alignment(token) for token in PARSER.parse(source) if token.type == "th_open"]


_GAP = 2
Cell = list[Run]


class Table:
    """Rows of cells of styled text."""

    def __init__(self, width: int, head: list[Cell], alignments: list[str]) -> None:
        self.width = width
        self._head = head
        self._alignments = alignments
        self._rows: list[list[Cell]] = []
        self._widest = [_widest(cell) for cell in head]

    def copy(self) -> Table:
        twin = Table(self.width, self._head, self._alignments)
        twin._rows = self._rows[:]
        twin._widest = self._widest[:]
        return twin

    def add(self, row: list[Cell]) -> None:
        self._rows.append(row)
        self._widest = [max(w, _widest(c)) for w, c in zip(self._widest, row, strict=False)]

    def lines(self, wanted: int | None = None) -> list[list[Run]]:
        """All lines, or at least the last `wanted` of them, if that is less work."""
        widths = shrunk(self._widest, self.width - _GAP * (len(self._widest) - 1))
        found: list[list[list[Run]]] = []
        count = 0
        for row in reversed(self._rows):
            found.append(self._row(row, widths))
            count += len(found[-1])
            if wanted is not None and count >= wanted:
                break
        else:
            border = [("─" * (sum(widths) + _GAP * (len(widths) - 1)), style_of("table.border"))]
            found.append([*self._row(self._head, widths), border])
        return [line for lines in reversed(found) for line in lines]

    def _row(self, row: list[Cell], widths: list[int]) -> list[list[Run]]:
        columns = [wrapped_runs(cell, width) for cell, width in zip(row, widths, strict=False)]
        return [
            self._line([column[at] if at < len(column) else [] for column in columns], widths)
            for at in range(max([1, *map(len, columns)]))
        ]

    def _line(self, row: list[list[Run]], widths: list[int]) -> list[Run]:
        line: list[Run] = []
        for text, width, alignment in zip(row, widths, self._alignments, strict=False):
            room = max(width - sum(cells(part) for part, _ in text), 0)
            before = {"right": room, "center": room // 2}.get(alignment, 0)
            line += [(" " * before, PLAIN), *text, (" " * (room - before + _GAP), PLAIN)]
        return line


def _widest(cell: Cell) -> int:
    """In one line, but for its hard line breaks."""
    text = "".join(part for part, _ in cell)
    return max(map(cells, text.split("\n")), default=0)


def shrunk(widths: list[int], room: int) -> list[int]:
    """Column widths that fit into `room`, at the cost of the widest; none becomes nothing."""
    widths = [max(width, 1) for width in widths]
    room = max(room, len(widths))
    while (excess := sum(widths) - room) > 0:
        widest = max(widths)
        others = [width for width in widths if width < widest]
        many = len(widths) - len(others)
        step = max(min(widest - max(others, default=1), -(-excess // many)), 1)
        for place, width in enumerate(widths):
            if width == widest and excess > 0:
                cut = min(step, excess)
                widths[place] -= cut
                excess -= cut
    return widths

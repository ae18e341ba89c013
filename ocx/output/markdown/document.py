"""An answer in Markdown as it comes: its finished lines, and what its last lines look like now.

Markdown line by line: which block a line belongs to, by the algorithm of CommonMark.

markdown-it parses a whole text, and what its last block is may change with the next line. Here
each line goes to the page as soon as no later one can change it. Three rules are narrower than
CommonMark's, so that this is soon: a heading that is underlined is one line of at most 72
characters; so early stands the first bar in the head of a table; emphasis, code and links reach
no further than about 1,000 characters. An empty line stands between two blocks of the answer;
inside a list or a quote it stands where it was written.

Source: https://spec.commonmark.org/0.31.2/#appendix-a-parsing-strategy
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ocx.output.markdown.blocks import Code, Leaf, Paragraph, TableLeaf, is_table
from ocx.output.markdown.highlight import LONGEST
from ocx.output.markdown.inline import inline_runs
from ocx.output.markdown.layout import Frame, Page, Painter, item_frame, quote_frame, style_of
from ocx.text import escape_control
from ocx.wrapping import wrapped_runs

_LONG = 72
_TAB_WIDTH = 4
_SHOWN = 2000
"""Characters that are shown of a heading or a row of a table before its end."""
# Indentation and the markers of quotes and lists.
_BEFORE_TEXT = re.compile(r"(?:[ \t>]|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))*")


class Document:
    """Feed text, take lines. The lines are the same however the text was cut.

    Args:
        width: columns of the screen.
    """

    def __init__(self, width: int, painter: Painter) -> None:
        self._page = Page(width, painter)
        self._blocks = Blocks(self._page)
        self._line = ""
        """What has come of the line that is not whole yet, without what its block has."""
        self._begun = False
        """Whether its block has the beginning of it."""
        self._try_at = _LONG
        """How long it must be to be looked at again."""

    def feed(self, text: str) -> None:
        """The next piece of the answer, as it came."""
        first, *lines = escape_control(text).split("\n")
        self._line += first
        for line in lines:
            self._end_line()
            self._line = line
        if self._begun or len(self._line) > self._try_at:
            self._extend()

    def finished(self) -> list[str]:
        """The lines that have become final since the last call."""
        return self._page.take()

    def tail(self, wanted: int | None = None) -> list[str]:
        """The lines that may change yet, at least the last `wanted` of them."""
        page = self._page.copy(wanted)
        blocks = self._blocks.copy(page)
        if self._begun:
            blocks.extend(self._expanded())
        elif self._line:
            blocks.line(_shortened(self._expanded()))
        blocks.end()
        return page.take()

    def end(self) -> None:
        """No more text comes: all lines are final."""
        if self._line or self._begun:
            self._end_line()
        self._blocks.end()

    def resize(self, width: int) -> None:
        """What is not final yet goes on in another width."""
        self._page.width = width
        self._blocks.resize()

    def _end_line(self) -> None:
        if self._begun:
            self._blocks.extend(self._expanded())
            self._blocks.end_line()
        else:
            self._blocks.line(self._expanded())
        self._line, self._begun, self._try_at = "", False, _LONG

    def _extend(self) -> None:
        """Prose goes to its paragraph before its line is whole: a paragraph is often one line.

        So does a long line of code to its block.
        """
        line = self._expanded()
        if self._begun:
            self._blocks.extend(line)
        elif self._blocks.takes_parts(line):
            self._blocks.line(line, whole=False)
        else:
            self._try_at = 2 * len(self._line)
            return
        self._line, self._begun = "", True

    def _expanded(self) -> str:
        """The line with spaces for the tabs before its text, as wide as they are there."""
        if self._begun or "\t" not in self._line:
            return self._line
        text = _BEFORE_TEXT.sub("", self._line, count=1)
        return self._line.removesuffix(text).expandtabs(_TAB_WIDTH) + text


def _shortened(line: str) -> str:
    """How a line that is not whole begins, and its end: each frame lays it out anew."""
    return line if len(line) <= _SHOWN + _LONG else f"{line[:_LONG]} … {line[-_SHOWN:]}"


_TAB = 4
_DEEPEST = 20
_HEADING = re.compile(r"(#{1,6})(?:[ \t]|$)")
_FENCE = re.compile(r"(`{3,})([^`]*)$|(~{3,})(.*)$")
_RULE = re.compile(r"(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_UNDERLINE = re.compile(r"(=+|-+)[ \t]*$")
_MARKER = re.compile(r"([-+*]|(\d{1,9})[.)])( +|$)")
# A line of nothing else may yet underline a heading, rule a table or part two blocks.
_UNDECIDED = re.compile(r"[-|:=*_ \t]*$")


@dataclass
class Level:
    """A container, or the answer itself."""

    indent: int = 0
    """Columns before the text of an item; 0 for a quote."""
    filled: bool = False
    series: str = ""
    """The marker of the list that stands last in it."""
    number: int = 0


@dataclass(frozen=True)
class Fence:
    """How a fenced block began."""

    mark: str
    indent: int

    def may_close(self, start: str) -> bool:
        """Whether a line that starts so may turn out to be the end."""
        return not start.strip().strip(self.mark[0])

    def closes(self, rest: str) -> bool:
        body = rest.strip()
        indent = len(rest) - len(rest.lstrip(" "))
        return indent < _TAB and len(body) >= len(self.mark) and not body.strip(self.mark[0])

    def line(self, rest: str) -> str:
        return rest[min(self.indent, len(rest) - len(rest.lstrip(" "))) :]


class Blocks:
    """Takes lines, writes to a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._levels = [Level()]
        self._leaf: Leaf | None = None
        self._fence: Fence | None = None
        self._blank = False

    def copy(self, page: Page) -> Blocks:
        """To try what comes of a line: writes to another page, and leaves this one as it is."""
        twin = object.__new__(Blocks)
        twin.__dict__.update(self.__dict__)
        twin.page = page
        twin._levels = [Level(**level.__dict__) for level in self._levels]
        twin._leaf = self._leaf.copy() if self._leaf else None
        return twin

    def resize(self) -> None:
        if self._leaf:
            self._leaf.resize(self.page)

    def end(self) -> None:
        """No more lines."""
        self._close(1)

    def takes_parts(self, start: str) -> bool:
        """Whether a line that starts so is certainly one of a paragraph, or a long one of code."""
        if isinstance(self._leaf, Code):
            if len(start) <= LONGEST or not self._fence:
                return False
            rest, depth = self._continued(start)
            inside = depth == len(self._levels) and not self._fence.may_close(rest)
            return inside and len(self._fence.line(rest)) > LONGEST
        twin = self.copy(self.page.copy(0))
        twin.line(start)
        leaf = twin._leaf
        return isinstance(leaf, Paragraph) and not _UNDECIDED.match(leaf.last_line)

    def extend(self, text: str) -> None:
        """More of a line that was not whole."""
        if isinstance(self._leaf, Paragraph | Code):
            self._leaf.extend(self.page, text)

    def end_line(self) -> None:
        """It is whole now."""
        if isinstance(self._leaf, Paragraph | Code):
            self._leaf.end_line(self.page)

    def line(self, text: str, *, whole: bool = True) -> None:
        """The next line, without its newline; `extend` follows if it is not whole."""
        rest, depth = self._continued(text)
        if depth == len(self._levels) and isinstance(self._leaf, Code):
            if not whole and self._fence:
                self._leaf.begin(self.page, self._fence.line(rest))
                return
            if self._takes(rest):
                return
        opened = False
        while body := rest.lstrip(" "):
            indent = len(rest) - len(body)
            if indent >= _TAB:
                if isinstance(self._leaf, Paragraph):
                    break
                self._begin(depth)
                self._leaf = Code(self.page)
                self._leaf.add(self.page, rest[_TAB:])
                return
            inner = self._quoted(body, depth)
            if inner is None:
                if self._is_block(body, indent, depth):
                    return
                inner = self._item(body, indent, depth)
            if inner is None:
                break
            rest, depth, opened = inner, len(self._levels), True
        if body:
            self._text(body, depth, whole=whole)
        else:
            self._close(depth)
            self._blank = not opened

    def _continued(self, rest: str) -> tuple[str, int]:
        """What stands after the containers that go on in this line, and how many those are."""
        for depth, level in enumerate(self._levels[1:], 1):
            body = rest.lstrip(" ")
            indent = len(rest) - len(body)
            if not level.indent:
                if indent >= _TAB or not body.startswith(">"):
                    return rest, depth
                rest = body[1:].removeprefix(" ")
            elif body and indent >= level.indent:
                rest = rest[level.indent :]
            elif not body and level.filled:
                rest = ""
            else:
                return rest, depth
        return rest, len(self._levels)

    def _takes(self, rest: str) -> bool:
        """Whether the open block of code takes the line, as code or as its end."""
        code = self._leaf
        assert isinstance(code, Code)  # noqa: S101 - told to mypy
        if self._fence:
            if self._fence.closes(rest):
                self._close(len(self._levels))
            else:
                code.add(self.page, self._fence.line(rest))
            return True
        blank = not rest.strip(" ")
        if blank or rest.startswith(" " * _TAB):
            code.add(self.page, rest[_TAB:])
            self._blank = blank
            return True
        return False

    def _quoted(self, body: str, depth: int) -> str | None:
        """What stands after a `>` that begins a quote."""
        if body[0] != ">" or len(self._levels) > _DEEPEST:
            return None
        self._begin(depth)
        self._enter(Level(), quote_frame())
        return body[1:].removeprefix(" ")

    def _item(self, body: str, indent: int, depth: int) -> str | None:
        """What stands after a marker that begins an item of a list."""
        found = _MARKER.match(body)
        if not found or len(self._levels) > _DEEPEST:
            return None
        marker, digits, space = found.groups()
        empty = found.end() == len(body)
        interrupts = isinstance(self._leaf, Paragraph) and depth == len(self._levels)
        if interrupts and (empty or (digits and int(digits) != 1)):
            return None  # 1986. was a good year: what interrupts a paragraph must be meant
        columns = len(marker) + (len(space) if 1 <= len(space) <= _TAB and not empty else 1)
        self._begin(depth, series=marker[-1], number=int(digits or 0))
        number = self._levels[-1].number if digits else None
        self._enter(Level(indent + columns), item_frame(number))
        return body[columns:]

    def _is_block(self, body: str, indent: int, depth: int) -> bool:
        """Whether the line is a block, or turns the one before it into another."""
        matched = depth == len(self._levels)
        if matched and isinstance(self._leaf, Paragraph) and self._turns(self._leaf, body, depth):
            return True
        if found := _HEADING.match(body):
            self._begin(depth)
            text = body[found.end() :].strip()
            closed = text.rstrip("#")
            text = closed.rstrip() if closed[-1:].isspace() or not closed else text
            self._heading(text, len(found.group(1)))
        elif found := _FENCE.match(body):
            self._begin(depth)
            mark, info, other, its_info = found.groups()
            self._leaf = Code(self.page, " ".join((info or its_info or "").split()[:1]))
            self._fence = Fence(mark or other, indent)
        elif _RULE.match(body):
            self._begin(depth)
            self.page.write_line([("-" * self.page.room, style_of("hr"))])
        else:
            return False
        return True

    def _turns(self, paragraph: Paragraph, body: str, depth: int) -> bool:
        """A line that makes a heading or a table of what stands above it."""
        found = _UNDERLINE.match(body)
        if found and paragraph.may_be_heading:
            self._leaf = None
            self._heading(paragraph.pop_line().rstrip(), 1 if found.group()[0] == "=" else 2)
            return True
        if paragraph.may_be_head and is_table(paragraph.last_line, body):
            head = paragraph.pop_line()
            self._leaf = None
            if paragraph.lines > 1:
                paragraph.close(self.page)
                self._begin(depth)
            self._leaf = TableLeaf(self.page, head, body)
            return True
        return False

    def _heading(self, text: str, level: int) -> None:
        lines = wrapped_runs(inline_runs(text, style_of(f"h{level}")), self.page.room)
        self.page.write_lines(lines or [[]])

    def _text(self, body: str, depth: int, *, whole: bool) -> None:
        if isinstance(self._leaf, Paragraph):
            self._leaf.add(self.page, body, whole=whole)
        elif isinstance(self._leaf, TableLeaf) and depth == len(self._levels):
            self._leaf.add(body)
        else:
            self._begin(depth)
            self._leaf = Paragraph(self.page, body, whole=whole)

    def _begin(self, depth: int, series: str = "", number: int = 0) -> None:
        """A block begins in the container of that depth; `series` if it is an item."""
        self._close(depth)
        parent = self._levels[-1]
        follows = bool(series) and parent.series == series
        self.page.gap(wanted=self._blank or (depth == 1 and not follows))
        self._blank = False
        parent.number = parent.number + 1 if follows else number
        parent.series = series
        parent.filled = True

    def _enter(self, level: Level, frame: Frame) -> None:
        self._levels.append(level)
        self.page.enter(frame)

    def _close(self, depth: int) -> None:
        if self._leaf:
            self._leaf.close(self.page)
            self._leaf = self._fence = None
        while len(self._levels) > depth:
            self._levels.pop()
            self.page.leave()

"""An answer in Markdown as it comes: its finished lines, and what its last lines look like now.

markdown-it parses a whole text, and the next line may change what its last block is. So only the
end of the answer is parsed, again and again. As soon as a part of it cannot change any more, it
goes to the layout, and a filler takes its place in the source: `#` in the containers that are open,
`LAID` in a paragraph or in code. So the work does not grow with the length of a list or a block.
An empty line stands between two blocks of the answer; inside a list or a quote it stands where it
was written.
"""

from __future__ import annotations

import re
from copy import copy
from typing import NamedTuple

from markdown_it.token import Token

from ocx.output.markdown.blocks import Code, OpenBlock, Paragraph, Table
from ocx.output.markdown.highlight import LONGEST
from ocx.output.markdown.layout import (
    AnsiRenderer,
    Frame,
    Layout,
    item_frame,
    quote_frame,
    style_of,
)
from ocx.output.markdown.parser import PREFIX, inline_spans, parse
from ocx.text import escape_control
from ocx.wrapping import wrapped_runs

_LONG = 72
"""Characters of a line after which it may be shown for good before it is whole."""
_TAB = 4
_SHOWN = 2000
"""Characters that are shown of a heading or a row of a table before its end."""
# Indentation and the markers of quotes and lists.
_BEFORE_TEXT = re.compile(r"(?:[ \t>]|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))*")
_BLANK = re.compile(r"[ >]*$")
# A line of nothing else may yet underline a heading, rule a table or part two blocks.
_UNDECIDED = re.compile(r"[-|:=*_ \t]*$")


class Document:
    """Feed text, take lines. The lines are the same however the text was cut.

    Args:
        width: columns of the screen.
    """

    def __init__(self, width: int, renderer: AnsiRenderer) -> None:
        self._layout = Layout(width, renderer)
        self._source = ""
        """What may change yet of what was read. It ends inside of a line if that is certain."""
        self._line = ""
        """What has come after it, a part of a line."""
        self._try_at = _LONG
        """How long that must be to be looked at again."""
        self._fillers = 0
        """Lines at the beginning of the source that only open the containers."""
        self._open: OpenBlock | None = None
        """The block after them."""
        self._numbers: list[int | None] = []
        """Of the last item in each open list; None if it has bullets."""

    def feed(self, text: str) -> None:
        """The next piece of the answer, as it came."""
        first, *lines = escape_control(text).split("\n")
        self._line += first
        if lines:
            *whole, last = lines
            self._source += "\n".join([self._expanded(), *map(_with_spaces, whole), ""])
            self._line, self._try_at = last, _LONG
            self._settle(_blocks(self._source))
        # Prose goes to its paragraph before its line is whole: a paragraph is often one line.
        # So does a long line of code to its block.
        if self._in_line or len(self._line) > self._try_at:
            source = self._source + self._expanded()
            blocks = _blocks(source)
            if self._in_line or (blocks and _is_certain(blocks[-1], source)):
                self._source, self._line = source, ""
                self._settle(blocks)
            else:
                self._try_at = 2 * len(self._line)

    def finished(self) -> list[str]:
        """The lines that have become final since the last call."""
        return self._layout.take()

    def tail(self, wanted: int | None = None) -> list[str]:
        """The lines that may change yet, at least the last `wanted` of them."""
        twin = copy(self)
        twin._layout = self._layout.copy(wanted)
        twin._open = self._open and self._open.copy()
        twin._numbers = self._numbers[:]
        if not self._in_line and len(self._line) > _LONG + _SHOWN:
            # Its beginning and its end: each frame lays it out anew.
            twin._line = f"{self._line[:_LONG]} … {self._line[-_SHOWN:]}"
        twin.end()
        return twin.finished()

    def end(self) -> None:
        """No more text comes: all lines are final."""
        self._source += self._expanded()
        self._walk(_blocks(self._source), self._source.split("\n"), end=True)
        self._close()
        while self._layout.frames:
            self._layout.leave()

    def resize(self, width: int) -> None:
        """What is not final yet goes on in another width."""
        self._layout.width = width
        if self._open:
            self._open.resize(self._layout)

    @property
    def _in_line(self) -> bool:
        return self._source[-1:] not in {"", "\n"}

    def _expanded(self) -> str:
        return self._line if self._in_line else _with_spaces(self._line)

    def _settle(self, blocks: list[_Block]) -> None:
        """Write what is final, and drop it from the source."""
        lines = self._source.split("\n")
        containers = self._walk(blocks, lines, end=False)
        start = _start_of_kept(blocks)
        rest = lines[start:]
        if self._open:
            start = blocks[-1].start
            rest = self._open.kept(lines[start:])
        needed = containers[-1].start - start if containers else -1
        while len(rest) - 4 > max(needed, -1) and all(map(_BLANK.match, rest[-4:])):
            del rest[-4]  # two empty lines are as good as many, but those that begin a container
        firsts = {block.start: block.token.meta[PREFIX] for block in containers}
        fillers = [f"{prefix}#" for line, prefix in firsts.items() if line < start]
        self._fillers = len(fillers)
        self._source = "\n".join([*fillers, *rest])

    def _walk(self, blocks: list[_Block], lines: list[str], *, end: bool) -> list[_Block]:
        """Write the blocks; the last one stays open if it may go on and this is not the end.

        Returns: the containers that it stands in.
        """
        entered = len(self._layout.frames)
        resumed = self._open is not None
        containers: list[_Block] = []
        is_first = False
        text_end = 0
        for block in blocks:
            after_blank = block.start > text_end and bool(_BLANK.match(lines[block.start - 1]))
            if block.is_text:
                text_end = block.end
            match block.kind:
                case "bullet_list_open" | "ordered_list_open":
                    if not entered:
                        is_first = True
                        start = int(block.token.attrs.get("start", 1)) - 1
                        self._numbers.append(start if block.token.tag == "ol" else None)
                case "bullet_list_close" | "ordered_list_close":
                    self._numbers.pop()
                case "list_item_close" | "blockquote_close":
                    self._close()
                    self._layout.leave()
                    containers.pop()
                case "list_item_open" | "blockquote_open":
                    containers.append(block)
                    if entered:
                        entered -= 1
                        continue
                    is_item = block.kind == "list_item_open"
                    self._begin(after_blank, follows=is_item and not is_first)
                    is_first = False
                    self._layout.frames.append(self._item_frame() if is_item else quote_frame())
                case _ if block.start >= self._fillers:
                    if not resumed:
                        self._begin(after_blank)
                    resumed = False
                    self._write(block, whole=not lines[-1], end=end)
        if blocks and not end and not _may_go_on(blocks[-1], lines):
            self._close()
        return containers

    def _item_frame(self) -> Frame:
        number = self._numbers[-1]
        if number is not None:
            number = self._numbers[-1] = number + 1
        return item_frame(number)

    def _begin(self, after_blank: bool, *, follows: bool = False) -> None:
        """A block begins; `follows` if it is an item of a list that has one already."""
        self._close()
        if after_blank or not (self._layout.frames or follows):
            self._layout.gap()

    def _write(self, block: _Block, *, whole: bool, end: bool) -> None:
        layout = self._layout
        match block.kind:
            case "hr":
                self._open = None
                layout.write([[("-" * layout.room, style_of("hr"))]])
            case "heading_open":
                self._open = None
                spans = inline_spans(block.text, style_of(block.token.tag))
                layout.write(wrapped_runs(spans, layout.room) or [[]])
            case "paragraph_open":
                if not isinstance(self._open, Paragraph):
                    self._open = Paragraph(layout)
                self._open.read(layout, block.text, whole=whole)
            case "table_open":
                if not isinstance(self._open, Table):
                    self._open = Table(layout, block.inside)
                self._open.read(block.inside)
            case kind:
                if not isinstance(self._open, Code):
                    language = " ".join(block.token.info.split()[:1])
                    self._open = Code(layout, fenced=kind == "fence", language=language)
                self._open.read(layout, block.text, end=end)

    def _close(self) -> None:
        if self._open:
            self._open.close(self._layout)
            self._open = None


class _Block(NamedTuple):
    """The beginning or the end of a container, or a block of text.

    Attributes:
        start, end: its first line, and the one behind the last.
        inside: the tokens of its parts.
    """

    token: Token
    inside: list[Token]
    kind: str
    start: int
    end: int

    @property
    def is_text(self) -> bool:
        return bool(self.inside) or not self.token.nesting

    @property
    def text(self) -> str:
        return self.inside[0].content if self.inside else self.token.content


def _blocks(source: str) -> list[_Block]:
    """Of the containers at the end, which may go on, only the beginning."""
    blocks: list[_Block] = []
    tokens = iter(parse(source))
    for token in tokens:
        inside: list[Token] = []
        if token.type in {"paragraph_open", "heading_open", "table_open"}:
            close = token.type.replace("open", "close")
            while (part := next(tokens)).type != close:
                inside.append(part)
        blocks.append(_Block(token, inside, token.type, *(token.map or (0, 0))))
    while blocks and blocks[-1].token.nesting < 0:
        blocks.pop()
    return blocks


def _start_of_kept(blocks: list[_Block]) -> int:
    """The line after the last block of text, or of the containers that are empty yet."""
    start = 0
    for block in reversed(blocks):
        if block.is_text or block.token.nesting < 0:
            return start or block.end
        start = block.start
    return start


def _may_go_on(block: _Block, lines: list[str]) -> bool:
    """Whether the last block may."""
    if block.kind == "code_block":
        return True
    if block.end < len(lines) - (not lines[-1]):
        return False
    if block.kind == "fence":  # its end is one of its lines, too
        count = block.text.count("\n") + (block.text[-1:] not in {"", "\n"})
        return block.end - block.start - 1 == count
    return bool(block.inside)


def _is_certain(block: _Block, source: str) -> bool:
    """Whether its last line, which is not whole, is one of a paragraph, or a long one of code."""
    if not _may_go_on(block, source.split("\n")):
        return False
    line = block.text.rpartition("\n")[2]
    if block.kind == "fence":
        return len(line) > LONGEST
    return block.kind == "paragraph_open" and not _UNDECIDED.match(line)


def _with_spaces(line: str) -> str:
    """For the tabs before its text, as wide as they are there."""
    text = _BEFORE_TEXT.sub("", line, count=1)
    before = line.removesuffix(text).expandtabs(_TAB)
    return before if text.isspace() else before + text

"""Markdown on a terminal, block by block: what has scrolled by is never rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, TableElement
from rich.table import Table

from ocx.escaping import escape_control
from ocx.output.answer_writers import Sink
from ocx.terminal import Terminal

_FENCE = re.compile(r"\s*(?:[-*+]\s+|\d+[.)]\s+|>\s*)*(`{3,}|~{3,})")


class BlockSplitter:
    """Cuts streamed Markdown where a block has surely ended: at an empty line outside a fence."""

    def __init__(self) -> None:
        self._line = ""
        self._block: list[str] = []
        self._fence: str | None = None
        self._blank = False

    def feed(self, text: str) -> list[str]:
        """The blocks that `text` completes."""
        *lines, self._line = (self._line + text).split("\n")
        return [block for line in lines if (block := self._take(line)) is not None]

    def end(self) -> list[str]:
        """The blocks that are left when no more text comes."""
        done = self.feed("\n") if self._line else []
        rest, self._block = "\n".join(self._block), []
        return [*done, rest] if rest.strip() else done

    def _take(self, line: str) -> str | None:
        done = None
        # An indented line after an empty one still belongs to a list item.
        if self._blank and self._fence is None and line.strip() and not line[0].isspace():
            done = "\n".join(self._block)
            self._block = []
        self._blank = not line.strip() and self._fence is None
        self._track_fence(line)
        self._block.append(line)
        return done if done and done.strip() else None

    def _track_fence(self, line: str) -> None:
        """https://spec.commonmark.org/0.31.2/#fenced-code-blocks, nested blocks loosely."""
        if self._fence is None:
            found = _FENCE.match(line)
            if found and not (found.group(1)[0] == "`" and "`" in line[found.end() :]):
                self._fence = found.group(1)
            return
        text = line.strip()
        if text.startswith(self._fence) and not text.strip(self._fence[0]):
            self._fence = None


# Rich drops what it cannot render: HTML, where a picture is, and the target of a link that stands
# in a block of its own. Without their rules all of that is text, and stays.
_PARSER = (
    MarkdownIt()
    .enable(["strikethrough", "table"])
    .disable(["html_block", "html_inline", "image", "reference"])
)


class _Folded(TableElement):
    """A table that folds a long word, where rich would cut it, without lines of spaces around."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            assert isinstance(table, Table)  # noqa: S101 - what rich yields, told to mypy
            table.show_edge = False
            for column in table.columns:
                column.overflow = "fold"
            yield table


class _Document(Markdown):
    """Markdown of which nothing is lost."""

    elements: ClassVar = {**Markdown.elements, "table_open": _Folded}

    def __init__(self, text: str) -> None:
        super().__init__("", code_theme="ansi_dark", hyperlinks=False)
        self.parsed = _PARSER.parse(text)


def _escape_decoded(tokens: Iterable[Any]) -> None:
    """What the parser decoded, `&#x202e;` or the `%1b` of a link shown as text, is text as well."""
    for token in tokens:
        token.content = escape_control(token.content)
        _escape_decoded(token.children or ())


class MarkdownWriter:
    """Renders each block when it is complete; a blank line stands between two blocks."""

    def __init__(self, sink: Sink, terminal: Terminal, *, color: bool) -> None:
        self._sink = sink
        self._splitter = BlockSplitter()
        self._first = True
        self._console = Console(
            width=terminal.width,
            force_terminal=True,
            no_color=not color,
            color_system="auto" if color else None,
            highlight=False,
            legacy_windows=False,
        )

    def write(self, text: str) -> None:
        for block in self._splitter.feed(text):
            self._render(block)

    def finish(self, *, complete: bool) -> None:  # noqa: ARG002 - the same either way here
        for block in self._splitter.end():
            self._render(block)

    def _render(self, block: str) -> None:
        document = _Document(escape_control(block))
        _escape_decoded(document.parsed)
        with self._console.capture() as capture:
            self._console.print(document)
        lines = "\n".join(line.rstrip() for line in capture.get().split("\n")).strip("\n")
        gap = "" if self._first else "\n"
        self._first = False
        self._sink.write((gap + lines + "\n").encode())

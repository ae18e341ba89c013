"""An answer in Markdown, rendered as it comes."""

from __future__ import annotations

from ocx.output.markdown.document import Document
from ocx.output.markdown.layout import AnsiRenderer
from ocx.output.markdown.live import LiveMarkdown, terminal_size
from ocx.output.writers import PlainWriter, Sink, Writer
from ocx.terminal import Terminal

_NARROWEST = 20
"""Columns below which there is no room for anything but the text itself."""


class MarkdownWriter:
    """Writes each line as soon as it is final, where nothing can be drawn twice.

    The lines are those of a terminal that draws.
    """

    def __init__(self, sink: Sink, terminal: Terminal, *, color: bool) -> None:
        self._sink = sink
        self._document = Document(terminal.width, AnsiRenderer(color=color))

    def write(self, text: str) -> None:
        self._document.feed(text)
        self._flush()

    def finish(self, *, complete: bool) -> None:  # noqa: ARG002 - the same either way here
        self._document.end()
        self._flush()

    def _flush(self) -> None:
        if lines := self._document.finished():
            self._sink.write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))


def markdown_writer(sink: Sink, terminal: Terminal, *, color: bool, to_person: bool) -> Writer:
    """Draws on a screen that can be drawn on; else writes line by line, or as the text came.

    Args:
        to_person: whether `sink` is the terminal.
    """
    if to_person and terminal.width < _NARROWEST:
        return PlainWriter(sink, to_person=True)
    if not to_person or terminal.env.get("TERM", "dumb") == "dumb":
        return MarkdownWriter(sink, terminal, color=color)
    fd = terminal.stdout.fileno()
    return LiveMarkdown(sink, terminal_size(fd, terminal.width), color=color, fd=fd)

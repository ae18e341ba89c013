"""Markdown rendered line by line, for where nothing can be drawn twice: a file, a dumb terminal."""

from __future__ import annotations

from ocx.output.answer_writers import Sink
from ocx.output.markdown.document import Document
from ocx.output.markdown.layout import AnsiRenderer
from ocx.terminal import Terminal


class MarkdownWriter:
    """Writes each line as soon as it is final: the same lines as on a terminal that draws."""

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

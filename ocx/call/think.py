"""Reasoning that a server sends inside the text, as `<think>…</think>` before the answer.

DeepSeek and Qwen behind many servers do so instead of sending `reasoning_content`.
"""

from __future__ import annotations

from typing import NamedTuple

OPEN = "<think>"
CLOSE = "</think>"


class Split(NamedTuple):
    """A piece of an answer, divided. Either part may be empty."""

    text: str
    reasoning: str


class ThinkSplitter:
    """Divide a streamed answer, cut anywhere, into text and reasoning.

    Only a block that is the very first thing of the answer counts (white space before it is
    allowed), and only if it closes: text is held back until that is known. White space around
    the block belongs to neither part.

    Attributes:
        decided: the rest of the answer is text; `feed` need not be called anymore.
    """

    def __init__(self) -> None:
        self.decided = False
        self._head = ""
        self._block: list[str] | None = None
        self._seam = ""
        self._closed = False

    def feed(self, text: str) -> Split:
        """Take the next piece; give back what is certain by now."""
        if self.decided:
            return Split(text, "")
        if self._closed:
            return Split(self._after_block(text), "")
        if self._block is not None:
            return self._inside(text)
        self._head += text
        start = self._head.lstrip()
        if start.startswith(OPEN):
            self._block = []
            return self._inside(start[len(OPEN) :])
        return Split("", "") if OPEN.startswith(start) else Split(self.end(), "")

    def end(self) -> str:
        """The text that was held back, if the block never closed."""
        text = "" if self.decided or self._closed else self._head + self._rest_of_block()
        self.decided = True
        return text

    def _inside(self, text: str) -> Split:
        assert self._block is not None  # noqa: S101 - for mypy; feed has looked
        self._block.append(text)
        # Only the end of what came before can begin the tag: a long block is not searched again.
        if CLOSE not in self._seam + text:
            self._seam = (self._seam + text)[-len(CLOSE) + 1 :]
            return Split("", "")
        reasoning, _, rest = "".join(self._block).partition(CLOSE)
        self._closed = True
        return Split(self._after_block(rest), reasoning.strip())

    def _after_block(self, text: str) -> str:
        text = text.lstrip()
        self.decided = bool(text)
        return text

    def _rest_of_block(self) -> str:
        if self._block is None:
            return ""
        # The head ends with the piece that held the tag: what followed it there comes first here.
        return "".join(self._block)[len(self._head.lstrip()) - len(OPEN) :]


def split_think(text: str) -> Split:
    """Divide a whole answer."""
    splitter = ThinkSplitter()
    before, reasoning = splitter.feed(text)
    return Split(before + splitter.end(), reasoning)

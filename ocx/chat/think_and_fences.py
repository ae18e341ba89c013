"""Blocks in the text of an answer: reasoning as `<think>…</think>`, and fenced code for `-x`.

DeepSeek and Qwen behind many servers send reasoning so instead of `reasoning_content`. Code is
found by CommonMark 0.31 section 4.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ocx.api.answer import Answer
from ocx.api.types import Delta
from ocx.errors import InvalidAnswerError

if TYPE_CHECKING:
    from markdown_it.token import Token

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
    the block belongs to neither part. A `</think>` that comes first ends a block, too: the
    server's template has begun it, and the model left it empty.

    Attributes:
        decided: the rest of the answer is text; `feed` need not be called anymore.
        closed: there was a block.
    """

    def __init__(self) -> None:
        self.decided = False
        self.closed = False
        self._held: list[str] = []
        self._seam: str | None = None  # inside the block: the end of what came

    @property
    def begun(self) -> bool:
        """Whether any text has come."""
        return bool(self._held)

    def feed(self, text: str) -> Split:
        """Take the next piece; give back what is certain by now."""
        if self.decided:
            return Split(text, "")
        if self.closed:
            return self._after_block(text, "")
        if text:
            self._held.append(text)
        if self._seam is None:
            start = "".join(self._held).lstrip()
            if not start.startswith((OPEN, CLOSE)):
                undecided = OPEN.startswith(start) or CLOSE.startswith(start)
                return Split("" if undecided else self.end(), "")
            if start.startswith(CLOSE):
                return self._after_block(start[len(CLOSE) :], "")
            text, self._seam = start[len(OPEN) :], ""
        # Only the end of what came before can begin the tag: a long block is not searched again.
        if CLOSE not in self._seam + text:
            self._seam = (self._seam + text)[-len(CLOSE) + 1 :]
            return Split("", "")
        block = "".join(self._held).lstrip()[len(OPEN) :]
        reasoning, _, rest = block.partition(CLOSE)
        return self._after_block(rest, reasoning.strip())

    def _after_block(self, text: str, reasoning: str) -> Split:
        self.closed = True
        text = text.lstrip()
        self.decided = bool(text)
        return Split(text, reasoning)

    def end(self) -> str:
        """The text that was held back, if the block never closed."""
        text = "" if self.decided or self.closed else "".join(self._held)
        self.decided = True
        return text


def split_whole(text: str) -> Split:
    """Divide an answer of which nothing has been shown.

    Where the server's template has said `<think>` already, only `</think>` is in the answer: what
    stands before it is reasoning.
    """
    if "think>" not in text:  # almost always, and many rows are read
        return Split(text, "")
    splitter = ThinkSplitter()
    before, reasoning = splitter.feed(text)
    before += splitter.end()
    end = _lone_end(text)
    if before != text or end is None:
        return Split(before, reasoning)
    return Split(text[end + len(CLOSE) :].lstrip(), text[:end].strip())


def without_think(answer: Answer) -> Answer:
    """A whole answer, the reasoning in its text apart."""
    text, reasoning = split_whole(answer.text)
    if text == answer.text:
        return answer
    return replace(answer, text=text, reasoning=answer.reasoning + reasoning)


def _lone_end(text: str) -> int | None:
    """Where `</think>` stands, if it is the first tag and not quoted as code."""
    end = text.find(CLOSE)
    if end < 0 or OPEN in text[:end] or text[:end].endswith("`"):
        return None
    return end


class Thinking:
    """Passes deltas on to `hear`, with the reasoning that stands in their text apart.

    Attributes:
        late: a `</think>` came that no `<think>` began: what was shown before it is reasoning.
    """

    def __init__(self, hear: Callable[[Sequence[Delta]], object]) -> None:
        self.late = False
        self._hear = hear
        self._splitter = ThinkSplitter()
        self._watched: str | None = ""  # the end of the text so far; None: the first tag has come

    def take(self, deltas: Sequence[Delta]) -> None:
        splitter = self._splitter
        if not splitter.begun and len(deltas) == 1 and deltas[0].finish_reason is not None:
            self._hear(_divided(deltas, split_whole))  # nothing has been shown yet
            return
        if not splitter.decided:
            deltas = _divided(deltas, splitter.feed)
        if self._watched is not None and not splitter.closed:
            one = len(deltas) == 1
            seen = self._watched + (deltas[0].text if one else "".join([d.text for d in deltas]))
            self._watched = seen[-len(CLOSE) :]
            if "think>" in seen and (OPEN in seen or CLOSE in seen):
                self.late, self._watched = _lone_end(seen) is not None, None
        self._hear(deltas)

    def end(self) -> None:
        """Pass on what was held back."""
        if rest := self._splitter.end():
            self._hear([Delta(rest, "", "", None)])

    def of(self, answer: Answer) -> Answer:
        """The answer as it is kept: what was shown stays, but reasoning is no text in it."""
        return replace(without_think(answer), late_think=True) if self.late else answer


def _divided(deltas: Sequence[Delta], split: Callable[[str], Split]) -> list[Delta]:
    parts = [split(delta.text) for delta in deltas]
    return [
        delta._replace(text=part.text, reasoning=delta.reasoning + part.reasoning)
        for delta, part in zip(deltas, parts, strict=True)
    ]


_LINE = re.compile(r"[^\r\n]*(\r\n|\r|\n|$)")
"""A line; the group is its end."""


def fenced_blocks(text: str) -> list[str]:
    """The contents of every fenced block in the order of the text, nested ones too.

    The lines keep the ends that the answer had. Indented code is not a fenced block. An unclosed
    one ends with the block or text around it.
    """
    ends = _LINE.findall(text)
    return [_content(token, ends) for token in _blocks(text) if token.type == "fence"]


def only_block(text: str) -> str | None:
    """The content of the fenced block that is all of `text`, None if there is anything else."""
    tokens = _blocks(text)
    is_one = len(tokens) == 1 and tokens[0].type == "fence"
    return fenced_blocks(text)[0] if is_one else None


def extract(text: str, *, last: bool) -> str:
    """The content of the first (or last) fenced block.

    Raises:
        InvalidAnswerError: the answer has none.
    """
    blocks = fenced_blocks(text)
    if not blocks:
        raise InvalidAnswerError(
            "the answer has no fenced code block",
            hint="ask for one in the prompt, or leave out -x to see the answer",
        )
    return blocks[-1 if last else 0]


def _blocks(text: str) -> list[Token]:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - few answers are looked at so

    # Inline text is of no interest, and parsing it is where Markdown parsers get slow.
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser.parse(text)


def _content(token: Token, ends: list[str]) -> str:
    """The block's content with the line ends of the source: the parser turns every one into LF."""
    first = token.map[0] + 1 if token.map else 0
    lines = token.content.split("\n")
    # No more of `ends` than the block has: an answer of many blocks would copy all for each.
    its_ends = ends[first : first + len(lines)]
    rejoined = "".join(line + end for line, end in zip(lines[:-1], its_ends, strict=False))
    return rejoined + lines[-1]

"""What a token is here: a tokenizer would need its vocabulary from the network."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PIECE = re.compile(r"\S+\s*")
_LEAD = re.compile(r"\s*")
PER_MESSAGE = 4
PER_ANSWER = 3


def split(text: str) -> list[str]:
    """The tokens of a built-in answer: words with the space after them; joined, they are `text`."""
    found = _LEAD.match(text)
    lead = found.group() if found else ""
    pieces: list[str] = _PIECE.findall(text)
    if not lead:
        return pieces
    return [lead + pieces[0], *pieces[1:]] if pieces else [lead]


def count(text: str) -> int:
    """A token for every four bytes of UTF-8, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def count_prompt(texts: Iterable[str]) -> int:
    """The prompt as it is charged: four a message on top of its text, three for the answer."""
    return sum(count(text) + PER_MESSAGE for text in texts) + PER_ANSWER

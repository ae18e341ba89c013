"""What a token of a built-in answer is: one wide character, else a word.

What is between two spaces is a word. A token carries the space after it, so that all of them,
joined, are the text, and each is one chunk of a stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ocx.typography import are_one, is_wide

_WORD = re.compile(r"(?:\A\s+)?\S+\s*|\s+")
_JSON_WORD = re.compile(r"\w+\W*|\W+")


def of_text(text: str) -> Iterator[str]:
    """The tokens, one by one: of a long text only those that are sent are made.

    A space at the start of the text belongs to the first.
    """
    return _tokens(_WORD, text)


def of_json(text: str) -> Iterator[str]:
    """The same of a document: its punctuation parts words, too."""
    return _tokens(_JSON_WORD, text)


def _tokens(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for match in pattern.finditer(text):
        word = match.group()
        if word.isascii():
            yield word
        else:
            yield from _at_wide_characters(word)


def _at_wide_characters(word: str) -> Iterator[str]:
    first = len(word) - len(word.lstrip())
    start, was_wide = 0, False
    for place in range(first, len(word)):
        character = word[place]
        if character.isspace() or (place > first and are_one(word[place - 1], character)):
            continue
        wide = is_wide(character)
        if place > first and (wide or was_wide):
            yield word[start:place]
            start = place
        was_wide = wide
    yield word[start:]

"""What a token of a built-in answer is: one wide character, else a word.

What is between two spaces is a word. A token carries the space after it, so that all of them,
joined, are the text, and each is one chunk of a stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import category, east_asian_width

_WORD = re.compile(r"(?:\A\s+)?\S+\s*|\s+")
_JSON_WORD = re.compile(r"\w+\W*|\W+")
_JOINER = "\u200d"


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
        if character.isspace() or (place > first and _joins(word[place - 1], character)):
            continue
        is_wide = east_asian_width(character) in "WF"
        if place > first and (is_wide or was_wide):
            yield word[start:place]
            start = place
        was_wide = is_wide
    yield word[start:]


def _joins(before: str, after: str) -> bool:
    """Whether `after` is a part of the character before it: a mark, or the rest of an emoji."""
    if _JOINER in (before, after) or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    return category(after)[0] == "M"

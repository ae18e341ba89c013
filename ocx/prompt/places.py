"""The places of a text that stand for values: `$name`, `${any name}`; `$$` is a dollar.

A bare name is the longest that is known: languages without spaces write `$评论的`. If none is, it
ends where its ASCII letters, digits and `_` do (`$text好` is `text`), or else with the word.
Any other dollar (`$5`) is itself.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping

_PLACE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<braced>[^{}\r\n]+)\}|(?P<word>[^\W\d]\w*))")
_ASCII = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[^{}=\r\n]+")


def is_parameter(text: str) -> bool:
    """Whether `${text}` can stand for a value that is given as `text=VALUE`."""
    return bool(_NAME.fullmatch(text)) and text == text.strip()


def written(name: str) -> str:
    """The place of that name as it is typed."""
    return f"${name}" if _ASCII.fullmatch(name) else f"${{{name}}}"


def place_names(text: str, known: Container[str] = ()) -> Iterator[str]:
    """The names of the places in `text`, in order, where `known` names have values."""
    for match in _PLACE.finditer(text):
        if not match["dollar"]:
            yield _name(match, known)


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its places filled; what is filled in is not looked at again.

    Raises:
        KeyError: a name has no value.
    """

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = _name(match, values)
        return values[name] + (match["word"] or name)[len(name) :]

    return _PLACE.sub(value, text)


def _name(match: re.Match[str], known: Container[str]) -> str:
    word = match["word"]
    if not word:
        return match["braced"]
    ascii_part = _ASCII.match(word)
    shortest = len(ascii_part[0]) if ascii_part else 0
    for end in range(len(word), shortest, -1):
        if word[:end] in known:
            return word[:end]
    return word[:shortest] or word

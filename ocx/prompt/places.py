"""The places of a text that stand for values: `$name`, `${any name}`; `$$` is a dollar.

A bare name is the longest that is known: languages without spaces write `$评论的`. If none is, it
ends where its ASCII letters, digits and `_` do (`$text好` is `text`), or else with the word.
Any other dollar (`$5`) is itself. A letter and its accent are one, however they are stored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from itertools import chain

from ocx.config.values import composed

_PLACE = r"\$(?:(?P<dollar>\$)|\{(?P<braced>[^{}\r\n]+)\}|(?P<word>[^\W\d][\w%s]*))"
_ASCII = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[^{}=\r\n]+")


def is_parameter(text: str) -> bool:
    """Whether `${text}` can stand for a value that is given as `text=VALUE`."""
    return bool(_NAME.fullmatch(text)) and text == text.strip()


def written(name: str) -> str:
    """The place of that name as it is typed."""
    return f"${name}" if _ASCII.fullmatch(name) else f"${{{name}}}"


def known_as(name: str, known: Collection[str]) -> str | None:
    """The one of `known` that is this name, composed or not; None if it is not there."""
    if name in known or name.isascii():
        return name if name in known else None
    return next((each for each in known if composed(each) == composed(name)), None)


def place_names(text: str, known: Collection[str] = ()) -> Iterator[str]:
    """The names of the places in `text`, in order, where `known` names have values."""
    forms = _forms(text, known)
    for match in _places(text.isascii()).finditer(text):
        if not match["dollar"]:
            yield _name(match, forms)[0]


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its places filled; what is filled in is not looked at again.

    Raises:
        KeyError: a name has no value.
    """
    forms = _forms(text, values)

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, rest = _name(match, forms)
        return values[name] + rest

    return _places(text.isascii()).sub(value, text)


def _forms(text: str, known: Collection[str]) -> dict[str, str]:
    """The known names by each form in which they may be written."""
    if text.isascii():
        return {name: name for name in known}
    return {**{composed(name): name for name in known}, **{name: name for name in known}}


@cache
def _places(is_ascii: bool) -> re.Pattern[str]:
    """Words of Thai, Arabic, Hindi and names from a Mac hold marks that are no letters to `re`."""
    if is_ascii:
        return re.compile(_PLACE % "")
    from unicodedata import category  # noqa: PLC0415 - not where all is ASCII

    letters = map(chr, chain(range(0x300, 0x2100), range(0x3000, 0x3100), range(0xA600, 0xAC00)))
    return re.compile(_PLACE % "".join(c for c in letters if category(c)[0] == "M"))


def _name(match: re.Match[str], forms: Mapping[str, str]) -> tuple[str, str]:
    """The name of a place, and what follows it in the same word."""
    word = match["word"]
    if not word:
        braced = composed(match["braced"])
        return forms.get(match["braced"]) or forms.get(braced, braced), ""
    ascii_part = _ASCII.match(word)
    shortest = len(ascii_part[0]) if ascii_part else 0
    for end in range(len(word), shortest, -1):
        found = forms.get(word[:end]) or forms.get(composed(word[:end]))
        if found is not None:
            return found, word[end:]
    end = shortest or len(word)
    return composed(word[:end]), word[end:]

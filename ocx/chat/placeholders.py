"""The parts of a prompt joined, and the values of its parameters filled in.

A place is `$name` or `${any name}`; `$$` is a dollar. A bare name is the longest that is known:
languages without spaces write `$评论的`. If none is, it ends where its ASCII letters, digits and
`_` do (`$text好` is `text`), or else with the word. Any other dollar (`$5`) is left alone. A
letter and its accent are one, however they are stored.

Also the options that take NAME=VALUE: -O of `chat`, -p of a template, -f and -F of a raw request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

from ocx.config.values import composed
from ocx.decoding import STDIN, read_file
from ocx.errors import UsageError
from ocx.secret import word_of_argv
from ocx.text import TooDeep, finite, parse

_PLACE = r"\$(?:(?P<dollar>\$)|\{(?P<braced>[^{}\r\n]+)\}|(?P<word>[^\W\d][\w%s]*))"
_ASCII = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[^{}=\r\n]+")


def join(parts: Iterable[str]) -> str:
    """The parts that hold text, each after exactly one empty line; nothing else is changed."""
    joined = ""
    for part in parts:
        if joined and part:
            joined += "\n" if joined.endswith("\n") else "\n\n"
        joined += part
    return joined


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


RESERVED = {
    "model": "-m/--model",
    "messages": "the prompt, -f, --messages or stdin",
    "stream": "--stream or --no-stream",
}


def name_value_pairs(
    flag: str,
    words: Iterable[str],
    hint: str | None = None,
    is_name: Callable[[str], object] = bool,
) -> Iterator[tuple[str, str]]:
    """The NAME and VALUE of each word that an option was given.

    Raises:
        UsageError: a word has no `=`, or no name before it.
    """
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not is_name(name):
            raise UsageError(f"{flag} takes NAME=VALUE, not {word_of_argv(word)!r}", hint=hint)
        yield name, value


def parse_options(
    given: Sequence[str], flags: Mapping[str, Any], read_stdin: Callable[[], bytes] = bytes
) -> dict[str, Any]:
    """The fields of `-O`, V as JSON if it parses, else a string; `@FILE` is read, `@@` is `@`.

    Args:
        given: the words K=V.
        flags: fields that have a flag of their own, with the value that was given, or None.

    Raises:
        UsageError: a word has no `=`, or its field is reserved or was set by a flag.
    """
    fields: dict[str, Any] = {}
    for name, value in name_value_pairs("-O", given, "for example -O seed=7"):
        if name in RESERVED:
            raise UsageError(f"-O cannot set {name}", hint=f"use {RESERVED[name]}")
        if flags.get(name) is not None:
            raise UsageError(f"{name} is set twice, by its own flag and by -O", hint="keep one")
        is_file = value.startswith("@") and not value.startswith("@@")
        text = read_file(value[1:], read_stdin) if is_file else value.removeprefix("@")
        try:
            fields[name] = parse(text, parse_float=finite)
        except TooDeep:
            raise UsageError(f"-O {name}: the value is nested too deeply") from None
        except ValueError:
            fields[name] = text
    return fields


def reads_stdin(given: Sequence[str]) -> bool:
    """Whether one of the words takes its value from stdin."""
    return any(word.partition("=")[2] == f"@{STDIN}" for word in given)


def parse_params(words: Iterable[str]) -> dict[str, str]:
    """The values of `-p NAME=VALUE`.

    Raises:
        UsageError: it has another form, or a name is given twice.
    """
    params: dict[str, str] = {}
    for word, value in name_value_pairs("-p", words, "for example -p lang=Malay", is_parameter):
        name = composed(word)
        if name in params:
            raise UsageError(f"-p gives {name} twice")
        params[name] = value
    return params


def parse_fields(texts: Iterable[str], documents: Iterable[str]) -> dict[str, Any]:
    """The fields of `-f NAME=TEXT` and `-F NAME=JSON`.

    Raises:
        UsageError: a word has no `=` or bad JSON, or a field is given twice.
    """
    fields: dict[str, Any] = {}
    for flag, words in (("-f", texts), ("-F", documents)):
        for name, value in name_value_pairs(flag, words):
            if name in fields:
                raise UsageError(f"the field {name} is given twice")
            try:
                fields[name] = value if flag == "-f" else parse(value, parse_float=finite)
            except ValueError:
                hint = "-f sends a text as it is"
                raise UsageError(f"the field {name} is not JSON", hint=hint) from None
    return fields

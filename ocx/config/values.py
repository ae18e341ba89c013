"""The types of settings: how one is read from a word of text, checked and stored.

Messages never repeat a text value: it may be a key in the wrong place.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ocx.errors import OcxError, UsageError
from ocx.secret import PROVIDER_KEY, word_of_argv

NAME_RULE = (
    "1 to 64 letters of any script, digits, dots, dashes or underscores, a letter or digit first"
)
_ASCII_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_NAME_BYTES = 200
"""A file has the name; its own may have 255 bytes, and some are for a suffix."""
KEY_HINT = "keys are never settings or arguments; store one with `ocx keys add NAME`"
_KEY_WORD = re.compile(r"sk-[A-Za-z0-9_-]{8,}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2, token
_HEADER_VALUE = re.compile(r"[\t -~]*")


class BadValue(ValueError):
    """What is wrong, to be read after the setting's name."""

    hint: str | None = None


class KeyInside(BadValue):
    """The value looks like a key."""

    hint = KEY_HINT


class ValueType(ABC):
    """The values that a setting takes.

    Attributes:
        allowed: a sentence about the values for the help; empty if any will do.
        range: the numbers that it takes, for a message.
    """

    allowed = ""
    range = ""

    def parse(self, text: str) -> Any:
        """The value that a word on a command line or in the environment means, not yet checked.

        Raises:
            BadValue: it cannot be read.
        """
        return text

    @abstractmethod
    def check(self, value: Any) -> Any:
        """`value`, normalized: lists as tuples, numbers as float or int.

        Raises:
            BadValue: the setting does not take it.
        """

    def stored(self, value: Any) -> Any:
        """A checked value as `config set` writes it to the file.

        Raises:
            BadValue: it must not be written there.
        """
        return value


class Text(ValueType):
    """A text that matches `pattern`, if there is one; `problem` says so if it does not."""

    def __init__(self, pattern: str | None = None, problem: str = "") -> None:
        self._pattern = pattern
        self._problem = problem

    def check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise BadValue("must be a text")
        if looks_like_key(value):
            raise KeyInside("looks like a key itself")
        if "\0" in value:
            raise BadValue("cannot hold a NUL character")
        if self._pattern is not None and not re.fullmatch(self._pattern, value):
            raise BadValue(self._problem)
        return value


class Url(Text):
    """A URL; white space around it is dropped."""

    def check(self, value: Any) -> str:
        return super().check(value).strip()


class OneOf(Text):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        super().__init__("|".join(words), f"must be {' or '.join(words)}")
        self.allowed = f"One of: {', '.join(words)}."


class KeyName(Text):
    """The name of a stored key."""

    def parse(self, text: str) -> str:
        return composed(text)

    def check(self, value: Any) -> str:
        if isinstance(value, str) and (value.startswith("sk-") or word_of_argv(value) != value):
            raise KeyInside("looks like a key itself")
        name = super().check(value)
        if not is_name(name):
            raise BadValue("is not the name of a key")
        return name


class FilePath(Text):
    """A path, stored absolute: `./ca.pem` must mean the same file from every folder."""

    def stored(self, value: str) -> str:
        return value and str(Path(expand(value)).absolute())


class Number(ValueType):
    """A number from `low` to `high`, both included."""

    _read: type[float] = float
    _what = "a number"

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        ends = f"{low:.12g} to {high:.12g}"
        self.allowed, self.range = f"From {ends}.", f"{self._what} from {ends}"

    def parse(self, text: str) -> float:
        try:
            return self._read(text)
        except ValueError:
            raise BadValue(f"must be {self.range}") from None

    def check(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadValue(f"must be {self.range}")
        if not self._low <= value <= self._high:  # NaN is outside, too
            raise BadValue(f"must be {self.range}, not {value}")
        return float(value)


class Integer(Number):
    """A whole number from `low` to `high`, both included."""

    _read = int
    _what = "a whole number"

    def check(self, value: Any) -> int:
        if not isinstance(value, int):
            raise BadValue(f"must be {self.range}")
        return int(super().check(value))


class TextList(ValueType):
    """A list of texts.

    A key among them is refused when it is set. One that a person wrote into the file,
    `["echo", "sk-…"]` for a test, harms nobody but its author.
    """

    def parse(self, text: str) -> Any:
        if text.lstrip().startswith("["):
            return _json_or_toml(text)
        raise BadValue("""must be written as a list: '["pass", "show", "opencodex"]'""")

    def check(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise BadValue("must be a list of texts")
        if any("\0" in item for item in value):
            raise BadValue("cannot hold a NUL character")
        return tuple(value)

    def stored(self, value: tuple[str, ...]) -> list[str]:
        _refuse_keys(value)
        return list(value)


class StopSequences(TextList):
    """One text or a list: the API takes `stop` both ways. It never holds a key."""

    def parse(self, text: str) -> Any:
        return super().parse(text) if text.lstrip().startswith("[") else text

    def check(self, value: Any) -> tuple[str, ...]:
        texts = super().check((value,) if isinstance(value, str) else value)
        _refuse_keys(texts)
        return texts


class ModelList(StopSequences):
    """Ids or aliases of models; on a command line and in the environment between commas."""

    def check(self, value: Any) -> tuple[str, ...]:
        texts = super().check(value.split(",") if isinstance(value, str) else value)
        return tuple(dict.fromkeys(name.strip() for name in texts if name.strip()))


class Headers(ValueType):
    """Names and values that can stand in a request."""

    def parse(self, text: str) -> Any:
        if text.lstrip().startswith("{"):
            return _json_or_toml(text)
        raise BadValue("""must be written '{"NAME": "TEXT"}', or set one: headers.NAME TEXT""")

    def check(self, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise BadValue("must be a table of names and texts")
        return dict(check_header(name, text) for name, text in value.items())


def check_header(name: str, value: Any) -> tuple[str, str]:
    """Name and value of one header, normalized.

    Raises:
        BadValue: it cannot be sent, or it holds a key.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise BadValue("has a name that is not one of a header")
    if name.lower() == "authorization":
        raise KeyInside("cannot set Authorization")
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        raise BadValue(f"must be printable ASCII text for {name}")
    if any(looks_like_key(word) for word in value.split()):
        raise KeyInside(f"holds a key as {name}")
    return name, value.strip()


def is_name(text: str) -> bool:
    """Whether it follows `NAME_RULE` and is composed (NFC): no two names look the same."""
    if text.isascii():
        return _ASCII_NAME.fullmatch(text) is not None
    from unicodedata import category, is_normalized

    kinds = [category(character)[0] for character in text]
    return (
        kinds[0] in "LN"
        and len(text) <= 64
        and all(kind in "LMN" or each in "._-" for kind, each in zip(kinds, text, strict=True))
        and len(text.encode()) <= _MOST_NAME_BYTES
        and is_normalized("NFC", text)
    )


def composed(name: str) -> str:
    """The name as it is stored: a letter and its accent are one character."""
    if name.isascii():
        return name
    from unicodedata import normalize

    return normalize("NFC", name)


def check_name(name: str, what: str) -> str:
    """`name` as it is stored, if a key or a profile can have it.

    Raises:
        UsageError: it cannot; what is shaped like a key is not repeated.
    """
    if name.startswith("sk-") or (what == "key" and word_of_argv(name) != name):
        raise UsageError(
            f"that is a key, not the name of a {what}",
            hint="keys go in by stdin or the prompt of `ocx keys add NAME`; a key that stood on a "
            "command line is in the shell's history: revoke it",
        )
    name = composed(name)
    if not is_name(name):
        raise UsageError(f"not a name for a {what}", hint=NAME_RULE)
    return name


def looks_like_key(text: str) -> bool:
    """Whether the text is shaped like a key, or has one of the provider's in it."""
    if "sk-" not in text:
        return False
    return bool(_KEY_WORD.fullmatch(text.strip()) or PROVIDER_KEY.search(text))


def expand(path: str) -> str:
    """`path` with the home folder for its `~`; unchanged if there is no such user."""
    return os.path.expanduser(path)  # noqa: PTH111 - Path's own raises RuntimeError there


@contextmanager
def bad_values_as(kind: type[OcxError], what: str) -> Iterator[None]:
    """A BadValue in here becomes `kind`: `WHAT must be a text`."""
    try:
        yield
    except BadValue as problem:
        raise kind(f"{what} {problem}", hint=problem.hint) from None


def _refuse_keys(texts: tuple[str, ...]) -> None:
    if any(map(looks_like_key, texts)):
        raise KeyInside("holds a key")


def _json_or_toml(text: str) -> Any:
    """Both are written the same for most lists, and people know one of them."""
    import json
    import tomllib

    for read in (json.loads, lambda word: tomllib.loads(f"value = {word}")["value"]):
        with suppress(ValueError, RecursionError):
            return read(text)
    raise BadValue("is neither JSON nor TOML")

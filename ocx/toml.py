"""Read and write TOML; an error is one line that names the file and the place."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ocx.errors import ConfigError
from ocx.text import nearest

Keys = tuple[str | int, ...]
"""The way to a value: names of tables, and indexes in arrays of tables."""

_AT = r"(?: \(at (?:line (\d+), column (\d+)|end of document)\))?$"


def read_bytes(path: Path) -> bytes | None:
    """The content, or None if there is no such file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error


def parse(data: bytes, path: Path, *, hint: str | None = None) -> dict[str, Any]:
    """The document that `data`, the content of `path`, holds.

    Raises:
        ConfigError: it holds none; the content is not repeated, for it may be a key.
    """
    try:
        text = data.decode("utf-8-sig")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        line, column = _position(data[: error.start].decode("utf-8", "replace"))
        problem = "not UTF-8"
    except tomllib.TOMLDecodeError as error:
        line, column, problem = _syntax(str(error), text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits; 1,000 brackets
        raise ConfigError(f"{path}: cannot be read as TOML: {error}", hint=hint) from error
    # Outside the handlers: an exception chained to this one would carry the document along.
    raise ConfigError(f"{path}: line {line}, column {column}: {problem}", hint=hint)


def line_of(text: str, keys: Keys) -> int | None:
    """The number of the line that `keys` stand on, else of the table around them.

    `tomllib` keeps no positions, so the keys are looked up again in the text.
    """
    here: Keys = ()
    seen: Counter[Keys] = Counter()
    best: tuple[int, int] | None = None  # how much of `keys` it matches, and the line
    for number, line in enumerate((line.strip() for line in text.split("\n")), 1):
        if line.startswith("[["):
            names = _names(line[2:].partition("]]")[0])
            here = (*names, seen[names])
            seen[names] += 1
            found = here
        elif line.startswith("["):
            here = found = _names(line[1:].partition("]")[0])
        elif "=" in line:
            found = (*here, *_names(line.partition("=")[0]))
        else:
            continue
        if found and found == keys[: len(found)] and (best is None or len(found) > best[0]):
            best = (len(found), number)
    return best[1] if best else None


def _names(text: str) -> Keys:
    """The keys in `a."b.c"`; none if it is not a key."""
    try:
        found: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    names: list[str | int] = []
    while isinstance(found, dict) and found:  # empty: a comment
        name, found = next(iter(found.items()))
        names.append(name)
    return tuple(names)


def dump(data: Mapping[str, Any], *, multiline: bool = False) -> bytes:
    """The document that holds `data`; `multiline` writes texts of several lines as such."""
    import tomli_w  # start-up that only a change should pay

    text = tomli_w.dumps(data, multiline_strings=multiline)
    if multiline and tomllib.loads(text) != data:  # a text of several lines loses its \r\n
        text = tomli_w.dumps(data)
    return text.encode()


def _syntax(message: str, text: str) -> tuple[int, int, str]:
    found = re.search(_AT, message)
    assert found is not None  # noqa: S101 - it can match nothing at the end, told to mypy
    line, column = found.groups()
    where = (int(line), int(column)) if line else _position(text)
    rest = "\n".join(text.split("\n")[where[0] - 1 :])[where[1] - 1 :]
    quotes = "" if rest[:1].isascii() else "; TOML takes a name beyond ASCII only in quotes"
    return *where, message[: found.start()] + quotes


def _position(before: str) -> tuple[int, int]:
    """Line and column, counted from 1, of what follows `before`."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


class TomlFile:
    """A parsed file, and errors that name a line of it."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._text = text
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: {error}") from error
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits; 1,000 brackets
            raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """Read the file at `path`.

        Raises:
            ConfigError: it cannot be read, or is not UTF-8 or TOML.
        """
        try:
            return cls(path, path.read_text("utf-8-sig"))
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is not UTF-8") from error

    def fail(self, keys: Keys, message: str) -> NoReturn:
        """Refuse the value at `keys`.

        Raises:
            ConfigError: always; it names the line.
        """
        line = line_of(self._text, keys)
        where = f"{self.path}:{line}" if line else str(self.path)
        raise ConfigError(f"{where}: {dotted(keys)}: {message}")

    def table(self, keys: Keys) -> dict[str, Any]:
        """The table at `keys`, empty if there is none."""
        found: Any = self.data
        for key in keys:
            found = found.get(key, {}) if isinstance(key, str) else found[key]
        if not isinstance(found, dict):
            self.fail(keys, "must be a table")
        return found

    def known(self, keys: Keys, names: Iterable[str]) -> dict[str, Any]:
        """The table at `keys`; every name in it must be in `names`."""
        found, known = self.table(keys), list(names)
        for name in found:
            if name not in known:
                near = nearest(name, known)
                hint = f"; did you mean {near}?" if near else f"; there are {', '.join(known)}"
                self.fail((*keys, name), f"unknown setting{hint}")
        return found

    def text(self, keys: Keys, default: str | None = None) -> str | None:
        value = self._value(keys)
        if value is None:
            return default
        if not isinstance(value, str) or not value:
            self.fail(keys, "must be a string that is not empty")
        return value

    def number(self, keys: Keys, default: float, low: float, high: float) -> float:
        value = self._value(keys)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.fail(keys, "must be a number")
        if not low <= value <= high:
            self.fail(keys, f"must be from {low} to {high}")
        return value

    def whole(self, keys: Keys, default: int, low: int, high: int) -> int:
        value = self.number(keys, default, low, high)
        if not isinstance(value, int):
            self.fail(keys, "must be a whole number")
        return value

    def flag(self, keys: Keys, default: bool) -> bool:
        value = self._value(keys)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fail(keys, "must be true or false")
        return value

    def texts(self, keys: Keys) -> list[str]:
        value = self._value(keys)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(keys, "must be an array of strings")
        return value

    def _value(self, keys: Keys) -> Any:
        return self.table(keys[:-1]).get(str(keys[-1]))


def dotted(keys: Keys) -> str:
    """`rule[2].answer`, counted from 1 as a person does."""
    text = ""
    for key in keys:
        text += f"[{key + 1}]" if isinstance(key, int) else f".{key}" if text else key
    return text

"""Read and write TOML; an error is one line that names the file and the place."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from ocx.errors import ConfigError, os_errors_as
from ocx.text import did_you_mean

Keys = tuple[str | int, ...]
"""The way to a value: names of tables, and indexes in arrays of tables."""

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_bytes(path: Path) -> bytes | None:
    """The content, or None if there is no such file.

    Raises:
        ConfigError: it cannot be read.
    """
    with os_errors_as(ConfigError, f"cannot read {path}"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


class TomlFile:
    """A document, and errors that say where in it something is wrong.

    Args:
        name: what an error calls it: its path, or `template fix`.
        content: bytes are UTF-8, with or without a byte order mark.
        hint: of each error.

    Raises:
        ConfigError: it is not TOML; the content is not repeated, for it may be a key.
    """

    def __init__(self, name: Path | str, content: bytes | str, *, hint: str | None = None) -> None:
        self.name = str(name)
        self._hint = hint
        self._text = text = ""
        try:
            text = content if isinstance(content, str) else content.decode("utf-8-sig")
            self.data: dict[str, Any] = tomllib.loads(text)
        except UnicodeDecodeError as error:
            problem = "not UTF-8" + _at(
                *_end(error.object[: error.start].decode("utf-8", "replace"))
            )
        except tomllib.TOMLDecodeError as error:
            problem = _syntax_problem(str(error), text)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits; 1,000 brackets
            problem = f"cannot be read as TOML: {error}"
        else:
            self._text = text
            return
        # Outside the handlers: an exception chained to this one would carry the document along.
        raise ConfigError(f"{self.name}: {problem}", hint=hint)

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """The file at `path`.

        Raises:
            ConfigError: it cannot be read, or is not TOML.
        """
        with os_errors_as(ConfigError, f"cannot read {path}"):
            return cls(path, path.read_bytes())

    @property
    def folder(self) -> Path:
        return Path(self.name).parent

    def line(self, keys: Keys) -> int | None:
        """The number of the line that `keys` stand on, else of the table around them.

        `tomllib` keeps no positions, so the keys are looked up again in the text.
        """
        here: Keys = ()
        seen: Counter[Keys] = Counter()
        best: tuple[int, int | None] = (0, None)  # how much of `keys` it matches, and the line
        for number, line in enumerate((line.strip() for line in self._text.split("\n")), 1):
            if line.startswith("[["):
                names = _names(line[2:].partition("]]")[0])
                here = found = (*names, seen[names])
                seen[names] += 1
            elif line.startswith("["):
                here = found = _names(line[1:].partition("]")[0])
            elif "=" in line:
                found = (*here, *_names(line.partition("=")[0]))
            else:
                continue
            if found == keys[: len(found)] and len(found) > best[0]:
                best = (len(found), number)
        return best[1]

    def fail(self, keys: Keys, message: str) -> NoReturn:
        """Refuse the value at `keys`.

        Raises:
            ConfigError: always; it names the line.
        """
        line = self.line(keys)
        where = f"{self.name}:{line}" if line else self.name
        raise ConfigError(f"{where}: {dotted(keys)}: {message}", hint=self._hint)

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
                hint = did_you_mean(name, known, "; ") or f"; there are {', '.join(known)}"
                self.fail((*keys, name), f"unknown setting{hint}")
        return found

    def text(self, keys: Keys) -> str | None:
        value: str | None = self._value(keys, str, what := "a string that is not empty")
        if value == "":
            self.fail(keys, f"must be {what}")
        return value

    def number(self, keys: Keys, default: float, low: float, high: float) -> float:
        value: float | None = self._value(keys, (int, float), "a number")
        if value is None:
            return default
        if not low <= value <= high:
            self.fail(keys, f"must be from {low} to {high}")
        return value

    def whole(self, keys: Keys, default: int, low: int, high: int) -> int:
        value = self.number(keys, default, low, high)
        if not isinstance(value, int):
            self.fail(keys, "must be a whole number")
        return value

    def flag(self, keys: Keys, default: bool) -> bool:
        value = self._value(keys, bool, "true or false")
        return default if value is None else value

    def texts(self, keys: Keys) -> list[str]:
        value = self._value(keys, list, "an array of strings") or []
        if not all(isinstance(item, str) for item in value):
            self.fail(keys, "must be an array of strings")
        return value

    def _value(self, keys: Keys, kind: Any, what: str) -> Any:
        """The value at `keys`; None if there is none. A bool is no number."""
        value = self.table(keys[:-1]).get(str(keys[-1]))
        is_kind = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if value is not None and not is_kind:
            self.fail(keys, f"must be {what}")
        return value


def dotted(keys: Keys) -> str:
    """`rule[2].answer`, counted from 1 as a person does."""
    text = "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def dump(data: Mapping[str, Any], *, multiline: bool = False) -> bytes:
    """The document that holds `data`; `multiline` writes texts of several lines as such."""
    import tomli_w  # start-up that only a change should pay

    text = tomli_w.dumps(data, multiline_strings=multiline)
    if multiline and tomllib.loads(text) != data:  # a text of several lines loses its \r\n
        text = tomli_w.dumps(data)
    return text.encode()


def changed(old: bytes, data: Mapping[str, Any]) -> bytes:
    """The document `old`, changed so that it holds `data`; comments and order stay."""
    import tomlkit  # as above

    # Beside dotted keys, and in a table on one line, a new table must be on one line, too.
    for new_table in (tomlkit.table, tomlkit.inline_table):
        with suppress(Exception):  # what it cannot follow loses its comments, and nothing else
            document = tomlkit.parse(old.decode("utf-8-sig"))
            _change(document, data, new_table)
            text = tomlkit.dumps(document)
            if tomllib.loads(text) == data:
                return text.encode()
    return dump(data)


def _change(
    table: MutableMapping[str, Any],
    data: Mapping[str, Any],
    new_table: Callable[[], MutableMapping[str, Any]],
) -> None:
    for name in [name for name in table if name not in data]:
        del table[name]
    for name, value in data.items():
        if isinstance(value, Mapping):
            if not isinstance(table.get(name), MutableMapping):
                table[name] = new_table()
            _change(table[name], value, new_table)
        elif name not in table or table[name] != value:
            table[name] = value


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


def _syntax_problem(message: str, text: str) -> str:
    """The message of tomllib, with the place where it says only `end of document`."""
    found = _PLACE.search(message)
    if found is None:
        return message
    place = (int(found[1]), int(found[2])) if found[1] else _end(text)
    rest = "\n".join(text.split("\n")[place[0] - 1 :])[place[1] - 1 :]
    quotes = "" if rest[:1].isascii() else "; TOML takes a name beyond ASCII only in quotes"
    return message[: found.start()] + _at(*place) + quotes


def _end(text: str) -> tuple[int, int]:
    """Line and column of what follows `text`, counted from 1."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _at(line: int, column: int) -> str:
    return f" (at line {line}, column {column})"

"""Read a TOML file; every error names its line, and an unknown name the nearest known one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from ocx.errors import ConfigError
from ocx.suggest import nearest
from ocx.toml import Keys, line_of


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

"""What TAB offers in a session: commands, models, files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from unicodedata import normalize

from ocx.config.paths import expand

Candidates = Callable[[str], Iterable[str]]
"""Gives what an argument that begins so may become."""


def as_typed_in_ascii(line: str) -> str:
    """`／ｍodel　３`, as a Chinese or Japanese keyboard types it, is `/model ３`."""
    if line[:1] != "／" or line[:2] == "／／":
        return line
    word, space, rest = line.replace("\u3000", " ", 1).partition(" ")
    return f"{normalize('NFKC', word)}{space}{rest}"


class Completer:
    """Completes the line of an entry.

    Args:
        commands: each command, with what completes its argument; None if nothing does.
    """

    def __init__(self, commands: Mapping[str, Candidates | None]) -> None:
        self._commands = commands

    def complete(self, line: str) -> list[str]:
        """Every line that `line`, up to the cursor, may become; empty for a message."""
        line = as_typed_in_ascii(line)
        if not line.startswith("/") or line.startswith("//"):
            return []
        word, space, argument = line.partition(" ")
        if not space:
            return [
                name if takes is None else f"{name} "
                for name, takes in self._commands.items()
                if name.startswith(word)
            ]
        takes = self._commands.get(word)
        return [f"{word} {found}" for found in takes(argument)] if takes else []


def no_argument(_begun: str) -> list[str]:
    """For an argument that nothing completes."""
    return []


def one_of(names: Callable[[], Iterable[str]]) -> Candidates:
    """The names that begin so."""
    return lambda begun: [name for name in names() if name.startswith(begun)]


def files(begun: str) -> list[str]:
    """Files and folders, these with a slash at the end; hidden ones only if asked for."""
    folder, slash, name = begun.rpartition("/")
    try:
        found = sorted(Path(expand(folder + slash) or ".").iterdir())
    except (OSError, ValueError):
        return []
    return [
        f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"
        for path in found
        if path.name.startswith(name) and path.name.startswith(".") == name.startswith(".")
        # What would not stand on one line as it is cannot be typed either.
        if path.name.isprintable()
    ]

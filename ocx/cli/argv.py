"""Reading argv apart from Typer: what must be known before it parses, or after it failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ocx.cli.parameters import VALUE_FLAGS
from ocx.cli.table import COMMANDS, Group, build
from ocx.cli.typer_internals import value_flags

_RUN_PROGRAMS = (("serve",), ("exec",))
"""Commands that take a command line of somebody else's after `--`."""


class Argv(NamedTuple):
    """One command line.

    Attributes:
        path: the words that name the command, without `ocx`.
        flags: the options before `--`, by their own names: (flag, value or None).
        dashes: where `--` stands that ends the options; None without one.
    """

    path: tuple[str, ...]
    flags: tuple[tuple[str, str | None], ...]
    dashes: int | None

    @property
    def title(self) -> str:
        return " ".join(("ocx", *self.path))

    def has(self, flag: str) -> bool:
        return any(given == flag for given, _ in self.flags)

    def value(self, *names: str) -> str | None:
        """What the last of these options says."""
        given = [value for flag, value in self.flags if flag in names]
        return given[-1] if given else None

    @property
    def monitor(self) -> str | None:
        """The form in which a monitoring system or a program reads how `ocx balance` ended."""
        if self.path != ("balance",):
            return None
        form = self.value("--format") or ("json" if self.has("--json") else None)
        return form if form in {"nagios", "prometheus", "json"} else None


def read_argv(words: Sequence[str]) -> Argv:
    """Read a command line without judging it.

    Imports the command that is named, to know which of its options take a value.
    """
    path: tuple[str, ...] = ()
    flags: list[tuple[str, str | None]] = []
    valued = VALUE_FLAGS
    table: object = COMMANDS
    rest = iter(enumerate(words))
    for index, word in rest:
        if word == "--":
            return Argv(path, tuple(flags), index)
        if len(word) > 1 and word.startswith("-"):
            flags += _options(word, valued, rest)
        elif isinstance(table, dict) and word in table:
            path = (*path, word)
            entry = table[word]
            table = entry.commands if isinstance(entry, Group) else None
            valued = VALUE_FLAGS | _value_flags(path, entry)
        else:
            table = None  # an argument: what follows it names no command
    return Argv(path, tuple(flags), None)


def split_trailing(words: list[str]) -> tuple[list[str], tuple[str, ...] | None]:
    """`words` up to `--`, and what follows it if the command runs programs.

    Typer cannot tell `serve -- CMD` from `serve CMD`, so this comes before it.
    """
    argv = read_argv(words)
    if argv.dashes is None or argv.path[:1] not in _RUN_PROGRAMS:
        return words, None
    return words[: argv.dashes], tuple(words[argv.dashes + 1 :])


def _value_flags(path: tuple[str, ...], entry: str | Group) -> frozenset[str]:
    """The options of a command that take a value; none if the command cannot be loaded."""
    if isinstance(entry, Group) and not entry.bare:
        return frozenset()
    try:
        return value_flags(build(path, entry))
    except Exception:  # a broken command is the error to report, not this look at it
        return frozenset()


def _options(
    word: str, valued: frozenset[str], rest: Iterator[tuple[int, str]]
) -> list[tuple[str, str | None]]:
    """What one word of options says; the value of the last may be the next word."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        if equals or name not in valued:
            return [(name, value if equals else None)]
        return [(name, next(rest, (0, None))[1])]
    found: list[tuple[str, str | None]] = []
    for place, letter in enumerate(word[1:], 2):
        flag = f"-{letter}"
        if flag in valued:
            attached = word[place:]
            return [*found, (flag, attached or next(rest, (0, None))[1])]
        found.append((flag, None))
    return found

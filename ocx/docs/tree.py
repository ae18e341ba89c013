"""The command tree as plain data: what every generator reads, and nothing of the parser's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ocx.runtime import SHARED_FLAGS
from ocx.typer_internals import (
    Parameter,
    parameters,
    runs_alone,
    subcommand,
    subcommand_names,
)

RUNS_PROGRAMS = ("ocx exec", "ocx serve")
"""After `--` these take a command line that is not ours."""


@dataclass(frozen=True)
class Option:
    """One option: `flags` turn it on or take a value, `off` are its --no- forms."""

    name: str
    flags: tuple[str, ...]
    off: tuple[str, ...]
    help: str
    metavar: str | None
    """What its value is called; `a|b` lists the values there are; None for a switch."""
    repeatable: bool
    shared: bool

    @property
    def takes_value(self) -> bool:
        return self.metavar is not None


@dataclass(frozen=True)
class Argument:
    name: str
    metavar: str
    help: str
    required: bool
    many: bool


@dataclass(frozen=True)
class Command:
    """A command or a group; `path` starts with `ocx`, `summary` is one line, `text` the rest."""

    path: tuple[str, ...]
    summary: str
    text: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    commands: tuple[Command, ...]
    bare: bool
    """It runs without one of its commands; true for whatever has none."""

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def title(self) -> str:
        return " ".join(self.path)

    def own(self) -> tuple[Option, ...]:
        return tuple(option for option in self.options if not option.shared)

    def walk(self) -> Iterator[Command]:
        """This command and all below it, each before its own."""
        yield self
        for command in self.commands:
            yield from command.walk()


# The parser adds it by itself, so that it is no parameter of any command.
_HELP = Option("help", ("--help", "-h"), (), "Show help and exit.", None, False, True)


def tree(program: Any) -> Command:
    """The whole program. Imports every command, so only for what shows them all."""
    return read(program, ("ocx",))


def find(program: Any, words: Sequence[str]) -> Command | None:
    """The command that `words` after `ocx` name; imports only that one. None: there is none."""
    command = program
    for word in words:
        command = subcommand(command, word)
        if command is None:
            return None
    return read(command, ("ocx", *words))


def read(command: Any, path: tuple[str, ...]) -> Command:
    """One command object of Typer, and all below it, as data."""
    table = {name: subcommand(command, name) for name in subcommand_names(command)}
    summary, _, text = (command.help or "").strip().partition("\n\n")
    known = parameters(command)
    return Command(
        path,
        " ".join(summary.split()),
        text.strip(),
        (*(_option(parameter) for parameter in known if parameter.is_option), _HELP),
        tuple(_argument(parameter) for parameter in known if not parameter.is_option),
        tuple(read(below, (*path, name)) for name, below in table.items()),
        runs_alone(command),
    )


def check(root: Command) -> None:
    """Check that every command, argument and option has a help text.

    Raises:
        ValueError: one has none; the message names it.
    """
    for command in root.walk():
        if not command.summary:
            raise ValueError(f"{command.title} has no help")
        parts = [(part.name, part.help) for part in command.options]
        for name, text in [*parts, *((part.name, part.help) for part in command.arguments)]:
            if not text:
                raise ValueError(f"{command.title}: {name} has no help")


def _option(parameter: Parameter) -> Option:
    return Option(
        parameter.name,
        parameter.flags,
        parameter.off,
        parameter.help,
        _metavar(parameter) if parameter.takes_value else None,
        parameter.repeatable,
        parameter.name in SHARED_FLAGS,
    )


def _argument(parameter: Parameter) -> Argument:
    return Argument(
        parameter.name,
        _metavar(parameter).strip("[].") or parameter.name.upper(),
        parameter.help,
        parameter.required,
        parameter.repeatable,
    )


def _metavar(parameter: Parameter) -> str:
    if parameter.metavar or not parameter.choices:
        return parameter.metavar or parameter.name.rstrip("_").upper().replace("_", "-")
    return "|".join(parameter.choices)

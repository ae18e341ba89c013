"""The command tree as plain data: what every generator reads, and nothing of the parser's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ocx.cli.typer_internals import (
    Parameter,
    parameters,
    runs_alone,
    subcommand,
    subcommand_names,
)
from ocx.runtime import SHARED_FLAGS

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
    heading: str = "Options"
    limits: str = ""
    """The default and the range of its value, as the help shows them."""

    @property
    def takes_value(self) -> bool:
        return self.metavar is not None

    @property
    def spellings(self) -> list[str]:
        """Every flag, the short one first, as in every manual."""
        return sorted((*self.flags, *self.off), key=len)


@dataclass(frozen=True)
class Argument:
    name: str
    metavar: str
    help: str
    required: bool
    many: bool

    @property
    def place(self) -> str:
        """How it stands in a synopsis: `ID`, `[FILTER]`, `{GET|POST}`, `[PROMPT]...`."""
        if self.metavar.startswith("--"):  # a command line of another program
            return f"{self.metavar} [ARGUMENT]..."
        shown = f"{{{self.metavar}}}" if "|" in self.metavar else self.metavar
        return (shown if self.required else f"[{shown}]") + ("..." if self.many else "")


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

    def synopses(self) -> list[str]:
        """What may follow its title on a command line."""
        lines = []
        if self.bare:
            lines.append(" ".join(["[OPTION]...", *(each.place for each in self.arguments)]))
        if self.commands:
            lines.append("[OPTION]... COMMAND [ARGUMENT]...")
        return lines

    def walk(self) -> Iterator[Command]:
        """This command and all below it, each before its own."""
        yield self
        for command in self.commands:
            yield from command.walk()


# The parser adds it by itself, so that it is no parameter of any command.
_HELP = Option(
    "help", ("--help", "-h"), (), "Show help and exit.", None, False, True, "Help and version"
)


def by_heading(options: Sequence[Option]) -> dict[str, list[Option]]:
    """The options under their headings, each heading where its first option stands."""
    groups: dict[str, list[Option]] = {}
    for option in options:
        groups.setdefault(option.heading, []).append(option)
    return groups


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
    return shallow(command, path, [read(below, (*path, name)) for name, below in table.items()])


def shallow(command: Any, path: tuple[str, ...], below: Sequence[Command]) -> Command:
    """One command object of Typer as data; what is `below` it is given, and nothing is imported."""
    summary, _, text = (command.help or "").strip().partition("\n\n")
    known = parameters(command)
    return Command(
        path,
        " ".join(summary.split()),
        text.strip(),
        (*(_option(parameter) for parameter in known if parameter.is_option), _HELP),
        tuple(_argument(parameter) for parameter in known if not parameter.is_option),
        tuple(below),
        not below or runs_alone(command),
    )


def leaf(path: tuple[str, ...], summary: str) -> Command:
    """A command of which nothing is known but what the table says."""
    return Command(path, summary, "", (), (), (), True)


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
        parameter.heading or "Options",
        "; ".join(parameter.limits),
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

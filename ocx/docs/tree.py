"""The command tree as plain data: what every generator reads, and nothing of the parser's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
        command = command.get_command(None, word) if hasattr(command, "get_command") else None
        if command is None:
            return None
    return read(command, ("ocx", *words))


def read(command: Any, path: tuple[str, ...]) -> Command:
    """One command object of Typer, and all below it, as data."""
    table = {name: command.get_command(None, name) for name in _names(command)}
    summary, _, text = (command.help or "").strip().partition("\n\n")
    return Command(
        path,
        " ".join(summary.split()),
        text.strip(),
        (*(_option(p) for p in command.params if p.param_type_name == "option"), _HELP),
        tuple(_argument(p) for p in command.params if p.param_type_name == "argument"),
        tuple(read(below, (*path, name)) for name, below in table.items()),
        not table or bool(command.invoke_without_command),
    )


def check(root: Command) -> None:
    """Raises ValueError, naming it, for a command, an argument or an option without help."""
    for command in root.walk():
        if not command.summary:
            raise ValueError(f"{command.title} has no help")
        parts = [(part.name, part.help) for part in command.options]
        for name, text in [*parts, *((part.name, part.help) for part in command.arguments)]:
            if not text:
                raise ValueError(f"{command.title}: {name} has no help")


def _names(command: Any) -> list[str]:
    names: list[str] = command.list_commands(None) if hasattr(command, "list_commands") else []
    return names


def _option(parameter: Any) -> Option:
    return Option(
        parameter.name,
        tuple(parameter.opts),
        tuple(parameter.secondary_opts),
        (parameter.help or "").strip(),
        None if parameter.is_flag or parameter.count else _metavar(parameter),
        bool(parameter.multiple or parameter.count),
        parameter.name in SHARED_FLAGS,
    )


def _argument(parameter: Any) -> Argument:
    return Argument(
        parameter.name,
        _metavar(parameter).strip("[].") or parameter.name.upper(),
        (parameter.help or "").strip(),
        bool(parameter.required),
        parameter.nargs != 1,
    )


def _metavar(parameter: Any) -> str:
    choices = getattr(parameter.type, "choices", None)
    if parameter.metavar or choices is None:
        return str(parameter.metavar or parameter.name.rstrip("_").upper().replace("_", "-"))
    return "|".join(str(choice) for choice in choices)

"""One command as a shell completes it: every choice already made, only the syntax is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from docs.generator import values
from docs.generator.tree import walk
from docs.generator.values import Values
from ocx.cli.help import Command
from ocx.cli.typer_internals import Parameter

_RUN_PROGRAMS = ("ocx exec", "ocx serve")
"""After `--` these take a command line that is not ours."""


@dataclass(frozen=True)
class Positional:
    """What can stand at one place; `many` is that place and every later one."""

    name: str
    values: Values
    many: bool


@dataclass(frozen=True)
class Site:
    title: str
    commands: tuple[tuple[str, str], ...]
    """Names and summaries of the commands below."""
    options: tuple[Parameter, ...]
    """Its own; the shared ones stand at every command."""
    arguments: tuple[Positional, ...]
    runs_programs: bool


def sites(root: Command) -> list[Site]:
    return list(_sites(root))


def shared_options(root: Command) -> tuple[Parameter, ...]:
    return tuple(option for option in root.options if option not in root.own)


def _sites(root: Command) -> Iterator[Site]:
    for command in walk(root):
        yield Site(
            command.title,
            tuple((below.name, below.summary) for below in command.commands),
            command.own,
            tuple(_positionals(root, command)),
            command.title in _RUN_PROGRAMS,
        )


def _positionals(root: Command, command: Command) -> Iterator[Positional]:
    for argument in command.arguments:
        known = values.of_argument(command, argument)
        if command.title == "ocx help":
            known = values.of_help(root)
        yield Positional(argument.value.lower(), known, argument.repeatable)

"""The command tree as plain data: what every generator reads, and nothing of the parser's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from ocx.cli.help import Command, described
from ocx.cli.table import root


@cache
def tree() -> Command:
    """The whole program. Imports every command."""
    return _read(root(), ("ocx",))


def _read(command: Any, path: tuple[str, ...]) -> Command:
    below = [
        _read(command.get_command(None, name), (*path, name))
        for name in getattr(command, "table", ())
    ]
    return described(command, path, below)


def walk(command: Command) -> Iterator[Command]:
    """This command and all below it, each before its own."""
    yield command
    for below in command.commands:
        yield from walk(below)


def check(root: Command) -> None:
    """Check that every command, argument and option has a help text.

    Raises:
        ValueError: one has none; the message names it.
    """
    for command in walk(root):
        if not command.summary:
            raise ValueError(f"{command.title} has no help")
        for each in (*command.options, *command.arguments):
            if not each.help:
                raise ValueError(f"{command.title}: {each.name} has no help")

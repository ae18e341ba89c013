"""Completion scripts: static text for each shell, filled in from the command tree.

The shells read model ids and names from files themselves and evaluate nothing. Typer's own
scripts start Python on every TAB and run what a model id says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from docs.generator import bash, fish, zsh
from ocx.cli.help import Command
from ocx.commands.help import SCRIPTS

_TEMPLATES = Path(__file__).parent / "shell"
_GENERATORS: dict[str, Callable[[Command], dict[str, str]]] = {
    "bash": bash.parts,
    "zsh": zsh.parts,
    "fish": fish.parts,
}


def script(shell: str, root: Command) -> str:
    """The completion script for one of `SCRIPTS`."""
    template = (_TEMPLATES / SCRIPTS[shell]).read_text("utf-8")
    return _filled(template, _GENERATORS[shell](root))


def _filled(template: str, parts: dict[str, str]) -> str:
    """A line `#@ NAME` of the template becomes the part of that name."""
    return "".join(_lines(template.splitlines(keepends=True), parts))


def _lines(lines: Iterable[str], parts: dict[str, str]) -> Iterable[str]:
    for line in lines:
        marker, _, name = line.strip().partition("#@ ")
        yield parts[name] if name and not marker else line

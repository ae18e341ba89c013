"""`ocx completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ocx.runtime import Runtime

if TYPE_CHECKING:
    pass
from ocx.docs.completion import script
from ocx.docs.tree import tree


def completion(
    run: Runtime,
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="The shell.")],
) -> None:
    """Print the completion script of a shell.

    The script is the one in the package's share folder, where shells find it by themselves once
    ocx is installed beside them; for any other installation put it there, or source it.
    """
    run.terminal.stdout.write(script(shell, tree(run.program)).encode())

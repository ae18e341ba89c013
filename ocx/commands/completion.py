"""`ocx completion`."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.docs.completion import script
from ocx.docs.tree import tree
from ocx.runtime import Runtime


def completion(
    run: Runtime,
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="The shell.")],
) -> None:
    """Print the completion script of a shell.

    The script is the one in the package's share folder, where shells find it by themselves once
    ocx is installed beside them; for any other installation put it there, or source it.
    """
    run.terminal.stdout.write(script(shell, tree(run.program)).encode())

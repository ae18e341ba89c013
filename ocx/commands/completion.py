"""`ocx completion`: the script that a shell completes `ocx` by."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.commands.shared import Invocation, shared


@shared
def completion(
    run: Invocation,
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="The shell.")],
) -> None:
    """Print the completion script of a shell.

    The script is the one in the package's share folder, where shells find it by themselves once
    ocx is installed beside them; for any other installation put it there, or source it.
    """
    # The floor above, and every command: the script is made from the tree that this is part of.
    from ocx.docs.completion import script
    from ocx.docs.tree import tree

    run.terminal.stdout.write(script(shell, tree()).encode())

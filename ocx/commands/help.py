"""`ocx help` and `ocx completion`."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocx.docs.completion import script
from ocx.docs.topics import GUIDES, TOPICS
from ocx.docs.tree import tree
from ocx.errors import UsageError
from ocx.runtime import Runtime
from ocx.signals import ignoring_interrupts

if TYPE_CHECKING:
    from ocx.docs.page import Page


def help_(
    run: Runtime,
    topic: Annotated[
        list[str] | None,
        typer.Argument(help=f"A command, or a topic: {', '.join(TOPICS)}.", show_default=False),
    ] = None,
) -> None:
    """Show the manual of a command or a topic.

    On a terminal man shows it, where there is one; else it is printed as plain text.
    """
    words = topic or []
    shown_by = run.terminal.stdout_tty and run.terminal.stdin_tty and shutil.which("man")
    name = " ".join(words)
    if name in GUIDES:
        from ocx.docs.guide import guide  # noqa: PLC0415 - as in _page

        run.terminal.print(guide(name, run.terminal.width))
        return
    table = TOPICS.get(name)
    if table is not None and not shown_by:  # without the rest of the program
        run.terminal.print(table())
        return
    page = _page(run, words)
    if not (shown_by and _show(shown_by, page)):
        from ocx.docs.plain import plain  # noqa: PLC0415 - as in _page

        run.terminal.print(plain(page, run.terminal.width))


def _page(run: Runtime, words: list[str]) -> Page:
    # Not for the tables above, which scripts read.
    from ocx.docs import manual  # noqa: PLC0415 - see above
    from ocx.docs.tree import find  # noqa: PLC0415 - the same

    name = " ".join(words)
    if name in TOPICS:
        return manual.topic_page(name)
    command = find(run.program, words)
    if command is None:
        raise UsageError(
            f"no command or topic called {name!r}",
            hint=f"topics: {', '.join(TOPICS)}; commands: ocx --help",
        )
    return manual.command_page(command)


def _show(man: str, page: Page) -> bool:
    """Whether `man` showed the page; every man takes a name with a slash for a file."""
    from ocx.docs.roff import roff  # noqa: PLC0415 - as in _page

    try:
        with tempfile.TemporaryDirectory(prefix="ocx-") as folder:
            file = Path(folder) / page.file
            file.write_text(roff(page), "utf-8")
            with ignoring_interrupts():  # Ctrl-C is the pager's
                return subprocess.run([man, str(file)], check=False).returncode == 0
    except OSError:  # no folder for temporary files, or it is full
        return False


def completion(
    run: Runtime,
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="The shell.")],
) -> None:
    """Print the completion script of a shell.

    The script is the one in the package's share folder, where shells find it by themselves once
    ocx is installed beside them; for any other installation put it there, or source it.
    """
    run.terminal.stdout.write(script(shell, tree(run.program)).encode())

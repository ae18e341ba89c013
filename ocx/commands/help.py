"""`ocx help`: topics from the tables that the program itself runs by, and every command."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocx.commands.shared import Invocation, shared
from ocx.config.table import ENVIRONMENT
from ocx.errors import UsageError, exit_code_table
from ocx.signals import ignoring_interrupts

if TYPE_CHECKING:
    from ocx.docs.page import Page


def exit_codes() -> str:
    """The exit codes as text: code, name, whether a retry helps, meaning."""
    rows = [
        f"{code:>4}  {name:<15}{meaning}" + (f" (retry helps: {retry})" if retry else "")
        for code, name, meaning, retry in exit_code_table()
    ]
    return "Exit codes of ocx\n\n" + "\n".join(rows)


def environment() -> str:
    """The environment variables that ocx reads."""
    width = max(len(name) for name, _ in ENVIRONMENT)
    rows = [f"  {name:<{width}}  {text}" for name, text in ENVIRONMENT]
    return "Environment of ocx\n\n" + "\n".join(rows)


TOPICS: dict[str, Callable[[], str] | None] = {
    "exit-codes": exit_codes,
    "environment": environment,
    "config-file": None,
}
"""Topics with their one-table text, where it says as much as the page in the manual."""


@shared
def help_(
    run: Invocation,
    topic: Annotated[
        list[str] | None,
        typer.Argument(help=f"A command, or a topic: {', '.join(TOPICS)}."),
    ] = None,
) -> None:
    """Show the manual of a command or a topic.

    On a terminal man shows it, where there is one; else it is printed as plain text.
    """
    words = topic or []
    shown = run.terminal.stdout_tty and run.terminal.stdin_tty and shutil.which("man")
    table = TOPICS.get(" ".join(words))
    if table is not None and not shown:  # without the rest of the program
        run.terminal.print(table())
        return
    page = _page(words)
    if not (shown and _show(shown, page)):
        from ocx.docs.plain import plain

        run.terminal.print(plain(page, run.terminal.width))


def _page(words: list[str]) -> Page:
    # The floor above: the manual of the tree that this command is part of.
    from ocx.docs import manual
    from ocx.docs.tree import find

    name = " ".join(words)
    if name in TOPICS:
        pages = (manual.exit_codes_page, manual.environment_page, manual.config_page)
        return dict(zip(TOPICS, pages, strict=True))[name]()
    command = find(words)
    if command is None:
        raise UsageError(
            f"no command or topic called {name!r}",
            hint=f"topics: {', '.join(TOPICS)}; commands: ocx --help",
        )
    return manual.command_page(command)


def _show(man: str, page: Page) -> bool:
    """Whether `man` showed the page; every man takes a name with a slash for a file."""
    from ocx.docs.roff import roff

    with tempfile.TemporaryDirectory(prefix="ocx-") as folder:
        file = Path(folder) / page.file
        file.write_text(roff(page), "utf-8")
        with ignoring_interrupts():  # Ctrl-C is the pager's
            return subprocess.run([man, str(file)], check=False).returncode == 0

"""`ocx help`: topics from the tables that the program itself runs by, and every command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from ocx.commands.shared import Invocation, shared
from ocx.config.table import ENVIRONMENT
from ocx.errors import UsageError, exit_code_table


def exit_codes() -> str:
    """The exit codes as text: code, name, whether a retry helps, meaning."""
    rows = [
        f"{code:>4}  {name:<15}{meaning}" + (f" (retry helps: {retry})" if retry else "")
        for code, name, meaning, retry in exit_code_table()
    ]
    return "Exit codes of ocx\n\n" + "\n".join(rows)


def environment() -> str:
    """The environment variables that ocx reads."""
    rows = ENVIRONMENT
    width = max(len(name) for name, _ in rows)
    return "Environment of ocx\n\n" + "\n".join(f"  {n:<{width}}  {text}" for n, text in rows)


TOPICS: dict[str, Callable[[], str]] = {"exit-codes": exit_codes, "environment": environment}


@shared
def help_(
    run: Invocation,
    topic: Annotated[
        list[str] | None, typer.Argument(help="A command, or exit-codes, or environment.")
    ] = None,
) -> None:
    """Show help for a command or a topic."""
    words = topic or []
    if len(words) == 1 and words[0] in TOPICS:
        run.terminal.print(TOPICS[words[0]]())
        return
    run.terminal.print(command_help(run.program, words))


def command_help(command: Any, words: list[str]) -> str:
    """The help of the command that `words` name below `command`. Raises UsageError."""
    context = command.make_context("ocx", [], resilient_parsing=True)
    for word in words:
        lookup = getattr(command, "get_command", None)
        found = lookup(context, word) if lookup else None
        if found is None:
            raise UsageError(
                f"no command or topic called {' '.join(words)!r}",
                hint=f"topics: {', '.join(TOPICS)}; commands: ocx --help",
            )
        command = found
        context = command.make_context(word, [], parent=context, resilient_parsing=True)
    text: str = command.get_help(context)
    return text

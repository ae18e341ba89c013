"""`ocx exec`: another program with the endpoint and the key in its environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Annotated, NoReturn

import typer

from ocx.commands.env import hand_over
from ocx.errors import UsageError, cannot_run
from ocx.runtime import Runtime


def exec_(
    run: Runtime,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- CMD", help="The program and its arguments, after `--`."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model id or alias.", metavar="ID")
    ] = None,
) -> None:
    """Run a program with the endpoint and key in its environment.

    The program takes the place of ocx: its exit code, its signals and its terminal are its own.
    The key stands in its environment only, never in an argument or a file.
    """
    if words or not run.trailing:
        raise UsageError("the program to run goes after `--`", hint="ocx exec -- CMD [ARG]...")
    found = hand_over(run, model)
    env = {name: text for name, text in run.terminal.env.items() if name not in found.removed}
    replace_process(run.trailing, {**env, **found.variables})


def replace_process(words: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Become the program `words[0]`, found through the PATH of `env`.

    Raises:
        NotFoundError, CannotRunError: it could not be started.
    """
    # Python ignores these, and a program inherits what is ignored; the handlers of ours it does
    # not inherit, and an ignored SIGINT it shall (nohup, a job in the background).
    for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(words[0], list(words), dict(env))  # noqa: S606 - no shell is meant
    except (OSError, ValueError) as error:
        raise cannot_run(words[0], error) from error

"""Run a command line, and end the process by the exit code or signal of its outcome."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from ocx import process
from ocx.errors import ChildExit, Interrupted, OcxError, OutputClosed, Terminated, not_text
from ocx.terminal import Terminal, failed_write
from ocx.text import compact, escape_control

if TYPE_CHECKING:
    from ocx.cli.argv import Argv


def run(argv: Sequence[str]) -> NoReturn:
    """Run `ocx` with these arguments and end the process as its outcome says."""
    process.install()
    words = list(argv)
    terminal = Terminal.from_process(_color(words))
    sys.stderr = terminal.stderr  # whatever else writes there is masked as well
    try:
        status = _status(words, terminal)
    except (OutputClosed, Interrupted, KeyboardInterrupt, Terminated) as event:
        number: int = getattr(event, "number", signal.SIGINT)
        if "balance" in words and number != signal.SIGPIPE:
            _stopped(terminal, number, words)
        terminal.stderr.end()
        process.die_by(number)
    terminal.stderr.end()
    # What is left in Python's own buffer; if it failed once it fails again, and that was told.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    # Nothing is left to clean up, and taking Python apart is an eighth of a short run.
    os._exit(status)


def _status(words: list[str], terminal: Terminal) -> int:
    """The exit code, once every error is told. Raises the events that end it by a signal."""
    try:
        invoke(words, terminal)
        return 0
    except OutputClosed:
        raise
    except ChildExit as child:
        if child.status < 0:
            process.die_by(-child.status)
        return child.status
    except OcxError as error:
        return _report(terminal, error, words)
    except Exception as error:  # a bug: one line and exit 1, the traceback with --debug
        process.raise_lost()
        bug = OcxError(
            f"unexpected {type(error).__name__}: {error}",
            hint="this is a bug: run it again with --debug and report what it shows",
        )
        bug.__cause__ = error
        return _report(terminal, bug, words)


def _color(words: Sequence[str]) -> str:
    """What --color says, looked for before anything is parsed: usage errors have colours too."""
    choice = "auto"
    for word, after in zip(words, [*words[1:], ""], strict=False):
        if word == "--":
            break
        if word == "--color":
            choice = after
        elif word.startswith("--color="):
            choice = word.removeprefix("--color=")
    return choice


def invoke(words: list[str], terminal: Terminal) -> None:
    """Parse and run. Raises only our own errors and events."""
    # After the handlers stand: these imports take most of the start-up.
    import typer  # noqa: PLC0415 - see above

    from ocx.cli.table import root  # noqa: PLC0415 - the same
    from ocx.context import Context  # noqa: PLC0415 - the same

    command = root()
    ours: list[str] = words
    trailing: tuple[str, ...] | None = None
    if "--" in words:
        from ocx.cli.argv import split_trailing  # noqa: PLC0415 - only if a program may follow

        ours, trailing = split_trailing(words)
    try:
        # Not command.main(), which turns Ctrl-C into 130 and a closed pipe into 1. The parser
        # takes words out of the list it is given; what reports errors needs all of them.
        with command.make_context(
            "ocx", list(ours), obj=Context(terminal, {}, trailing)
        ) as context:
            command.invoke(context)
    except typer.Exit as exit_:
        if exit_.exit_code:
            raise ChildExit(exit_.exit_code) from None
    except typer.TyperException as error:
        from ocx.cli.argv import usage_error  # noqa: PLC0415 - only for an error

        raise usage_error(error, words, terminal) from error
    except OSError as error:
        raise _translated(error) from error
    except UnicodeEncodeError as error:
        raise not_text(error) from error


def _argv(words: Sequence[str]) -> Argv | None:
    try:
        from ocx.cli.argv import read_argv  # noqa: PLC0415 - imports Typer, see invoke

        return read_argv(words)
    except Exception:  # the program cannot be loaded: that is the error to report
        return None


def _translated(error: OSError) -> Exception:
    if error.filename is None:
        return failed_write(error, "stdout")
    return OcxError(f"{error.filename}: {error.strerror}")


def _report(terminal: Terminal, error: OcxError, words: Sequence[str]) -> int:
    from ocx.output.writers import write_failure  # noqa: PLC0415 - only for an error

    argv = _argv(words)
    as_json = argv.has("--json") if argv else "--json" in words
    if argv.has("--debug") if argv else "--debug" in words:
        import traceback  # noqa: PLC0415 - only for --debug

        text = escape_control("".join(traceback.format_exception(error)))
        if as_json:
            text = compact({"debug": text}, ascii_only=True) + "\n"
        terminal.stderr.write(text)
    if argv is not None and argv.monitor:
        from ocx.output.balance_output import tell_monitor  # noqa: PLC0415 - only for an error

        if (status := tell_monitor(terminal, argv, error)) is not None:
            return status
    # Looked for in argv, so that a usage error already has the form that was asked for.
    write_failure(terminal, error, as_json=as_json)
    return error.exit_code


def _stopped(terminal: Terminal, number: int, words: Sequence[str]) -> None:
    """A check that was stopped, by `timeout` perhaps, leaves no file that says OK."""
    argv = _argv(words)
    if argv is not None and argv.monitor and argv.value("-o", "--output") is not None:
        from ocx.output.balance_output import tell_monitor  # noqa: PLC0415 - only then

        tell_monitor(terminal, argv, OcxError(f"stopped by {signal.Signals(number).name}"))

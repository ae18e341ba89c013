"""Where a balance goes: stdout, the file of -o, the files of a GitHub job."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from ocx.api.balance import Balance
from ocx.config.schema import SANDBOX
from ocx.config.settings import Settings
from ocx.errors import BelowError, OcxError
from ocx.files import atomic_write
from ocx.output.balance_days import Lasting, days_text, rounded
from ocx.output.balance_formats import (
    Thresholds,
    balance_document,
    balance_text,
    github_output,
    github_summary,
    github_unknown,
    nagios,
    prometheus,
)
from ocx.output.bars import bars
from ocx.output.github import append, command
from ocx.output.json_output import json_text
from ocx.output.output_file import open_target
from ocx.output.table import Cell, Column, write_table
from ocx.output.time_text import day_text, now
from ocx.runtime import Runtime
from ocx.terminal import Terminal
from ocx.text import escape_control, one_line

_LONGEST_BAR = 40


class Shown(NamedTuple):
    """A reading, the answer it was read from, and what it is held against."""

    reading: Balance
    answer: Any
    settings: Settings
    limits: Thresholds
    lasting: Lasting | None = None

    @property
    def profile(self) -> str:
        return profile_of(self.settings)


def profile_of(settings: Settings) -> str:
    return SANDBOX if settings.sandbox else settings.profile


def as_text(run: Runtime, form: str, shown: Shown) -> bytes:
    """What is printed in one of the forms."""
    reading = shown.reading
    match form:
        case "json":
            sandbox = shown.settings.sandbox
            document = balance_document(
                reading, shown.answer, sandbox=sandbox, lasting=shown.lasting
            )
            return json_text(run.terminal, document)
        case "prometheus":
            return prometheus(reading, shown.profile, shown.lasting).encode()
        case "nagios":
            return f"{nagios(reading, shown.limits, shown.lasting)}\n".encode()
    if shown.lasting is not None:
        return f"{one_line(days_text(reading, shown.lasting))}\n".encode()
    lines = (one_line(balance_text(each)) for each in reading.currencies or (reading,))
    return "".join(f"{line}\n" for line in lines).encode()


def raw_text(terminal: Terminal, body: bytes) -> bytes:
    """The body byte for byte in a pipe; on a terminal, control characters are written out."""
    if terminal.stdout_tty:
        body = escape_control(body.decode("utf-8", "replace")).encode()
    return body if body.endswith(b"\n") else body + b"\n"


def deliver(run: Runtime, data: bytes, output: str | None) -> None:
    """To stdout, or to the file of -o, which is replaced in one step.

    Raises:
        UsageError: the file's name cannot be one.
        OcxError: it cannot be written.
    """
    if output is None:
        run.terminal.stdout.write(data)
    elif _is_replaced(output):
        try:
            atomic_write(Path(output), data)
        except OSError as error:
            raise OcxError(f"cannot write {output}: {error.strerror}") from error
    else:
        target = open_target(run.terminal, output)
        target.write(data)
        target.complete()


def _is_replaced(name: str) -> bool:
    """A regular file, or none yet; not a device, a pipe, `-` or a folder."""
    if name in {"", "-"} or name.startswith(("/dev/", "/proc/")):
        return False
    try:
        return stat.S_ISREG(Path(name).stat().st_mode)
    except OSError:
        return True


def write_github(run: Runtime, shown: Shown) -> None:
    """Write the step's outputs and a table in its summary.

    Raises:
        OcxError: a file of the job cannot be written.
    """
    env = run.terminal.env
    reading, limits = shown.reading, shown.limits
    if not append(env, "GITHUB_OUTPUT", github_output(reading, shown.lasting)):
        run.note("GITHUB_OUTPUT is not set: no outputs outside of GitHub Actions")
    append(env, "GITHUB_STEP_SUMMARY", github_summary(reading, limits, shown.profile))


def annotation(level: str, text: str) -> str:
    return command(level, text, title="ocx balance")


@contextmanager
def annotated(run: Runtime, settings: Settings, form: str) -> Iterator[None]:
    """Errors as annotations of the job and in its summary, too, if the form is GitHub's."""
    try:
        yield
    except OcxError as error:
        if form == "github" and not run.quiet:
            run.terminal.exact_message(annotation("error", error.message))
        if form == "github" and not isinstance(error, BelowError):
            summary = github_unknown(profile_of(settings))
            with suppress(OcxError):
                append(run.terminal.env, "GITHUB_STEP_SUMMARY", summary)
        raise


def write_screen(run: Runtime, shown: Shown) -> None:
    """The balance for a person: with whose it is, or what was spent day by day."""
    if shown.lasting is not None:
        if shown.lasting.forecast.by_day and not shown.lasting.unknown:
            _write_days(run.terminal, shown.lasting, run.color)
        run.terminal.print(one_line(days_text(shown.reading, shown.lasting)))
        return
    columns = (Column("BALANCE", "accent", right=True), "PROFILE", Column("ENDPOINT", "dim"))
    where = (shown.profile, shown.settings.base_url)
    rows = [(balance_text(each), *where) for each in shown.reading.currencies or (shown.reading,)]
    write_table(run.terminal, columns, rows, color=run.color)


def _write_days(terminal: Terminal, lasting: Lasting, color: str) -> None:
    """A bar for each day, for a person."""
    days = lasting.forecast.by_day
    columns = (Column("DAY", "dim"), Column("SPENT", right=True), Column(""))
    today = now().date()
    width = max(2, min(_LONGEST_BAR, terminal.width - 30))
    shown = bars([spent for _, spent in days], width)
    rows = [
        (day_text(day, today), rounded(spent), Cell(bar, "accent"))
        for (day, spent), bar in zip(days, shown, strict=True)
    ]
    write_table(terminal, columns, rows, color=color)

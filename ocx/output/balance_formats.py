"""The forms of `ocx balance --format`, and where they go."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ocx.api.balance import Balance
from ocx.config.schema import SANDBOX
from ocx.config.settings import Settings
from ocx.errors import OcxError
from ocx.escaping import one_line
from ocx.files import atomic_write
from ocx.output import monitoring
from ocx.output.balance import balance_document, balance_text
from ocx.output.github import append, command
from ocx.output.json_output import json_text
from ocx.output.output_file import open_target
from ocx.output.table import Column, write_table
from ocx.runtime import Runtime


class Shown(NamedTuple):
    """A reading, the answer it was read from, and what it is held against."""

    reading: Balance
    answer: Any
    settings: Settings
    limits: monitoring.Thresholds

    @property
    def profile(self) -> str:
        return SANDBOX if self.settings.sandbox else self.settings.profile


def as_text(run: Runtime, form: str, shown: Shown) -> bytes:
    """What is printed in one of the forms."""
    reading = shown.reading
    match form:
        case "json":
            sandbox = shown.settings.sandbox
            return json_text(run.terminal, balance_document(reading, shown.answer, sandbox=sandbox))
        case "prometheus":
            return monitoring.prometheus(reading, shown.profile).encode()
        case "nagios":
            return f"{monitoring.nagios(reading, shown.limits)}\n".encode()
    lines = (one_line(balance_text(each)) for each in reading.currencies or (reading,))
    return "".join(f"{line}\n" for line in lines).encode()


def write_screen(run: Runtime, shown: Shown) -> None:
    """The balance for a person, with whose it is."""
    columns = (Column("BALANCE", "accent", right=True), "PROFILE", Column("ENDPOINT", "dim"))
    where = (shown.profile, shown.settings.base_url)
    rows = [(balance_text(each), *where) for each in shown.reading.currencies or (shown.reading,)]
    write_table(run.terminal, columns, rows, color=run.color)


def deliver(run: Runtime, data: bytes, output: str | None) -> None:
    """To stdout, or to the file of -o, which is replaced in one step.

    Raises: UsageError, OcxError.
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
    """The step's outputs and a table in its summary. Raises: OcxError."""
    env = run.terminal.env
    reading, limits = shown.reading, shown.limits
    if not append(env, "GITHUB_OUTPUT", monitoring.github_output(reading)):
        run.note("GITHUB_OUTPUT is not set: no outputs outside of GitHub Actions")
    append(env, "GITHUB_STEP_SUMMARY", monitoring.github_summary(reading, limits, shown.profile))


def annotation(level: str, text: str) -> str:
    return command(level, text, title="ocx balance")


@contextmanager
def annotated(run: Runtime, form: str) -> Iterator[None]:
    """Errors as annotations of the job, too, where the form is GitHub's."""
    try:
        yield
    except OcxError as error:
        if form == "github" and not run.quiet:
            run.terminal.message(annotation("error", error.message))
        raise

"""Where a balance goes, or why there is none: stdout, the file of -o, the files of a GitHub job.

A monitoring system is never told what was true yesterday.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ocx.api.balance import Balance
from ocx.config.paths import env_name
from ocx.config.profiles import choose_profile, load
from ocx.config.schema import DEFAULT_PROFILE, SANDBOX
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.errors import BelowError, OcxError, OutputClosed, os_errors_as
from ocx.files import atomic_write
from ocx.history.call import Forecast
from ocx.output.balance_formats import (
    METRIC,
    UNKNOWN,
    Thresholds,
    balance_document,
    balance_text,
    days_text,
    github_output,
    github_summary,
    nagios,
    nagios_line,
    prometheus,
    prometheus_unknown,
    rounded,
)
from ocx.output.columns import Cell, Column, write_table
from ocx.output.environment import append, command
from ocx.output.figures import bars, day_text, now
from ocx.output.writers import (
    failure_json,
    is_stream,
    json_text,
    open_output_file,
    write_failure,
)
from ocx.secret import mask_all
from ocx.terminal import Terminal
from ocx.text import escape_control, one_line

if TYPE_CHECKING:
    from ocx.cli.argv import Argv

_LONGEST_BAR = 40


class Shown(NamedTuple):
    """A reading, the answer it was read from, and what it is held against."""

    reading: Balance
    answer: Any
    settings: Settings
    limits: Thresholds
    lasting: Forecast | None = None


def as_text(ctx: Context, form: str, shown: Shown) -> bytes:
    """What is printed in one of the forms."""
    reading = shown.reading
    match form:
        case "json":
            sandbox, lasting = shown.settings.sandbox, shown.lasting
            document = balance_document(reading, shown.answer, sandbox=sandbox, lasting=lasting)
            return json_text(document, to_person=ctx.terminal.stdout_tty)
        case "prometheus":
            return prometheus(reading, shown.settings.profile_in_use, shown.lasting).encode()
        case "nagios":
            return f"{nagios(reading, shown.limits, shown.lasting)}\n".encode()
    lines = [balance_text(each) for each in reading.each]
    if shown.lasting is not None:
        lines = [days_text(reading, shown.lasting)]
    return "".join(f"{one_line(line)}\n" for line in lines).encode()


def raw_text(terminal: Terminal, body: bytes) -> bytes:
    """The body byte for byte in a pipe; on a terminal, control characters are written out."""
    if terminal.stdout_tty:
        body = escape_control(body.decode("utf-8", "replace")).encode()
    return body if body.endswith(b"\n") else body + b"\n"


def deliver(ctx: Context, data: bytes, output: str | None) -> None:
    """To stdout, or to the file of -o, which is replaced in one step.

    Raises:
        UsageError: the file's name cannot be one.
        OcxError: it cannot be written.
    """
    if output is None:
        ctx.terminal.stdout.write(data)
        return
    with os_errors_as(OcxError, f"cannot write {output}"):
        path = Path(output)
        if output not in {"", "-"} and not is_stream(path) and not path.is_dir():
            atomic_write(path, data)
            return
        target = open_output_file(ctx.terminal, output)
        target.write(data)
        target.complete()


def write_github(ctx: Context, shown: Shown) -> None:
    """Write the step's outputs and a table in its summary.

    Raises:
        OcxError: a file of the job cannot be written.
    """
    env = ctx.terminal.env
    if not append(env, "GITHUB_OUTPUT", github_output(shown.reading, shown.lasting)):
        ctx.note("GITHUB_OUTPUT is not set: no outputs outside of GitHub Actions")
    summary = github_summary(shown.reading, shown.limits, shown.settings.profile_in_use)
    append(env, "GITHUB_STEP_SUMMARY", summary)


def annotation(level: str, text: str) -> str:
    return command(level, text, title="ocx balance")


@contextmanager
def annotated(ctx: Context, settings: Settings, form: str) -> Iterator[None]:
    """Errors as annotations of the job and in its summary, too, if the form is GitHub's."""
    try:
        yield
    except OcxError as error:
        if form == "github" and not ctx.quiet:
            ctx.terminal.exact_message(annotation("error", error.message))
        if form == "github" and not isinstance(error, BelowError):
            summary = github_summary(None, Thresholds(), settings.profile_in_use)
            with suppress(OcxError):
                append(ctx.terminal.env, "GITHUB_STEP_SUMMARY", summary)
        raise


def write_screen(ctx: Context, shown: Shown) -> None:
    """The balance for a person: with whose it is, or what was spent day by day."""
    terminal, lasting = ctx.terminal, shown.lasting
    if lasting is None:
        columns = (Column("BALANCE", "accent", right=True), "PROFILE", Column("ENDPOINT", "dim"))
        where = (shown.settings.profile_in_use, shown.settings.base_url)
        rows = [(balance_text(each), *where) for each in shown.reading.each]
        write_table(ctx, columns, rows)
        return
    days = lasting.by_day
    if days and not lasting.unknown:
        today = now().date()
        width = max(2, min(_LONGEST_BAR, terminal.width - 30))
        lengths = bars([spent for _, spent in days], width)
        spending = [
            (day_text(day, today), rounded(spent), Cell(bar, "accent"))
            for (day, spent), bar in zip(days, lengths, strict=True)
        ]
        headings = (Column("DAY", "dim"), Column("SPENT", right=True), Column(""))
        write_table(ctx, headings, spending)
    terminal.print(one_line(days_text(shown.reading, lasting)))


def tell_monitor(terminal: Terminal, given: Argv, error: OcxError) -> int | None:
    """Tell why, on stdout or in the file of -o. The exit code if that is all there is to say.

    Args:
        given: the command line, which may be one that could not be parsed.
    """
    file = given.value("-o", "--output")
    if given.monitor == "nagios":
        line = mask_all(nagios_line("UNKNOWN", error.message), terminal.stderr.keys)
        try:
            deliver(Context(terminal), f"{line}\n".encode("utf-8", "replace"), file)
        except OcxError as failure:
            write_failure(terminal, failure, as_json=False)
        except OutputClosed:
            pass
        return UNKNOWN
    if file is not None and not isinstance(error, BelowError) and _is_ours(file):
        as_json = given.monitor == "json"
        profile = _profile_label(terminal, given)
        text = f"{failure_json(error)}\n" if as_json else prometheus_unknown(error, profile)
        text = mask_all(text, terminal.stderr.keys)
        with suppress(OcxError, OutputClosed):  # the error itself is told on stderr
            deliver(Context(terminal), text.encode(), file)
    return None


def _is_ours(file: str) -> bool:
    """Whether it holds an old balance, or nothing yet; another file is not lost to a failure."""
    try:
        data = Path(file).read_bytes()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return any(name in data for name in (METRIC.encode(), b'"balance"', b'"exit_code"'))


def _profile_label(terminal: Terminal, given: Argv) -> str:
    """The label of the metric, as far as it can be known."""
    env = terminal.env
    named = given.value("-P", "--profile")
    if named is None and (given.has("--sandbox") or env.get(env_name("sandbox"))):
        return SANDBOX
    try:
        name: str = choose_profile(load(env), {"profile": named}, env).value
    except OcxError:
        return named or DEFAULT_PROFILE
    return name

"""`ocx balance`: the credits left, for a person, a program, or a gate in CI."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import typer

from ocx.api.balance import Balance, parse_balance
from ocx.call.credits import check_known, check_minimum, refuse_play_money, threshold
from ocx.commands.context import waiting
from ocx.errors import BelowError, ChildExit, UsageError
from ocx.keyring.client import open_client
from ocx.output.balance_formats import Thresholds, balance_text
from ocx.output.balance_output import (
    Shown,
    annotated,
    annotation,
    as_text,
    deliver,
    raw_text,
    write_github,
    write_screen,
)
from ocx.runtime import Runtime

_FORMATS = "text|json|prometheus|nagios|github"

_LIMITS, _OUTPUT = "Limits", "Output"


def balance(
    run: Runtime,
    minimum: Annotated[
        str | None,
        typer.Option(
            "--min",
            help="Exit 12 where fewer credits are left.",
            metavar="N",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    warn: Annotated[
        str | None,
        typer.Option(
            "--warn",
            help="Warn on stderr where fewer are left.",
            metavar="N",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(
            "--currency",
            help="Which balance to read, of several.",
            metavar="CODE",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    accept_guess: Annotated[
        bool,
        typer.Option(
            "--accept-guess",
            help="Let --min pass on a number that may mean another.",
            rich_help_panel=_LIMITS,
        ),
    ] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Print the answer as the server sent it.", rich_help_panel=_OUTPUT
        ),
    ] = (False),
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="How to print it; text is the default.",
            metavar=_FORMATS,
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Replace this file, in one step.",
            metavar="FILE",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
) -> None:
    """Show the credits left on the account.

    The shape of the answer is undocumented; --json says how sure the reading is. With -q only
    the exit code speaks.
    """
    form = _form(run, format_, raw)
    limits = Thresholds(threshold("--warn", warn), threshold("--min", minimum))
    settings = run.settings()
    if limits.critical is not None:
        refuse_play_money(settings, "--min")
    with annotated(run, form), open_client(run, settings) as client:
        with waiting(run, "the balance", client):
            reply = client.balance()
        if raw:
            deliver(run, raw_text(run.terminal, reply.body), output)
            if limits == Thresholds():
                return
        reading = parse_balance(
            reply,
            path=settings.balance_path,
            scale=settings.balance_scale,
            currency=currency,
        )
        shown = Shown(reading, reply.json, settings, limits)
        if form == "nagios" and limits.critical is not None:
            check_known(reading, accept_guess=accept_guess)
        if not raw:
            _show(run, form, shown, output)
        _judge(run, form, shown, accept_guess=accept_guess)


def _form(run: Runtime, name: str | None, raw: bool) -> str:
    if name is not None and name not in _FORMATS.split("|"):
        raise UsageError(f"--format takes {_FORMATS.replace('|', ', ')}")
    if run.json and name not in {None, "json"}:
        raise UsageError("--json is --format json, and takes no other")
    if raw and (run.json or name is not None):
        raise UsageError("--raw is a format of its own", hint="leave out --json and --format")
    return "json" if run.json else name or "text"


def _show(run: Runtime, form: str, shown: Shown, output: str | None) -> None:
    if form == "text" and output is None and run.terminal.stdout_tty and not run.quiet:
        write_screen(run, shown)
    elif not run.quiet or output is not None:
        deliver(run, as_text(run, form, shown), output)
    if form == "github":
        write_github(run, shown)
    if form == "text" and shown.reading.confidence == "guessed":
        run.warn("this is a guess: the answer may mean another number; see --raw")


def _judge(run: Runtime, form: str, shown: Shown, *, accept_guess: bool) -> None:
    reading, limits = shown.reading, shown.limits
    if form == "nagios":
        if state := limits.state(reading):
            raise ChildExit(state)
        return
    if limits.warning is not None:
        _warn(run, form, reading, limits.warning)
    if limits.critical is not None:
        try:
            check_minimum(reading, limits.critical, accept_guess=accept_guess)
        except BelowError as below:
            if run.quiet:  # like grep -q: the answer "no" is no error
                raise ChildExit(below.exit_code) from None
            raise


def _warn(run: Runtime, form: str, reading: Balance, low: Decimal) -> None:
    for each in reading.currencies or (reading,):
        if each.amount is not None and each.amount < low:
            text = f"{balance_text(each)} left, fewer than {low:f}"
            if form != "github":
                run.warn(text)
            elif not run.quiet:
                run.terminal.message(annotation("warning", text))

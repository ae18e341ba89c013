"""`ocx balance`: the credits left, for a person, a program, or a gate in CI."""

from __future__ import annotations

import time
from decimal import Decimal

from ocx.api.balance import Balance
from ocx.chat.credits import check_known, check_minimum, gate, threshold
from ocx.cli import Text, option
from ocx.commands import chosen_format, waiting
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.errors import BelowError, ChildExit, ServerError, UsageError
from ocx.history.call import DAY, SLACK, Forecast, forecast
from ocx.history.filters import parse_age
from ocx.keys.client import Dated, balance_in, keep_balance, kept_points, open_client
from ocx.output.balance_formats import Thresholds, balance_text, days_text
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

_FORMATS = "text|json|prometheus|nagios|github"

_LIMITS, _LASTING, _OUTPUT = "Limits", "How long they last", "Output"
_OVER = "7d"


def balance(
    ctx: Context,
    minimum: Text = option("--min N", "Exit 12 where fewer credits are left.", heading=_LIMITS),
    warn: Text = option("--warn N", "Warn on stderr where fewer are left.", heading=_LIMITS),
    days: bool = option(
        "--days", "For how many days they last, by what was spent.", False, heading=_LASTING
    ),
    over: Text = option("--over AGE", "Look back this long (7d).", heading=_LASTING),
    least_days: Text = option(
        "--min-days N", "Exit 12 where they last for fewer days.", heading=_LASTING
    ),
    currency: Text = option(
        "--currency CODE", "Which balance to read, of several.", heading=_LIMITS
    ),
    accept_guess: bool = option(
        "--accept-guess",
        "Let --min pass on a number that may mean another.",
        False,
        heading=_LIMITS,
    ),
    raw: bool = option("--raw", "Print the answer as the server sent it.", False, heading=_OUTPUT),
    format_: Text = option(
        f"--format {_FORMATS}", "How to print it; text is the default.", heading=_OUTPUT
    ),
    output: Text = option("--output -o FILE", "Replace this file, in one step.", heading=_OUTPUT),
) -> None:
    """Show the credits left on the account.

    The shape of the answer is undocumented; --json says how sure the reading is. With -q only
    the exit code speaks. Each reading is kept in the history, unless that is off, so that --days
    knows what is spent a day; a top-up is not spending.
    """
    form = chosen_format(ctx, format_, _FORMATS.split("|"), "text")
    if raw and (ctx.json or format_ is not None):
        raise UsageError("--raw is a format of its own", hint="leave out --json and --format")
    seconds = _look_back(over, days=days or least_days is not None, raw=raw)
    settings = ctx.settings()
    limits = Thresholds(
        threshold("--warn", warn),
        gate(settings, "--min", minimum),
        gate(settings, "--min-days", least_days, "days"),
    )
    with annotated(ctx, settings, form), open_client(ctx, settings) as client:
        with waiting(ctx, "the balance", client):
            reply = client.balance()
        if raw:
            deliver(ctx, raw_text(ctx.terminal, reply.body), output)
            if limits == Thresholds():
                return
        read = (time.time(), balance_in(reply, settings, currency))
        try:
            lasting = _lasting(ctx, settings, read, seconds) if seconds else None
            shown = Shown(read[1], reply.json, settings, limits, lasting)
            if form == "nagios":
                _check_known(shown, accept_guess=accept_guess)
            if not raw:
                _show(ctx, form, shown, output)
            _judge(ctx, form, shown, accept_guess=accept_guess)
        finally:
            keep_balance(ctx, settings, [read])


def _look_back(over: str | None, *, days: bool, raw: bool) -> float | None:
    """How many seconds; None if the days are not asked for."""
    if not days:
        if over is not None:
            raise UsageError("--over is about --days or --min-days")
        return None
    if raw:
        raise UsageError("--raw shows the answer alone", hint="leave out --days and --min-days")
    seconds = parse_age(over or _OVER, "--over")
    if seconds < DAY:
        raise UsageError("--over takes a day at least", hint=f"{_OVER} is the default")
    return seconds


def _lasting(ctx: Context, settings: Settings, read: Dated, over: float) -> Forecast:
    """What the kept readings and this one tell.

    Raises:
        ServerError: there are several balances.
        HistoryError: they cannot be read.
    """
    at, reading = read
    check_known(reading, accept_guess=True)
    kept = kept_points(ctx.terminal.env, settings, reading.unit, at - over - SLACK)
    return forecast(kept, reading.amount, at, over)


def _check_known(shown: Shown, *, accept_guess: bool) -> None:
    """Return only if what the limits ask about is known. Raises ServerError."""
    limits, lasting = shown.limits, shown.lasting
    if limits.critical is not None or limits.days is not None:
        check_known(shown.reading, accept_guess=accept_guess)
    if lasting is not None and limits.days is not None and lasting.unknown:
        off = shown.settings.history == "off"
        why = "the history is off" if off else "there is less than a day of readings"
        raise ServerError(
            f"for how long the balance lasts is not known: {why}",
            hint="`ocx config set history auto` keeps the balances that are read"
            if off
            else "run `ocx balance` from cron, or look back further with --over 30d",
        )


def _show(ctx: Context, form: str, shown: Shown, output: str | None) -> None:
    if form == "text" and output is None and ctx.terminal.stdout_tty and not ctx.quiet:
        write_screen(ctx, shown)
    elif not ctx.quiet or output is not None:
        deliver(ctx, as_text(ctx, form, shown), output)
    if form == "github":
        write_github(ctx, shown)
    if form == "text" and shown.reading.confidence == "guessed":
        ctx.warn("this is a guess: the answer may mean another number; see --raw")
    if form == "text" and shown.lasting is not None and shown.lasting.unknown:
        ctx.note(
            "the history is off, so no balance is kept: `ocx config set history auto`"
            if shown.settings.history == "off"
            else "each `ocx balance` keeps what it reads; ask again tomorrow, or see --over"
        )


def _judge(ctx: Context, form: str, shown: Shown, *, accept_guess: bool) -> None:
    reading, limits = shown.reading, shown.limits
    if form == "nagios":
        if state := limits.state(reading, shown.lasting):
            raise ChildExit(state)
        return
    if limits.warning is not None:
        _warn(ctx, form, reading, limits.warning)
    try:
        _check_known(shown, accept_guess=accept_guess)
        if limits.critical is not None:
            check_minimum(reading, limits.critical, accept_guess=accept_guess)
        if shown.lasting is not None and limits.is_short(shown.lasting):
            text = f"{days_text(reading, shown.lasting)}; fewer than {limits.days:f}"
            raise BelowError(text, hint="top up")
    except BelowError as below:
        if ctx.quiet:  # like grep -q: the answer "no" is no error
            raise ChildExit(below.exit_code) from None
        raise


def _warn(ctx: Context, form: str, reading: Balance, low: Decimal) -> None:
    """With -q too: it is what was asked for, and all that a cron job should say."""
    for each in reading.each:
        if each.amount is not None and each.amount < low:
            text = f"{balance_text(each)} left, fewer than {low:f}"
            if form != "github":
                ctx.with_flags(quiet=False).warn(text)
            else:
                ctx.terminal.exact_message(annotation("warning", text))

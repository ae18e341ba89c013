"""`ocx balance`: the credits left, for a person, a program, or a gate in CI."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from ocx.api.balance import Balance, read
from ocx.commands.shared import Invocation, shared
from ocx.errors import BelowError, ChildExit, ConfigError, ServerError, UsageError
from ocx.output.balance import balance_document, balance_text, write_raw
from ocx.output.document import write_json
from ocx.output.text import one_line

if TYPE_CHECKING:
    from ocx.api import Reply
    from ocx.config.settings import Settings


@shared
def balance(
    run: Invocation,
    minimum: Annotated[
        str | None,
        typer.Option("--min", help="Exit 12 where fewer credits are left.", metavar="N"),
    ] = None,
    warn: Annotated[
        str | None,
        typer.Option("--warn", help="Warn on stderr where fewer are left.", metavar="N"),
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option("--currency", help="Which balance to read, of several.", metavar="CODE"),
    ] = None,
    accept_guess: Annotated[
        bool,
        typer.Option("--accept-guess", help="Let --min pass on a number that may mean another."),
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the answer as the server sent it.")] = (
        False
    ),
) -> None:
    """Show the credits left on the account.

    The shape of the answer is undocumented; --json says how sure the reading is. With -q only
    the exit code speaks.
    """
    if raw and run.json:
        raise UsageError("--raw and --json exclude each other", hint="--raw prints JSON already")
    least = threshold("--min", minimum)
    low = threshold("--warn", warn)
    settings = run.settings()
    if least is not None:
        refuse_play_money(settings, "--min")
    with run.client(settings) as client:
        reply = client.balance()
    if raw:
        write_raw(run.terminal, reply.body)
        if least is None and low is None:
            return
    reading = read(
        reply,
        path=settings.balance_path,
        scale=settings.balance_scale,
        currency=currency,
    )
    if not raw and not run.quiet:
        _print(run, reading, reply, settings)
    if low is not None:
        _warn(run, reading, low)
    if least is not None:
        try:
            check_minimum(reading, least, accept_guess=accept_guess)
        except BelowError as below:
            if run.quiet:  # like grep -q: the answer "no" is no error
                raise ChildExit(below.exit_code) from None
            raise


def threshold(flag: str, text: str | None) -> Decimal | None:
    """The credits that a flag names. Raises UsageError."""
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise UsageError(f"{flag} takes a number of credits, not {text!r}")
    return number


def refuse_play_money(settings: Settings, flag: str) -> None:
    """Raises ConfigError where a variable left behind chose the sandbox for a gate."""
    source = settings.sources.get("sandbox", "")
    if settings.sandbox and source != "flag":
        raise ConfigError(
            f"the sandbox was chosen by {source}: its credits are play money, no gate for {flag}",
            hint="unset it, or say --sandbox on the command line if you mean it",
        )


def _print(run: Invocation, reading: Balance, reply: Reply, settings: Settings) -> None:
    if run.json:
        write_json(run.terminal, balance_document(reading, reply.json, sandbox=settings.sandbox))
        return
    for each in reading.currencies or (reading,):
        run.terminal.print(one_line(balance_text(each)))
    if reading.confidence == "guessed":
        run.warn("this is a guess: the answer may mean another number; see --raw")


def _warn(run: Invocation, reading: Balance, low: Decimal) -> None:
    for each in reading.currencies or (reading,):
        if each.amount is not None and each.amount < low:
            run.warn(f"{balance_text(each)} left, fewer than {low}")


def check_minimum(reading: Balance, least: Decimal, *, accept_guess: bool) -> None:
    """Return only where at least `least` is surely there.

    Raises: BelowError where it is known to be less; ServerError where that cannot be known.
    """
    if reading.unlimited:
        return
    if reading.amount is None:
        held = ", ".join(each.unit for each in reading.currencies)
        raise ServerError(
            f"the account holds several balances ({held})", hint="choose one with --currency"
        )
    if reading.confidence == "guessed" and not accept_guess:
        raise ServerError(
            f"the balance may be {balance_text(reading)}, but that is a guess",
            hint="set balance_path in the profile, or say --accept-guess",
        )
    if reading.amount < least:
        raise BelowError(f"{balance_text(reading)} left, fewer than {least}", hint="top up")

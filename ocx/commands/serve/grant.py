"""`ocx serve grant`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ocx.errors import CreditsError, UsageError
from ocx.output.json_output import write_json
from ocx.runtime import Runtime

if TYPE_CHECKING:
    pass
from ocx.commands.context import ledger_path
from ocx.commands.options import AccountName, Db
from ocx.serve.charge import credits_json, format_credits, parse_credits
from ocx.serve.ledger import Overdrawn, open_ledger


def grant(
    run: Runtime,
    amount: Annotated[
        str, typer.Argument(metavar="[CREDITS]", help="How many, with up to six decimals.")
    ] = "500",
    take: Annotated[bool, typer.Option("--take", help="Take them away instead.")] = False,
    account: AccountName = "default",
    db: Db = None,
) -> None:
    """Grant credits to an account, also beside a running server."""
    try:
        micro = -parse_credits(amount) if take else parse_credits(amount)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if amount.startswith("-") or micro == 0:
        raise UsageError("the number of credits must be above 0", hint="--take takes some away")
    with open_ledger(ledger_path(run, db), make=True) as ledger:
        # Not `_account`: who grants ten to a new account means ten.
        wanted = ledger.account(account)
        try:
            after = ledger.grant(wanted.id, micro)
        except Overdrawn as error:
            raise CreditsError(
                f"{account} has {format_credits(error.available)} credits that can be taken",
                hint="credits that running requests hold come back when they end",
            ) from error
    if run.json:
        write_json(run.terminal, {"account": account, "balance": credits_json(after.balance)})
    elif not run.quiet:
        run.terminal.print(f"{account}\t{format_credits(after.balance)}")

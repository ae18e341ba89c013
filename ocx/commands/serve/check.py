"""`ocx serve check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocx.errors import OcxError
from ocx.output.json_output import write_json
from ocx.runtime import Runtime

if TYPE_CHECKING:
    pass
from ocx.commands.context import ledger_path
from ocx.commands.options import Db
from ocx.serve.audit import counts, findings
from ocx.serve.charge import credits_json, format_credits
from ocx.serve.ledger import open_ledger


def check(run: Runtime, db: Db = None) -> None:
    """Check that every balance is the sum of its entries and nothing stays held.

    Charges that a killed server left behind are released first. Exit 1 names what is wrong.
    """
    with open_ledger(ledger_path(run, db)) as book:
        wrong = findings(book.store.db)
        found = counts(book.store.db)
    if run.json:
        amounts = {name: credits_json(found[name]) for name in ("balance", "held")}
        write_json(run.terminal, {**found, **amounts, "findings": wrong})
    elif not run.quiet and not wrong:
        ended = ", ".join(f"{count} {name}" for name, count in sorted(found["outcomes"].items()))
        run.terminal.print(
            f"sound: balance {format_credits(found['balance'])},"
            f" held {format_credits(found['held'])}; charges: {ended or 'none'}"
        )
    if wrong:
        raise OcxError(f"the ledger is not sound: {wrong[0]}", hint=f"{len(wrong)} findings in all")

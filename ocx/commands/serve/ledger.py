"""`ocx serve ledger`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocx.output.json_output import write_json
from ocx.output.table import Column, write_table
from ocx.output.time_text import ago, now
from ocx.runtime import Runtime

if TYPE_CHECKING:
    pass
from ocx.commands.context import ledger_path
from ocx.commands.options import Db
from ocx.output.json_output import write_json_line
from ocx.serve.ledger.audit import entries
from ocx.serve.ledger.ledger import open_ledger

_COLUMNS = (
    Column("SEQ", "accent", right=True),
    Column("TIME", "dim"),
    "ACCOUNT",
    "KIND",
    Column("AMOUNT", right=True),
    Column("BALANCE", right=True),
    "MODEL",
    "OUTCOME",
)


def ledger(
    run: Runtime,
    account: Annotated[
        str | None, typer.Option("--account", help="Only this account.", metavar="NAME")
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One JSON document a line: the export.")
    ] = False,
    db: Db = None,
) -> None:
    """Show every movement of credits, oldest first."""
    with open_ledger(ledger_path(run, db)) as book:
        rows = entries(book.store.db, account)
        if jsonl:
            for row in rows:
                write_json_line(run.terminal, row)
        elif run.json:
            write_json(run.terminal, list(rows))
        else:
            cells = [_cells(row, short=run.terminal.stdout_tty) for row in rows]
            write_table(run.terminal, _COLUMNS, cells, color=run.color)


def _cells(row: dict[str, Any], *, short: bool) -> tuple[str, ...]:
    """The time is how long ago on a terminal, and seconds since the epoch in a pipe."""
    if short:
        row = {**row, "time": ago(datetime.fromtimestamp(row["time"], UTC), now())}
    names = ("seq", "time", "account", "kind", "amount", "balance_after", "model", "outcome")
    return tuple("" if row[name] is None else str(row[name]) for name in names)

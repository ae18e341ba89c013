"""`ocx serve ledger`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from ocx.commands.context import ledger_path
from ocx.commands.options import Db
from ocx.output.history_output import most_decimals
from ocx.output.json_output import write_json, write_json_line
from ocx.output.table import Column, write_table
from ocx.output.time_text import ago, now
from ocx.runtime import Runtime
from ocx.serve.audit import entries
from ocx.serve.ledger import open_ledger

_COLUMNS = (
    Column("SEQ", "accent", right=True, optional=1),
    Column("TIME", "dim", optional=2),
    Column("ACCOUNT", optional=3),
    "KIND",
    Column("AMOUNT", right=True),
    Column("BALANCE", right=True),
    Column("MODEL", optional=4),
    Column("OUTCOME", optional=5),
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
            cells = list(_cells(list(rows), short=run.terminal.stdout_tty))
            write_table(run.terminal, _COLUMNS, cells, color=run.color)


def _cells(rows: Sequence[dict[str, Any]], *, short: bool) -> Iterator[tuple[str, ...]]:
    """Text; on a terminal amounts with as many decimals, and the time is how long ago.

    In a pipe it is seconds since the epoch.
    """
    names = ("seq", "time", "account", "kind", "amount", "balance_after", "model", "outcome")
    amounts = ("amount", "balance_after")
    exact = [{**row, **{name: Decimal(str(row[name])) for name in amounts}} for row in rows]
    places = most_decimals(row[name] for row in exact for name in amounts)
    for row in exact:
        texts = {name: "" if row[name] is None else str(row[name]) for name in names}
        texts |= {
            name: f"{row[name]:.{places}f}" if short else f"{row[name]:f}" for name in amounts
        }
        if short:
            texts["time"] = ago(datetime.fromtimestamp(row["time"], UTC), now())
        yield tuple(texts.values())

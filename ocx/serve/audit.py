"""Check that a ledger is sound, add up its totals, and read its rows for the export."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from ocx.serve.charge import credits_json
from ocx.sqlite import read_script


def problems(db: sqlite3.Connection) -> list[str]:
    """One line for each row that breaks a rule; empty if the ledger is sound."""
    found = []
    db.execute("BEGIN")
    try:
        for text in read_script(__package__, "audit.sql").split("-- rule: ")[1:]:
            rule, _, query = text.partition("\n")
            found += [f"{rule}: {', '.join(map(str, row))}" for row in db.execute(query)]
        damage = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    finally:
        db.execute("ROLLBACK")
    return found + damage


def totals(db: sqlite3.Connection) -> dict[str, Any]:
    """Totals: micro-credits of all accounts, charges by state and by outcome."""
    balance, held = db.execute(
        "SELECT coalesce(sum(balance), 0), coalesce(sum(held), 0) FROM account"
    ).fetchone()
    states = dict(db.execute("SELECT state, count(*) FROM charge GROUP BY state"))
    outcomes = dict(
        db.execute("SELECT outcome, count(*) FROM charge WHERE outcome NOT NULL GROUP BY outcome")
    )
    return {"balance": balance, "held": held, "charges": states, "outcomes": outcomes}


_ROWS = """
SELECT l.seq, l.at AS time, a.name AS account, l.kind, l.amount, l.balance_after, c.id AS charge,
  c.model, c.outcome, c.prompt_tokens, c.completion_tokens, c.source, c.shortfall, k.name AS key
FROM ledger l JOIN account a ON a.id = l.account
LEFT JOIN charge c ON c.id = l.charge LEFT JOIN key k ON k.id = c.key
WHERE :account IS NULL OR a.name = :account ORDER BY l.seq
"""
_AMOUNTS = ("amount", "balance_after", "shortfall")


def entries(db: sqlite3.Connection, account: str | None = None) -> Iterator[dict[str, Any]]:
    """Every entry, oldest first; amounts in credits, times in seconds since the epoch."""
    found = db.execute(_ROWS, {"account": account})
    names = [column[0] for column in found.description]
    for values in found:
        row = dict(zip(names, values, strict=True))
        for name in _AMOUNTS:
            row[name] = None if row[name] is None else credits_json(row[name])
        yield row

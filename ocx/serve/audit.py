"""Check that a ledger is sound, add up its totals, and read its rows for the export."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from ocx.serve.charge import credits_json

_RULES = {
    "balance is not the sum of the ledger": (
        "SELECT name, balance, coalesce(total, 0) AS expected FROM account a LEFT JOIN"
        " (SELECT account, sum(amount) AS total FROM ledger GROUP BY account) ON account = a.id"
        " WHERE balance != expected"
    ),
    "held is not the sum of the held charges": (
        "SELECT name, held, coalesce(total, 0) AS expected FROM account a LEFT JOIN"
        " (SELECT account, sum(hold) AS total FROM charge WHERE state = 'held' GROUP BY account)"
        " ON account = a.id WHERE held != expected"
    ),
    "a charge and its ledger entry differ": (
        "SELECT c.id, c.cost, -l.amount FROM charge c LEFT JOIN ledger l ON l.charge = c.id"
        " WHERE c.cost != coalesce(-l.amount, 0) OR c.account != coalesce(l.account, c.account)"
    ),
    "a charge that ended has no outcome": (
        "SELECT id, state, outcome FROM charge WHERE state != 'held' AND outcome IS NULL"
    ),
    "a released charge cost something": (
        "SELECT id, cost, shortfall FROM charge WHERE state = 'released' AND cost + shortfall > 0"
    ),
    "balance_after does not follow": (
        "SELECT seq, balance_after, running FROM (SELECT seq, balance_after, sum(amount)"
        " OVER (PARTITION BY account ORDER BY seq) AS running FROM ledger)"
        " WHERE balance_after != running"
    ),
}


def problems(db: sqlite3.Connection) -> list[str]:
    """One line for each row that breaks a rule; empty if the ledger is sound."""
    db.execute("BEGIN")
    try:
        found = [
            f"{rule}: {', '.join(map(str, row))}"
            for rule, query in _RULES.items()
            for row in db.execute(query)
        ]
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

"""The ledger as rows of plain values: what leaves this program."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from ocx.serve.ledger.money import credits

_ROWS = """
SELECT l.seq, l.at, a.name, l.kind, l.amount, l.balance_after, c.id, c.model, c.outcome,
  c.prompt_tokens, c.completion_tokens, c.source, c.shortfall, k.name
FROM ledger l JOIN account a ON a.id = l.account
LEFT JOIN charge c ON c.id = l.charge LEFT JOIN key k ON k.id = c.key
WHERE :account IS NULL OR a.name = :account ORDER BY l.seq
"""
_NAMES = (
    *("seq", "time", "account", "kind", "amount", "balance_after", "charge", "model", "outcome"),
    *("prompt_tokens", "completion_tokens", "source", "shortfall", "key"),
)
_AMOUNTS = ("amount", "balance_after", "shortfall")


def entries(db: sqlite3.Connection, account: str | None = None) -> Iterator[dict[str, Any]]:
    """Every entry, oldest first; amounts in credits, times in seconds since the epoch."""
    for values in db.execute(_ROWS, {"account": account}):
        row = dict(zip(_NAMES, values, strict=True))
        for name in _AMOUNTS:
            row[name] = None if row[name] is None else credits(row[name])
        yield row

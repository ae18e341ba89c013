"""Balances as they were read, kept beside the calls: what was left, when, and where."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ocx.history.database import PATIENCE_OF_ANSWERS, open_database, translated, writing
from ocx.history.forecast import DAY, Point
from ocx.history.store import FILE

_KEPT_DAYS = 400  # a check every five minutes would otherwise fill the disk in the end


@dataclass(frozen=True)
class Account:
    """Whose balance it is; two keys of one profile are one account."""

    profile: str
    base_url: str


@dataclass(frozen=True)
class Reading:
    """An amount, in the unit that the answer names, at a time in seconds since the epoch."""

    at: float
    unit: str
    amount: Decimal


def keep_readings(state: Path, account: Account, readings: Sequence[Reading]) -> None:
    """Add readings to the history in the folder `state`; very old ones go.

    Raises:
        HistoryError: it cannot be written.
    """
    path = state / FILE
    with _opened(path) as connection, writing(connection, PATIENCE_OF_ANSWERS):
        connection.executemany(
            "INSERT INTO reading(profile, base_url, unit, at, amount) VALUES (?, ?, ?, ?, ?)",
            [
                (account.profile, account.base_url, each.unit, each.at, f"{each.amount:f}")
                for each in readings
            ],
        )
        newest = max(each.at for each in readings)
        connection.execute("DELETE FROM reading WHERE at < ?", (newest - _KEPT_DAYS * DAY,))


def points(state: Path, account: Account, unit: str, since: float) -> list[Point]:
    """The readings of one account in one unit, oldest first. Looking makes no file.

    Raises:
        HistoryError: the history cannot be read.
    """
    path = state / FILE
    if not path.exists():
        return []
    with _opened(path) as connection:
        rows = connection.execute(
            "SELECT at, amount FROM reading"
            " WHERE profile = ? AND base_url = ? AND unit = ? AND at >= ? ORDER BY at",
            (account.profile, account.base_url, unit, since),
        ).fetchall()
    return [Point(at, Decimal(amount)) for at, amount in rows]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_database(path, PATIENCE_OF_ANSWERS)) as connection, translated(path):
        yield connection

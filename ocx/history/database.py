"""Opening the history: its mode, its version, and many processes at once."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ocx.errors import OcxError
from ocx.files import locked, make_folder
from ocx.history.schema import MIGRATIONS

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a process waits for the others; a write takes milliseconds."""

_MODE = 0o600


class HistoryError(OcxError):
    """The history cannot be read or written. For `chat` this is a warning, never a failure."""


def open_database(path: Path) -> sqlite3.Connection:
    """The history at `path`, made or migrated where needed.

    Transactions are explicit (`writing`). Raises: HistoryError.
    """
    with translated(path):
        make_folder(path.parent)
        _make_private(path)
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        try:
            patiently(lambda: _prepare(connection, path))
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite and of the file system become HistoryError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise HistoryError(f"cannot use the history {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise HistoryError(
            f"the history {path} is damaged: {error}",
            hint=f"move it away and a new one is made: mv {path} {path}.damaged",
        ) from error
    except OSError as error:
        raise HistoryError(f"cannot use the history {path}: {error.strerror}") from error


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that holds the write lock from its start, so that it cannot fail midway."""
    patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    patiently(connection.commit)


def patiently(action: Callable[[], T]) -> T:
    """Repeat `action` while another process is in the way.

    SQLite's own busy timeout covers most of it, but not the switch to WAL, nor the moments when
    the first process recovers or the last one removes the log.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not busy or time.monotonic() > end:
                raise
        time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - spreads processes, hides nothing


def _make_private(path: Path) -> None:
    """0600 before SQLite sees the file; its log and index files take the mode from it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))
    except FileExistsError:
        # Not by an open file: closing that would drop the locks SQLite holds in this process.
        if path.stat().st_mode & 0o077:
            path.chmod(_MODE)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # What is removed is overwritten: people remove prompts that held a secret.
    connection.execute("PRAGMA secure_delete = ON")
    version = _version(connection, path)
    if version == len(MIGRATIONS):
        return
    with locked(path):
        _migrate(connection, path)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise HistoryError(
            f"the history {path} was written by a newer ocx (version {version})",
            hint="update ocx, or move the file away",
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    with writing(connection):
        for version in range(_version(connection, path), len(MIGRATIONS)):
            for statement in _statements(MIGRATIONS[version]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1:d}")


def _statements(script: str) -> Iterator[str]:
    """The statements one by one: `executescript` would commit the transaction around it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

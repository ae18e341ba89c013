"""Connections and transactions of SQLite, and what its versions differ in: RHEL 9 has 3.34."""

from __future__ import annotations

import pkgutil
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_STRICT = (3, 37)
"""The first version that knows strict tables (sqlite.org/stricttables.html)."""


def read_script(package: str, name: str) -> str:
    """The SQL in a file of a package, which may be in a zip archive."""
    data = pkgutil.get_data(package, name)
    assert data is not None  # noqa: S101 - every loader of ours has data, told to mypy
    return data.decode()


def schema(script: str, version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """`script` without what this SQLite does not know."""
    if version >= _STRICT:
        return script
    return re.sub(r"\) STRICT\b,?", ")", script)


def make_tables(connection: sqlite3.Connection, package: str, name: str, **numbers: int) -> None:
    """Run the SQL in a file of a package as one transaction, with a write-ahead log from then on.

    Args:
        numbers: pragmas to set in it.

    Raises:
        sqlite3.Error: nothing was made.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    pragmas = "".join(f"PRAGMA {pragma} = {number}; " for pragma, number in numbers.items())
    script = schema(read_script(package, name))
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {script} {pragmas} COMMIT;")
    except sqlite3.Error:
        connection.rollback()
        raise


def connect(name: Path | str, patience: float) -> sqlite3.Connection:
    """The database called `name`, in autocommit mode: transactions are explicit.

    Threads may take turns with it.

    Args:
        patience: seconds of SQLite's own waiting for other processes.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(
        name, timeout=patience, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA foreign_keys = ON")
    if sys.platform == "darwin":  # else an fsync ends in the disk's cache
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
    return connection


@contextmanager
def transaction(
    connection: sqlite3.Connection,
    attempt: Callable[[Callable[[], object]], object] = lambda action: action(),
) -> Iterator[None]:
    """All or nothing, with the write lock from the start, so that it cannot fail midway.

    Args:
        attempt: begins and commits it, perhaps in several attempts.
    """
    attempt(lambda: connection.execute("BEGIN IMMEDIATE"))
    try:
        yield
        attempt(connection.commit)
    except BaseException:
        connection.rollback()
        raise


def reason_of(error: Exception) -> str:
    """Why a database cannot be used, for a message."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if not is_too_new(error):
        return str(error)
    oldest = ".".join(map(str, _STRICT))
    here = f"the Python that runs ocx here has {sqlite3.sqlite_version}"
    return f"it was made by SQLite {oldest} or newer, and {here}"


def is_too_new(error: Exception) -> bool:
    """Whether the file has strict tables and this SQLite does not know them."""
    return 'near "STRICT"' in str(error)

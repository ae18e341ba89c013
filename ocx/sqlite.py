"""What the versions of SQLite differ in: RHEL 9 and its kin have 3.34, macOS a disk of its own."""

from __future__ import annotations

import os
import re
import sqlite3
import sys

_STRICT = (3, 37)
"""The first version that knows strict tables (sqlite.org/stricttables.html)."""


def schema(script: str, version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """`script` without what this SQLite does not know."""
    if version >= _STRICT:
        return script
    return re.sub(r"\) STRICT\b,?", ")", script)


def sync_to_disk(connection: sqlite3.Connection) -> None:
    """On macOS an fsync ends in the disk's cache, unless it is told to go on."""
    if sys.platform == "darwin":
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")


def sync_file(fd: int) -> None:
    """The same for a file. Raises OSError."""
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - not on Windows

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def is_too_new(error: sqlite3.Error) -> bool:
    """Whether the file has strict tables and this SQLite does not know them."""
    return 'near "STRICT"' in str(error)


TOO_NEW = (
    f"it was made by SQLite {'.'.join(map(str, _STRICT))} or newer,"
    f" and the Python that runs ocx here has {sqlite3.sqlite_version}"
)

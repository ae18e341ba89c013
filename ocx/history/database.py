"""The SQLite file of the history: its tables and version, its mode, and many processes at once."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ocx.errors import DeadlineError, OcxError, out_of_reach
from ocx.files import locked, make_folder, make_private_file, open_private
from ocx.locks import soon, warn_of_no_locks
from ocx.owners import is_out_of_reach
from ocx.sqlite import connect, is_too_new, make_tables, reason_of, transaction

T = TypeVar("T")

ELSEWHERE = "XDG_STATE_HOME names another place"

_LOOK = 0.1  # seconds of SQLite's own waiting, between which it is seen whether others get on

PATIENCE = 60.0
"""Seconds that a process waits for the others; a write takes milliseconds."""

PATIENCE_OF_ANSWERS = 2.0
"""The same for an answer that is there already, if nothing moves: many that write in turn do."""

_in_vain = threading.Event()
"""An answer has waited in vain: what is written after it does not wait again."""

VERSION = 3
"""In `PRAGMA user_version`; 1 and 2 were never released."""


class HistoryError(OcxError):
    """The history cannot be read or written. For `chat` this is a warning, never a failure."""


def open_database(path: Path, patience: float = PATIENCE) -> sqlite3.Connection:
    """The history at `path`, made if needed; transactions are explicit (`writing`).

    Args:
        patience: seconds to wait while another process holds it.

    Raises:
        HistoryError: it cannot be opened.
    """
    with translated(path):
        make_folder(path.parent)
        make_private_file(path)
        connection = connect(path, _LOOK)
        try:
            patiently(lambda: _prepare(connection, path, patience), patience)
            connection.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite and of the file system become HistoryError, or ConfigError if the folder
    cannot be reached."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        if isinstance(error, PermissionError) and is_out_of_reach(path.parent):
            raise out_of_reach(path.parent, ELSEWHERE) from error
        if isinstance(error, OSError | sqlite3.OperationalError) or is_too_new(error):
            raise HistoryError(f"cannot use the history {path}: {reason_of(error)}") from error
        raise HistoryError(
            f"the history {path} is damaged: {error}",
            hint=f"move it away and a new one is made: mv {path} {path}.damaged",
        ) from error


@contextmanager
def writing(connection: sqlite3.Connection, patience: float = PATIENCE) -> Iterator[None]:
    """One transaction, begun and committed as soon as the other processes let it."""

    def attempt(action: Callable[[], object]) -> None:
        before = connection.execute("PRAGMA busy_timeout").fetchone()[0]
        connection.execute(f"PRAGMA busy_timeout = {_LOOK * 1000:.0f}")
        try:
            patiently(action, patience, lambda: _changes(connection))
            _in_vain.clear()
        finally:
            connection.execute(f"PRAGMA busy_timeout = {before}")

    with transaction(connection, attempt):
        yield


def patiently(
    action: Callable[[], T],
    patience: float = PATIENCE,
    moves: Callable[[], object] = lambda: None,
) -> T:
    """Repeat `action` while another process is in the way.

    SQLite's own busy timeout covers most of it, but not the switch to WAL, nor the moments when
    the first process recovers or the last one removes the log.

    Args:
        patience: seconds in which `moves` returns the same; a minute in all.
    """
    began = last = time.monotonic()
    seen = moves()
    of_an_answer = patience <= PATIENCE_OF_ANSWERS
    if of_an_answer and _in_vain.is_set():
        patience = 0
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            if (found := moves()) != seen:
                seen, last = found, now
            busy = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not busy or now - last > patience or now - began > PATIENCE:
                if busy and of_an_answer:
                    _in_vain.set()
                raise
        pause()


def pause() -> None:
    time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - spreads processes, hides nothing


@contextmanager
def conversation_lock(
    path: Path, conversation: int, wait: float, on_wait: Callable[[], None]
) -> Iterator[None]:
    """Hold the conversation; the system frees it with the process, also after `kill -9`.

    All conversations share one file and each locks the byte at its id, so that nothing is left
    lying about. A process can hold only one at a time: POSIX drops all locks of a file with the
    first descriptor of it that the process closes.

    Args:
        wait: seconds to wait for another process.
        on_wait: called once if there is something to wait for.

    Raises:
        DeadlineError: another process held it all the time.
        OSError: the lock file cannot be opened.
    """
    import fcntl

    fd = open_private(path)
    end = None
    try:
        while True:
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, conversation)
                break
            except OSError as error:
                if error.errno not in {errno.EACCES, errno.EAGAIN}:
                    warn_of_no_locks(path)
                    break
            if end is None:
                end = time.monotonic() + wait
                on_wait()
            if time.monotonic() > end:
                raise DeadlineError(
                    "the conversation is still in use by another ocx",
                    hint="wait for it, or start another one with --conversation NAME",
                )
            pause()
        yield
    finally:
        os.close(fd)


def _changes(connection: sqlite3.Connection) -> object:
    """A number that other processes change by each transaction; None if it cannot be read now."""
    try:
        return connection.execute("PRAGMA data_version").fetchone()[0]
    except sqlite3.OperationalError:
        return None


def _prepare(connection: sqlite3.Connection, path: Path, patience: float) -> None:
    # What is removed is overwritten: people remove prompts that held a secret.
    connection.execute("PRAGMA secure_delete = ON")

    def make() -> None:
        # Who waits for the one that makes it looks again: there may be nothing left to do.
        if _is_new(connection, path):
            with locked(path, wait=False):
                if _is_new(connection, path):
                    make_tables(connection, __package__, "history.sql", user_version=VERSION)

    soon(make, patience)


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in {0, VERSION}:
        raise HistoryError(
            f"the history {path} is of version {version}; this ocx reads version {VERSION}",
            hint=f"use the ocx that wrote it, or begin a new one: mv {path} {path}.old",
        )
    return version == 0

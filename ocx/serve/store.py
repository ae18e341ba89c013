"""The database file: its tables, opening it, syncing it, and what a dead process held.

Every process that opens a file owns what it holds there. It keeps a lock on `boot-ID.lock` as long
as it lives; the kernel frees that lock however the process ends, so a free lock means that nobody
will ever settle the charges of that owner.

A transaction that SQLite does not sync is whole after a crash of the process, and in the
write-ahead log; a sync of that file makes it last through a power cut (sqlite.org/wal.html). SQLite
has no lock on that file, so that it may be opened a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocx import sqlite
from ocx.errors import ConfigError, OcxError, os_errors_as
from ocx.files import is_at, make_folder, open_beside, sync
from ocx.locks import NoLocks, lock_or_fail, soon
from ocx.owners import check_folder
from ocx.sqlite import connect, make_tables, reason_of

APPLICATION_ID = 0x6F637873  # "ocxs": tells our file from any other SQLite database
VERSION = 1

BUSY_SECONDS = 5.0


@dataclass
class Store:
    """An open database and the process that it is open for.

    `db` is in autocommit mode: transactions are explicit, see `Ledger`. An `owner` other than
    "memory" holds a lock: its file and a descriptor of it.
    """

    db: sqlite3.Connection
    log: WalSync
    owner: str = "memory"
    _lock: tuple[Path, int] | None = None

    @classmethod
    def memory(cls) -> Store:
        """A database that ends with the process."""
        db = connect(":memory:", BUSY_SECONDS)
        _make_tables(db)
        return cls(db, WalSync(None))

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open the database at `path`; a new one is 0600, in a folder of 0700 if that is new too.

        Raises:
            ConfigError: it cannot be read or written, or is not a ledger of `ocx serve`.
        """
        try:
            make_folder(path.parent)
            check_folder(path.parent)
            target = Path(os.path.realpath(path))
            check_folder(target.parent)
            with opening(target):
                return cls._open(target)
        except (OSError, sqlite3.Error) as error:
            message, hint = f"cannot open the ledger {path}: {reason_of(error)}", None
            if isinstance(error, NoLocks):
                message += ", and two that write it at once would lose credits"
                hint = "--db names another file; XDG_STATE_HOME, another folder"
            raise ConfigError(message, hint=hint) from error

    @classmethod
    def _open(cls, path: Path) -> Store:
        os.close(open_beside(path, os.O_RDWR))
        with contextlib.ExitStack() as stack:
            db = stack.enter_context(contextlib.closing(connect(path, BUSY_SECONDS)))
            _prepare(db, path)
            owner, lock, fd = _take_lock(path.parent)
            store = cls(db, WalSync(path), owner, (lock, fd))
            stack.callback(store.close)
            store.sweep()
            stack.pop_all()
        return store

    def sweep(self) -> int:
        """Release what dead processes hold; how many charges that were."""
        if self._lock is None:
            return 0
        rows = self.db.execute("SELECT DISTINCT boot FROM charge WHERE state = 'held'").fetchall()
        dead = {owner for (owner,) in rows} - _living(self._lock[0].parent)
        return sum(_release(self.db, owner) for owner in dead)

    def close(self) -> None:
        """Close the database and end the ownership; calling it again does nothing."""
        self.log.close()
        self.db.close()
        if self._lock is not None:
            (path, fd), self._lock = self._lock, None
            # The file goes first: unlinked while locked, nobody takes it for a live one.
            path.unlink(missing_ok=True)
            os.close(fd)


def remove(path: Path) -> None:
    """Delete the database at `path`, unless a process has it open.

    Raises:
        OcxError: it is in use.
        ConfigError: it cannot be deleted.
    """
    with os_errors_as(ConfigError, f"cannot delete the ledger {path}"):
        if not path.parent.is_dir():
            return
        with opening(path):
            if _living(path.parent):
                raise OcxError(
                    f"the ledger {path} is in use",
                    hint="stop the `ocx` that runs on it, then try again",
                )
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """One process at a time opens or deletes: the change to WAL does not wait for others.

    Raises:
        BlockingIOError: somebody holds the lock for longer than opening takes.
    """
    fd = open_beside(Path(f"{path}.lock"), os.O_RDWR)
    try:
        soon(lambda: lock_or_fail(fd, wait=False), BUSY_SECONDS)
        yield
    finally:
        os.close(fd)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA synchronous = FULL")
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application == APPLICATION_ID:
        if version != VERSION:
            raise ConfigError(
                f"the ledger {path} is of version {version}; this ocx reads version {VERSION}",
                hint="use the ocx that wrote it, or another file with --db",
            )
    elif db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ConfigError(f"{path} is a database of another program")
    else:
        _make_tables(db)


def _make_tables(db: sqlite3.Connection) -> None:
    numbers = {"application_id": APPLICATION_ID, "user_version": VERSION}
    make_tables(db, __package__, "ledger.sql", **numbers)


def _take_lock(folder: Path) -> tuple[str, Path, int]:
    """The name of this process as an owner, and its lock: the file and a descriptor."""
    while True:
        owner = secrets.token_hex(8)
        path = folder / f"boot-{owner}.lock"
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            lock_or_fail(fd)
            # A sweep of another database in this folder may have deleted it before it was locked.
            if is_at(fd, path):
                return owner, path, fd
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(fd)
            raise
        os.close(fd)


def _living(folder: Path) -> set[str]:
    """The owners whose lock is held, or cannot be tried; the files of all others are deleted."""
    living = set()
    for path in folder.glob("boot-*.lock"):
        fd = -1
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            lock_or_fail(fd, wait=False)
            path.unlink()
        except FileNotFoundError:
            pass
        except OSError:
            living.add(path.stem.removeprefix("boot-"))
        finally:
            if fd >= 0:
                os.close(fd)
    return living


def _release(db: sqlite3.Connection, owner: str) -> int:
    with transaction(db):
        db.execute(
            "UPDATE account SET held = held - coalesce((SELECT sum(hold) FROM charge"
            " WHERE account = account.id AND boot = ? AND state = 'held'), 0)",
            (owner,),
        )
        return db.execute(
            "UPDATE charge SET state = 'released', outcome = 'crashed', closed = ?"
            " WHERE boot = ? AND state = 'held'",
            (int(time.time()), owner),
        ).rowcount


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, *, durable: bool = True) -> Iterator[None]:
    """All or nothing; hold no `await` inside.

    Args:
        durable: it is on the disk when this returns; else only after the next one that is.
    """
    if not durable:
        db.execute("PRAGMA synchronous = NORMAL")
    try:
        with sqlite.transaction(db):
            yield
    finally:
        if not durable:
            db.execute("PRAGMA synchronous = FULL")


@dataclass
class WalSync:
    """The log of the database at `path`, for one event loop; without a path there is none."""

    path: Path | None
    _fd: int = -1
    _written: int = 0
    _synced: int = 0
    _running: asyncio.Task[None] | None = None

    def note(self) -> None:
        """Something was committed that is to last."""
        self._written += self.path is not None

    async def wait(self) -> None:
        """Return once all that was noted until now is on the disk. Raises OSError."""
        wanted = self._written
        while self._synced < wanted:
            if self._running is None:
                self._running = asyncio.create_task(self._sync())
            await asyncio.shield(self._running)

    def close(self) -> None:
        """Sync what nobody waited for."""
        if self._synced < self._written:
            with contextlib.suppress(OSError):
                self._flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    async def _sync(self) -> None:
        reached = self._written
        try:
            await asyncio.to_thread(self._flush)
        finally:
            self._running = None
        self._synced = reached

    def _flush(self) -> None:
        if self._fd < 0:
            self._fd = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        sync(self._fd)

"""The database file: its tables, opening it, syncing it, and what a dead process held.

Every process that opens a file is a boot. It holds a lock on `boot-ID.lock` as long as it lives;
the kernel frees that lock however the process ends, so a free lock means that nobody will ever
settle the charges of that boot.

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
from contextlib import suppress
from pathlib import Path

from ocx.errors import ConfigError, OcxError
from ocx.files import make_folder, open_beside
from ocx.locks import NoLocks, hold
from ocx.owners import check_folder
from ocx.sqlite import TOO_NEW, is_too_new, schema, sync_file, sync_to_disk

APPLICATION_ID = 0x6F637873  # "ocxs": tells our file from any other SQLite database
VERSION = 1

# A charge is in no index of its account: it would cost a page of the log, and a balance that adds
# up what was granted would pass all of them.
_INDEX = (
    "CREATE INDEX IF NOT EXISTS ledger_granted ON ledger (account, amount) WHERE kind != 'charge'"
)

SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE account (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0),
  held INTEGER NOT NULL DEFAULT 0 CHECK (held BETWEEN 0 AND balance)
) STRICT;
CREATE TABLE key (
  id INTEGER PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account (id),
  hash TEXT NOT NULL UNIQUE,
  hint TEXT NOT NULL,
  name TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER,
  revoked INTEGER,
  rpm INTEGER CHECK (rpm > 0),
  concurrency INTEGER CHECK (concurrency > 0)
) STRICT;
CREATE TABLE charge (
  id INTEGER PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account (id),
  key INTEGER REFERENCES key (id),
  model TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'settled', 'released')),
  hold INTEGER NOT NULL CHECK (hold >= 0),
  cost INTEGER NOT NULL DEFAULT 0 CHECK (cost >= 0),
  shortfall INTEGER NOT NULL DEFAULT 0 CHECK (shortfall >= 0),
  prompt_tokens INTEGER NOT NULL DEFAULT 0,
  completion_tokens INTEGER NOT NULL DEFAULT 0,
  source TEXT CHECK (source IN ('upstream', 'counted')),
  outcome TEXT,
  boot TEXT NOT NULL,
  opened INTEGER NOT NULL,
  closed INTEGER,
  CHECK ((state = 'held') = (outcome IS NULL)),
  CHECK ((state = 'held') = (closed IS NULL))
) STRICT;
CREATE INDEX charge_held ON charge (boot) WHERE state = 'held';
CREATE TABLE ledger (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  account INTEGER NOT NULL REFERENCES account (id),
  kind TEXT NOT NULL CHECK (kind IN ('grant', 'charge', 'adjust')),
  amount INTEGER NOT NULL,
  charge INTEGER UNIQUE REFERENCES charge (id),
  balance_after INTEGER NOT NULL CHECK (balance_after >= 0),
  CHECK ((kind = 'charge') = (charge IS NOT NULL))
) STRICT;
{_INDEX};
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""

BUSY_SECONDS = 5.0


class Store:
    """An open database and the boot that it is open for.

    `db` is in autocommit mode: transactions are explicit, see `Ledger`.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        boot: str,
        lock: Path | None,
        fd: int,
        log: WalSync | None = None,
    ) -> None:
        self.db = db
        self.log = log
        self.boot = boot
        self._lock = lock
        self._fd = fd

    @classmethod
    def memory(cls) -> Store:
        """A database that ends with the process."""
        db = _connect(":memory:")
        db.executescript(schema(SCHEMA))
        return cls(db, "memory", None, -1)

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
        except NoLocks as error:
            raise ConfigError(
                f"cannot open the ledger {path}: {reason(error)}, and two that write it at once"
                " would lose credits",
                hint="--db names another file; XDG_STATE_HOME, another folder",
            ) from error
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"cannot open the ledger {path}: {reason(error)}") from error

    @classmethod
    def _open(cls, path: Path) -> Store:
        os.close(open_beside(path, os.O_RDWR))
        db = _connect(str(path))
        try:
            _prepare(db, path)
            lock, fd = _take_boot(path.parent)
        except BaseException:
            db.close()
            raise
        store = cls(db, lock.stem.removeprefix("boot-"), lock, fd, WalSync(path))
        store.sweep()
        return store

    def sweep(self) -> int:
        """Release what dead boots hold; how many charges that were."""
        if self._lock is None:
            return 0
        rows = self.db.execute("SELECT DISTINCT boot FROM charge WHERE state = 'held'").fetchall()
        held = {row[0] for row in rows} - {self.boot}
        swept = sum(_release(self.db, boot) for boot in held if _is_dead(self._lock.parent, boot))
        _remove_stale(self._lock.parent)
        return swept

    def close(self) -> None:
        """Close the database and end the boot; calling it again does nothing."""
        if self.log is not None:
            self.log.close()
        self.db.close()
        if self._lock is not None:
            # The file goes first: unlinked while locked, nobody takes it for a live one.
            self._lock.unlink(missing_ok=True)
            os.close(self._fd)
            self._lock = None


def remove(path: Path) -> None:
    """Delete the database at `path`, unless a process has it open.

    Raises:
        OcxError: it is in use.
        ConfigError: it cannot be deleted.
    """
    try:
        if not path.parent.is_dir():
            return
        with opening(path):
            if any(not _is_dead(path.parent, boot) for boot in _boots(path.parent)):
                raise OcxError(
                    f"the ledger {path} is in use",
                    hint="stop the `ocx` that runs on it, then try again",
                )
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot delete the ledger {path}: {reason(error)}") from error


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """One process at a time opens or deletes: the change to WAL does not wait for others."""
    fd = open_beside(Path(f"{path}.lock"), os.O_RDWR)
    try:
        _lock_soon(fd)
        yield
    finally:
        os.close(fd)


def _lock_soon(fd: int) -> None:
    """Wait for the others, each of which takes a moment.

    Raises:
        BlockingIOError: somebody holds the lock for longer than opening takes.
    """
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return hold(fd, wait=False)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return TOO_NEW if isinstance(error, sqlite3.Error) and is_too_new(error) else str(error)


def _connect(name: str) -> sqlite3.Connection:
    # The server's thread uses it after the caller's opened it; never two at once.
    db = sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA foreign_keys = ON")
    sync_to_disk(db)
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA synchronous = FULL")
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application == APPLICATION_ID and version == VERSION:
        db.execute(_INDEX)
        db.execute("DROP INDEX IF EXISTS ledger_account")  # of an older ocx
        return
    if application == APPLICATION_ID:
        raise ConfigError(
            f"the ledger {path} is of version {version}; this ocx reads version {VERSION}",
            hint="use the ocx that wrote it, or another file with --db",
        )
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ConfigError(f"{path} is a database of another program")
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(f"BEGIN IMMEDIATE; {schema(SCHEMA)} COMMIT;")


def _take_boot(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / f"boot-{secrets.token_hex(8)}.lock"
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        hold(fd)
        # A sweep of another database in this folder may have deleted it before it was locked.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(fd).st_ino:
                return path, fd
        os.close(fd)


def _boots(folder: Path) -> list[str]:
    return [path.stem.removeprefix("boot-") for path in folder.glob("boot-*.lock")]


def _is_dead(folder: Path, boot: str) -> bool:
    """Whether nobody holds the lock of `boot`; a missing file is a boot that ended."""
    try:
        fd = os.open(folder / f"boot-{boot}.lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        hold(fd, wait=False)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _remove_stale(folder: Path) -> None:
    for boot in _boots(folder):
        path = folder / f"boot-{boot}.lock"
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                hold(fd, wait=False)
                path.unlink()
            finally:
                os.close(fd)


def _release(db: sqlite3.Connection, boot: str) -> int:
    now = int(time.time())
    with transaction(db):
        db.execute(
            "UPDATE account SET held = held - coalesce((SELECT sum(hold) FROM charge"
            " WHERE account = account.id AND boot = ? AND state = 'held'), 0)",
            (boot,),
        )
        return db.execute(
            "UPDATE charge SET state = 'released', outcome = 'crashed', closed = ?"
            " WHERE boot = ? AND state = 'held'",
            (now, boot),
        ).rowcount


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, *, durable: bool = True) -> Iterator[None]:
    """All or nothing, with the write lock from the start; hold no `await` inside.

    Args:
        durable: it is on the disk when this returns; else only after the next one that is.
    """
    if not durable:
        db.execute("PRAGMA synchronous = NORMAL")
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
    finally:
        if not durable:
            db.execute("PRAGMA synchronous = FULL")


class WalSync:
    """The log of the database at `path`, for one event loop."""

    def __init__(self, path: Path) -> None:
        self._path = Path(f"{path}-wal")
        self._fd = -1
        self._written = 0
        self._synced = 0
        self._running: asyncio.Task[None] | None = None

    def note(self) -> None:
        """Something was committed that is to last."""
        self._written += 1

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
            with suppress(OSError):
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
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        sync_file(self._fd)

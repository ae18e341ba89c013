"""The ledger file: private, swept of the dead, and on the disk before the last bytes are sent."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ocx.errors import ConfigError, OcxError
from ocx.serve import store
from ocx.serve.ledger import Key, Ledger
from ocx.serve.store import Store, WalSync, remove
from tests.serve.conftest import Serve, request, until
from tests.support.processes import start
from tests.support.waiting import DEADLINE

DIES = """
import os, sys
from pathlib import Path
from ocx.serve.ledger import Key, Ledger
from ocx.serve.store import Store
ledger = Ledger(Store.open(Path(sys.argv[1])))
account = ledger.account(grant=100)
ledger.reserve(Key(None, account.id, "k", ""), "m", 40)
print("ready", flush=True)
if sys.argv[2] == "stays":
    sys.stdin.read()
os._exit(1)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "ledger.sqlite3"


def test_the_file_and_its_folder_are_private(path: Path) -> None:
    with closing(Store.open(path)) as store:
        Ledger(store).account(grant=1)
        modes = {name.name: stat.S_IMODE(name.stat().st_mode) for name in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}
        assert f"{path.name}-wal" in modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(name.name for name in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


def test_a_dead_process_holds_nothing(path: Path) -> None:
    start(DIES, str(path), "dies").communicate()
    with closing(Store.open(path)) as store:
        assert Ledger(store).account().held == 0
        row = store.db.execute("SELECT state, outcome, cost FROM charge").fetchone()
        assert row == ("released", "crashed", 0)
        assert [name.name for name in path.parent.glob("boot-*")] == [f"boot-{store.owner}.lock"]


def test_a_living_process_keeps_what_it_holds(path: Path) -> None:
    process = start(DIES, str(path), "stays")
    with closing(Store.open(path)) as store:
        assert Ledger(store).account().held == 40
        assert store.sweep() == 0
        process.communicate()
        assert store.sweep() == 1
        assert Ledger(store).account().held == 0


def test_a_boot_whose_lock_was_deleted_is_dead(path: Path) -> None:
    start(DIES, str(path), "dies").communicate()
    for lock in path.parent.glob("boot-*"):
        lock.unlink()
    with closing(Store.open(path)) as store:
        assert Ledger(store).account().held == 0


def test_closing_twice_is_closing(path: Path) -> None:
    store = Store.open(path)
    store.close()
    store.close()


def test_two_databases_in_a_folder_leave_each_other_alone(path: Path) -> None:
    with closing(Store.open(path)) as one:
        account = Ledger(one).account(grant=100)
        Ledger(one).reserve(Key(None, account.id, "k", ""), "m", 40)
        with closing(Store.open(path.with_name("other.sqlite3"))):
            pass
        with closing(Store.open(path)):
            assert Ledger(one).account().held == 40


def test_a_ledger_in_use_is_not_deleted(path: Path) -> None:
    with closing(Store.open(path)) as store:
        Ledger(store).account(grant=1)
        with pytest.raises(OcxError, match="in use"):
            remove(path)
    remove(path)
    assert not path.exists()
    remove(path.parent / "nowhere" / "x")


def test_a_file_that_is_none_is_refused(path: Path) -> None:
    content = b"no database at all, but long enough to be read as one" * 9
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot open the ledger"):
        Store.open(path)
    assert path.read_bytes() == content


def test_a_folder_is_neither_opened_nor_deleted(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="Is a directory"):
        Store.open(path)
    with pytest.raises(ConfigError, match="cannot delete"):
        remove(path)


def test_another_program_s_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(ConfigError, match="another program"):
        Store.open(path)


def test_a_ledger_of_another_version_is_refused(path: Path) -> None:
    with closing(Store.open(path)) as store:
        store.db.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigError, match="version 9"):
        Store.open(path)


def test_a_transaction_that_fails_leaves_nothing(path: Path) -> None:
    with closing(Store.open(path)) as store:
        ledger = Ledger(store)
        account = ledger.account(grant=100)
        nobody = Key(99, account.id, "k", "")
        with pytest.raises(sqlite3.IntegrityError):
            ledger.reserve(nobody, "m", 10)
        assert ledger.account().held == 0


def test_a_file_is_durable(path: Path) -> None:
    with closing(Store.open(path)) as store:
        assert store.db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_lock_deleted_before_it_was_taken_is_taken_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process's sweep may come between the two."""
    import fcntl

    real, deleted = fcntl.flock, []

    def late(fd: int, operation: int) -> None:
        for lock in path.parent.glob("boot-*"):
            if not deleted:
                deleted.append(lock)
                lock.unlink()
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with closing(Store.open(path)) as store:
        assert deleted
        assert (path.parent / f"boot-{store.owner}.lock").exists()


def test_a_ledger_that_cannot_be_opened_leaves_nothing_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the database, nor the lock: a process that goes on would seem to own the charges."""

    def full(_store: Store) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "sweep", full)
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(ConfigError, match="No space left"):
        Store.open(path)
    assert len(list(Path("/dev/fd").iterdir())) == before
    assert not list(path.parent.glob("boot-*"))


class Disk:
    """Counts syncs, and holds the first back until `go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[str] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        monkeypatch.setattr(store, "sync", self._sync)

    def _sync(self, fd: int) -> None:
        self.paths.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        self.begun.set()
        assert self.go.wait(DEADLINE)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc: what is synced cannot be seen")
    return Disk(monkeypatch)


def test_many_share_a_sync(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "db-wal").touch()
    log = WalSync(tmp_path / "db")

    async def settle() -> None:
        log.note()
        await log.wait()

    async def all_of_them() -> None:
        first = asyncio.create_task(settle())
        assert await asyncio.to_thread(disk.begun.wait, DEADLINE)
        later = [asyncio.create_task(settle()) for _ in range(20)]
        cancelled = asyncio.create_task(settle())
        await asyncio.sleep(0)
        cancelled.cancel()
        assert not any(task.done() for task in [first, *later])
        disk.go.set()
        await asyncio.gather(first, *later)
        await log.wait()

    with closing(log):
        asyncio.run(all_of_them())
    assert disk.paths == [str(tmp_path / "db-wal")] * 2


def test_a_full_disk_takes_no_place_from_a_key(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    served = serve(concurrency=1)
    with monkeypatch.context() as patch:
        patch.setattr(served.ledger, "settle", full)
        assert served.ask().status_code == 500
    assert served.ask().status_code == 200
    served.ledger.cancel(1)


def test_what_nobody_waited_for_is_synced_at_the_end(tmp_path: Path, disk: Disk) -> None:
    disk.go.set()
    (tmp_path / "db-wal").touch()
    log = WalSync(tmp_path / "db")
    log.note()
    log.close()
    assert len(disk.paths) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_the_last_bytes_wait_for_the_disk(
    serve: Serve, tmp_path: Path, disk: Disk, stream: bool
) -> None:
    served = serve(store=Store.open(tmp_path / "serve.sqlite3"))
    with served.raw(request("a b", stream=stream)) as connection:
        assert disk.begun.wait(DEADLINE)
        (charge,) = served.charges()
        assert charge[0] == "settled"
        if stream:
            assert b"[DONE]" not in until(connection, b'"stop"')
        disk.go.set()
        until(connection, b"[DONE]" if stream else b'"usage"')
    assert disk.paths[0] == str(tmp_path / "serve.sqlite3-wal")

"""A settlement is on the disk before its client has the last bytes; many share one fsync."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ocx.serve import store
from ocx.serve.store import Store, WalSync
from tests.serve.conftest import Served, request, until
from tests.support.waiting import DEADLINE


class Disk:
    """Counts syncs, and holds the first back until `go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[str] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        monkeypatch.setattr(store, "sync_file", self._sync)

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


def test_nothing_to_wait_for(tmp_path: Path) -> None:
    asyncio.run(WalSync(tmp_path / "db").wait())


def test_what_nobody_waited_for_is_synced_at_the_end(tmp_path: Path, disk: Disk) -> None:
    disk.go.set()
    (tmp_path / "db-wal").touch()
    log = WalSync(tmp_path / "db")
    log.note()
    log.close()
    assert len(disk.paths) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_the_last_bytes_wait_for_the_disk(
    serve: Callable[..., Served], tmp_path: Path, disk: Disk, stream: bool
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

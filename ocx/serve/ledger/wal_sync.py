"""One fsync for many settlements: those that end while the disk is busy share the next one.

A transaction that SQLite does not sync is whole after a crash of the process, and in the
write-ahead log; a sync of that file makes it last through a power cut (sqlite.org/wal.html). SQLite
has no lock on that file, so that it may be opened a second time.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from ocx.sqlite import sync_file


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

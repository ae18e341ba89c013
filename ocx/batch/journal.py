"""A file that rows are appended to: one write a row, locked, lasting within about a second."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

from ocx.errors import OcxError, UsageError
from ocx.files import is_at, lock, open_beside, sync


class AppendFile:
    """An open output of ours; a context manager.

    Args:
        beside: the user did not name it, so nothing that others may have put there is taken.

    Raises:
        UsageError: another run writes to it, or it cannot be opened.
    """

    def __init__(self, path: Path, *, beside: bool = False) -> None:
        # Compaction replaces the file: a link must lead to the new one afterwards.
        self.path = path if beside else Path(os.path.realpath(path))
        self._fd = _open_locked(self.path, open_beside if beside else _open)
        self._size = self._synced = os.lseek(self._fd, 0, os.SEEK_END)
        self._syncing = threading.Lock()

    @property
    def size(self) -> int:
        return self._size

    def append(self, data: bytes) -> int:
        """Write one row; where it ends. A row that does not fit is taken back.

        Raises: OcxError for a full disk and other failures of the file system.
        """
        start = self._size
        try:
            written = os.write(self._fd, data)
            while written < len(data):  # a full disk, a quota, or a signal in a long write
                written += os.write(self._fd, data[written:])
        except OSError as error:
            self.truncate(start)
            raise unwritable(self.path, error) from error
        self._size = start + len(data)
        return self._size

    def truncate(self, size: int) -> None:
        """Cut off what is after `size` and go on there."""
        os.ftruncate(self._fd, size)
        os.lseek(self._fd, size, os.SEEK_SET)
        self._size = size

    def sync(self) -> None:
        """Make everything written last through a power cut. Raises OcxError."""
        size = self._size
        with self._syncing:
            if size == self._synced:
                return
            try:
                sync(self._fd)
            except OSError as error:
                if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # a pipe, a device
                    raise unwritable(self.path, error) from error
            self._synced = size

    def read_at(self, start: int, end: int) -> bytes:
        return os.pread(self._fd, end - start, start)

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> AppendFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unwritable(path: Path, error: OSError) -> OcxError:
    return OcxError(
        f"cannot write {path}: {error.strerror}",
        hint="everything before is saved; make room, then go on with --resume",
    )


def _open(path: Path, flags: int, mode: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, mode)


def _open_locked(path: Path, opened: Callable[[Path, int, int], int]) -> int:
    while True:
        try:
            fd = opened(path, os.O_RDWR, 0o666)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"cannot write {path}: {reason}") from None
        try:
            lock(fd, path)
            if is_at(fd, path):  # another run may have replaced it before we locked it
                return fd
        except BlockingIOError:
            os.close(fd)
            raise UsageError(
                f"another ocx is writing {path.name}", hint="wait for it, or use another -o"
            ) from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)

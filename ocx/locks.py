"""Locks of open files, which last until these are closed.

Some SMB, FUSE and NFS mounts have none. `lock_or_fail` is for what two writers would lose money by.
`lock_or_warn` is for what only spares people an accident: it goes on there, with one warning.
"""

from __future__ import annotations

import errno
import os
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ocx.errors import OcxWarning

T = TypeVar("T")

_PAUSE = 0.01
_HELD = {errno.EWOULDBLOCK, errno.EACCES}


def soon(attempt: Callable[[], T], patience: float) -> T:
    """The result of `attempt`, repeated while another process is in the way.

    Args:
        patience: seconds; each process takes a moment.

    Raises:
        BlockingIOError: one is in the way all the time.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE)


class NoLocks(OSError):
    """The file system has no locks."""


def lock_or_fail(fd: int, *, wait: bool = True) -> None:
    """Lock an open file until it is closed.

    Raises:
        BlockingIOError: another process holds it, and that is not to be waited for.
        NoLocks: its file system cannot.
    """
    import fcntl  # noqa: PLC0415 - few commands lock a file

    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise BlockingIOError(error.errno, "another ocx is writing it") from error
        raise NoLocks(error.errno, "its file system has no locks") from error


def lock_or_warn(fd: int, path: Path, *, wait: bool = False) -> None:
    """The same, but for a file system without locks.

    Raises:
        BlockingIOError: another process holds it, and that is not to be waited for.
    """
    try:
        lock_or_fail(fd, wait=wait)
    except NoLocks:
        warn_of_no_locks(path)


def warn_of_no_locks(path: Path) -> None:
    warnings.warn(
        f"the file system of {path.parent} has no locks: let only one ocx at a time write there",
        OcxWarning,
        stacklevel=1,  # so that each folder is named once
    )


def has_locks(path: Path) -> bool:
    """Whether the file system of `path`, a file that is made if it is missing, has locks.

    Raises:
        OSError: it cannot be opened.
    """
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with suppress(BlockingIOError):
            lock_or_fail(fd, wait=False)
    except NoLocks:
        return False
    finally:
        os.close(fd)
    return True

"""Locks between processes; some SMB, FUSE and NFS mounts have none.

`hold` is for what two writers would lose money by: it fails there. `lock` is for what only spares
people an accident: it goes on, with one warning.
"""

from __future__ import annotations

import errno
import os
import warnings
from pathlib import Path

from ocx.errors import OcxWarning

_HELD = {errno.EWOULDBLOCK, errno.EACCES}


class NoLocks(OSError):
    """The file system has no locks."""


def hold(fd: int, *, wait: bool = True) -> None:
    """Lock an open file until it is closed.

    Raises:
        BlockingIOError: another process holds it, and that is not to be waited for.
        NoLocks: its file system cannot.
    """
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        raise NoLocks(errno.ENOLCK, "there are no locks here") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise BlockingIOError(error.errno, "another ocx is writing it") from error
        raise NoLocks(error.errno, "its file system has no locks") from error


def lock(fd: int, path: Path, *, wait: bool = False) -> None:
    """The same, but for a file system without locks.

    Raises:
        BlockingIOError: another process holds it, and that is not to be waited for.
    """
    try:
        hold(fd, wait=wait)
    except NoLocks:
        go_on_without(path)


def go_on_without(path: Path) -> None:
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
        hold(fd, wait=False)
    except BlockingIOError:
        return True
    except NoLocks:
        return False
    finally:
        os.close(fd)
    return True

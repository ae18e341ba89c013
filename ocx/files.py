"""Files written whole or not at all, by one writer at a time, and closed to other users."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ocx.locks import lock_or_warn, soon
from ocx.owners import check_ours

_UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_PATIENCE = 10.0


class OpenToOthers(PermissionError):
    """The file system does not keep modes, so that others can read the file."""


def atomic_write(
    path: Path, data: bytes, mode: int | None = None, *, private: bool = False
) -> None:
    """Replace the content of `path`: readers see the old one or the new one, whole.

    Symlinks are followed, so that a config kept elsewhere stays a link. `mode` None keeps the
    mode of a file that is there, and gives a new one what the umask leaves.

    Args:
        private: write nothing if others could read it.

    Raises:
        OpenToOthers: they could, whatever the mode.
        OSError: the old content is then untouched and nothing is left beside it.
        BlockingIOError: another program holds the new file's lock, and does not end.
    """
    target = Path(os.path.realpath(path))
    # One name for all writers: what a killed one leaves is taken over by the next.
    temporary = target.with_name(f".{target.name}.new")
    new_mode = 0o666 if mode is None else mode
    with os.fdopen(soon(lambda: open_partial(temporary, new_mode), _PATIENCE), "wb") as file:
        try:
            if mode is None:
                with suppress(FileNotFoundError):
                    mode = target.stat().st_mode & 0o777
            if mode is not None:
                set_mode(file.fileno(), mode)
            if private and os.fstat(file.fileno()).st_mode & 0o077:
                raise OpenToOthers(errno.EPERM, "others could read it")
            file.write(data)
            file.flush()
            sync(file.fileno())
            temporary.replace(target)  # under the lock, which ends with the descriptor
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _sync_folder(target.parent)


def set_mode(file: int | Path, mode: int) -> None:
    """Change the mode of a file, by its descriptor or its path, if its file system has modes."""
    try:
        os.chmod(file, mode)  # noqa: PTH101 - descriptors too
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def sync(fd: int) -> None:
    """Make what is written last through a power cut; on macOS fsync ends in the disk's cache."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # not every file system there has it
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


def open_partial(path: Path, mode: int = 0o666) -> int:
    """A descriptor of an empty file that this process alone writes until it closes it.

    It is renamed to its final name before it is closed: the lock goes with it. One that a killed
    process left is replaced.

    Raises:
        BlockingIOError: another process is writing it.
        OSError: it cannot be opened, or is no plain file of this user.
    """
    while True:
        fd = open_locked(path, lambda: open_beside(path, os.O_RDWR, mode))
        found = os.fstat(fd)
        if not found.st_size and found.st_nlink == 1:
            return fd
        try:
            path.unlink()  # not emptied: it may have another name too
        finally:
            os.close(fd)


def open_locked(path: Path, opened: Callable[[], int]) -> int:
    """What `opened` gives as a descriptor of `path`, locked until it is closed.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it cannot be opened.
    """
    while True:
        fd = opened()
        try:
            lock_or_warn(fd, path)
            if is_at(fd, path):  # another may have replaced it before we locked it
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


class PartialFile:
    """PATH.partial, which this process alone writes until it is `path`, or is left.

    Raises: as `open_partial`.
    """

    def __init__(self, path: Path, mode: int = 0o666) -> None:
        self.path = path
        self.partial = path.with_name(f"{path.name}.partial")
        self.fd = open_partial(self.partial, mode)

    def complete(self) -> None:
        """Put it in the place of `path`. Raises OSError: nothing has changed."""
        sync(self.fd)
        if is_at(self.fd, self.partial):
            self.partial.replace(self.path)
        else:  # removed, or another's by now: the descriptor still has all
            found = os.fstat(self.fd)
            data = os.pread(self.fd, found.st_size, 0)
            atomic_write(self.path, data, stat.S_IMODE(found.st_mode))
        self.abandon()

    def abandon(self) -> Path | None:
        """Close it; the file that keeps what arrived, an empty one is removed. Only the first
        call, and none after `complete`, does anything."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return None
        try:
            if not is_at(fd, self.partial):
                return None
            if os.fstat(fd).st_size:
                return self.partial
            self.partial.unlink(missing_ok=True)
            return None
        finally:
            os.close(fd)


def append(fd: int, data: bytes, end: int) -> None:
    """Write `data` where the file ends, or nothing of it. Raises OSError."""
    try:
        written = os.write(fd, data)
        while written < len(data):  # a full disk, a quota, or a signal in a long write
            written += os.write(fd, data[written:])
    except OSError:
        os.ftruncate(fd, end)
        os.lseek(fd, end, os.SEEK_SET)
        raise


def is_at(fd: int, path: Path) -> bool:
    """Whether the open file is what the name leads to, and was not removed or replaced."""
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock for changing `path`; another process waits here until it is free.

    The lock is a file of its own, since the one it guards is replaced by every write. It stays:
    removing it would let two writers hold locks on different files of one name.

    Raises:
        BlockingIOError: another process holds it, and that is not to be waited for.
        OSError: the lock file cannot be made.
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name}.lock")
    fd = open_beside(beside, os.O_RDWR)
    try:
        lock_or_warn(fd, beside, wait=wait)
        yield
    finally:
        os.close(fd)


def open_private(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """A file descriptor of `path`, which only its owner can read (0600) if it is new.

    Raises:
        OSError: it cannot be opened.
    """
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def open_beside(path: Path, flags: int, mode: int = 0o600) -> int:
    """A file descriptor of a file of ours beside one of the user's; `mode` if it is new.

    Its name can be guessed, so in a folder that others may write to they could put there a link to
    any file of the user, a pipe, or a file of theirs. With O_TRUNC an old one is replaced, not
    emptied: it may have another name too.

    Raises:
        OSError: it cannot be opened, or is no plain file of this user.
    """
    if flags & os.O_TRUNC and not path.is_symlink():
        path.unlink(missing_ok=True)
        flags |= os.O_EXCL
    # O_NONBLOCK: a pipe without a reader would keep us waiting.
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd, is_new = _open_or_make(path, flags, mode)
    try:
        if not is_new:  # a new one is ours, whoever it seems to belong to
            check_ours(os.fstat(fd), path.parent)
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _open_or_make(path: Path, flags: int, mode: int) -> tuple[int, bool]:
    """A descriptor, and whether the file was made for it."""
    while True:
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, mode), True
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
        try:
            return os.open(path, flags), False
        except FileNotFoundError:  # removed in between
            continue


def journal_path(output: Path) -> Path:
    """What a batch keeps beside its output as long as it is not complete."""
    return output.with_name(f".{output.name}.journal")


def make_private_file(path: Path) -> None:
    """Make `path`, or remove group and other permissions from the one that is there.

    One that is there is not opened: closing it would drop the locks that SQLite holds on it in
    this process.

    Raises:
        OSError: it cannot be made or changed.
    """
    try:
        os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        _close_to_others(path)


def make_folder(folder: Path, *, private: bool = False) -> None:
    """Make `folder`, and what is missing above it, for its owner only (0700).

    Args:
        private: remove group and other permissions from one that is there.

    Raises:
        OSError: it cannot be made or changed.
    """
    if not folder.parent.exists():
        make_folder(folder.parent)
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        if private:
            _close_to_others(folder)


def can_write(folder: Path, name: str) -> bool:
    """Whether the file `name` in `folder`, which is made if missing, can be made or changed."""
    try:
        make_folder(folder)
    except OSError:
        return False
    path = folder / name
    free = os.access(folder, os.W_OK | os.X_OK)
    return free and (not path.exists() or os.access(path, os.R_OK | os.W_OK))


def _close_to_others(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        set_mode(path, mode & 0o700)


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, if the file system can."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # a folder that can be written but not listed
        return
    with suppress(OSError):  # some network file systems cannot
        os.fsync(fd)
    os.close(fd)

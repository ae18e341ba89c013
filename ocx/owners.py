"""Whose a file is, and who else may change it; on some mounts neither can be chosen.

NFS with root squash, CIFS with `uid=`, exFAT and user namespaces give every file one owner; the
disks of Windows under WSL, one mode.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def check_ours(found: os.stat_result, folder: Path) -> None:
    """Raise PermissionError if this, of a file in `folder`, is not a plain file of this user."""
    if not stat.S_ISREG(found.st_mode) or not is_ours(found, folder):
        raise PermissionError(errno.EPERM, "what is there is not a file of yours")


def is_ours(found: os.stat_result, folder: Path) -> bool:
    """Whether this, of a file in `folder`, belongs to this user, or to whom all files there do."""
    if found.st_uid == os.geteuid():
        return True
    if found.st_uid == os.getuid():  # owners are kept, and ours is another: a setuid program
        return False
    new = _new_file(folder)
    return new is not None and new.st_uid == found.st_uid


def check_folder(folder: Path) -> None:
    """Raise PermissionError if others may put files into `folder`, or take some away.

    In one with the sticky bit (/tmp) they cannot take away ours.
    """
    found = folder.stat()
    if found.st_mode & stat.S_ISVTX:
        return
    problem = changed_by_others(found)
    if problem and is_ours(found, folder):
        problem = _open_mode(found)
    if problem:
        raise PermissionError(errno.EPERM, f"its folder {problem}: chmod go-w {folder}")


def changed_by_others(found: os.stat_result) -> str | None:
    """Who else may write to a file or folder, if anybody but its owner and root; None if nobody."""
    if found.st_uid not in {0, os.geteuid()} and os.geteuid():
        return "belongs to another user"
    return _open_mode(found)


def _open_mode(found: os.stat_result) -> str | None:
    """The group of this user alone, which many systems give to each, is nobody else."""
    mode = found.st_mode & 0o777
    if mode & 0o002 or (mode & 0o020 and not _is_own_group(found.st_gid)):
        return f"can be changed by others (mode {mode:04o})"
    return None


def _is_own_group(number: int) -> bool:
    import grp  # noqa: PLC0415 - few files are open to a group
    import pwd  # noqa: PLC0415 - the same

    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(number)
    except KeyError:
        return False
    return group.gr_name == user and set(group.gr_mem) <= {user}


def keeps_owners(folder: Path) -> bool:
    """Whether a new file there is this user's and closed to others: not so on some mounts."""
    new = _new_file(folder)
    return new is None or changed_by_others(new) is None


def keeps_modes(folder: Path) -> bool:
    """Whether a new file there can be closed to others."""
    new = _new_file(folder)
    return new is None or not new.st_mode & 0o077


NO_MODES = (
    "`api_key_command` takes the key from elsewhere; XDG_CONFIG_HOME names a folder on another"
    " disk; under WSL, `options = metadata` in wsl.conf makes modes work"
)
"""What to do where a stored key cannot be closed to others: no chmod helps."""


def _new_file(folder: Path) -> os.stat_result | None:
    """What a new file there looks like; None if none can be made."""
    probe = folder / f".ocx-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        fd = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        probe.unlink()
        return os.fstat(fd)
    finally:
        os.close(fd)


def is_out_of_reach(path: Path) -> bool:
    """Whether a folder on the way to it cannot be searched, or is none (HOME=/dev/null)."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, PermissionError | NotADirectoryError)
    return False

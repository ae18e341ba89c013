"""A file is replaced whole or not at all, by one writer at a time."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocx import files
from ocx.files import (
    atomic_write,
    is_at,
    locked,
    make_folder,
    make_private_file,
    open_beside,
    open_partial,
    open_private,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield before
    os.umask(before)


def test_modes(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "f"
    atomic_write(path, b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", 0o640)
    path.chmod(0o604)
    atomic_write(path, b"kept")
    assert (path.read_bytes(), mode(path)) == (b"kept", 0o604)
    atomic_write(path, b"given", 0o644)
    assert (path.read_bytes(), mode(path)) == (b"given", 0o644)
    assert names(tmp_path) == ["f"]


def test_symlinks_are_followed(tmp_path: Path) -> None:
    """A config kept in a repository of dot files stays a link to it."""
    (tmp_path / "dots").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "dots" / "real")
    atomic_write(link, b"x")
    assert link.is_symlink()
    assert (tmp_path / "dots" / "real").read_bytes() == b"x"
    assert names(tmp_path / "dots") == ["real"]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(OSError, match="No space"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_it_is_on_the_disk_before_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    atomic_write(tmp_path / "f", b"x")
    assert calls == ["fsync", "rename", "fsync"]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, real_open = os.fsync, os.open

    def files_only(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(fd)

    monkeypatch.setattr(files.os, "fsync", files_only)
    atomic_write(tmp_path / "f", b"x")

    def no_folders(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).is_dir():
            raise PermissionError
        return real_open(path, flags, mode)

    monkeypatch.setattr(files.os, "open", no_folders)
    atomic_write(tmp_path / "f", b"y")
    assert (tmp_path / "f").read_bytes() == b"y"


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    """Two descriptors of one process exclude each other as those of two processes do."""
    path, order = tmp_path / "f", []
    (tmp_path / "link").symlink_to(path)
    started = threading.Event()

    def second() -> None:
        started.set()
        with locked(tmp_path / "link"):
            order.append("second")

    with locked(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert started.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_folders(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "ocx"
    make_folder(folder)
    assert mode(folder) == 0o700
    folder.chmod(0o755)
    make_folder(folder)
    assert mode(folder) == 0o755
    make_folder(folder, private=True)
    assert mode(folder) == 0o700
    make_folder(folder, private=True)
    assert mode(folder) == 0o700


@pytest.mark.parametrize("mode", [None, 0o644, 0o600, 0o400])
def test_a_private_file_is_its_owners(tmp_path: Path, mode: int | None) -> None:
    path = tmp_path / "file"
    if mode is not None:
        path.write_text("kept")
        path.chmod(mode)
    make_private_file(path)
    assert path.stat().st_mode & 0o777 == (mode or 0o600) & 0o700
    assert path.read_text() == ("" if mode is None else "kept")


@pytest.mark.parametrize("flags", [os.O_RDWR, os.O_WRONLY | os.O_TRUNC])
def test_what_others_put_beside_a_file_is_not_taken(
    tmp_path: Path, flags: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    link, hard, pipe, theirs = (tmp_path / name for name in ("link", "hard", "pipe", "theirs"))
    link.symlink_to(precious)
    with pytest.raises(OSError, match=r"symbolic|exists"):
        open_beside(link, flags)
    os.mkfifo(pipe)
    if flags & os.O_TRUNC:  # replaced
        os.close(open_beside(pipe, flags))
        hard.hardlink_to(precious)
        os.close(open_beside(hard, flags))
    else:
        with pytest.raises(PermissionError, match="not a file of yours"):
            open_beside(pipe, flags)
        theirs.touch()
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with pytest.raises(PermissionError, match="not a file of yours"):
            open_beside(theirs, flags)
    assert precious.read_text() == "mine"


def test_what_is_opened_new_is_private(tmp_path: Path) -> None:
    fd = open_private(tmp_path / "file")
    assert os.fstat(fd).st_mode & 0o777 == 0o600
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_what_a_killed_writer_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".f.new").write_bytes(b"half")
    os.link(tmp_path / ".f.new", tmp_path / "other")
    atomic_write(tmp_path / "f", b"whole")
    assert (tmp_path / "f").read_bytes() == b"whole"
    assert (tmp_path / "other").read_bytes() == b"half"
    assert sorted(names(tmp_path)) == ["f", "other"]


def test_a_partial_has_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "p"
    fd = open_partial(path)
    with pytest.raises(BlockingIOError):
        open_partial(path)
    os.write(fd, b"x")
    assert is_at(fd, path)
    path.rename(tmp_path / "final")
    assert not is_at(fd, path)
    os.close(open_partial(path))
    os.close(fd)


def test_writers_wait_for_each_other_but_not_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = [
        threading.Thread(target=atomic_write, args=(tmp_path / "f", b"%d" % number * 1000))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set((tmp_path / "f").read_bytes())) == 1
    assert names(tmp_path) == ["f"]
    monkeypatch.setattr(files, "_PATIENCE", 0)
    fd = open_partial(tmp_path / ".f.new")
    with pytest.raises(BlockingIOError):
        atomic_write(tmp_path / "f", b"x")
    os.close(fd)

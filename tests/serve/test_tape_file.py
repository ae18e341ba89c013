"""A tape that is being recorded: a full disk costs the new recordings, never the old tape."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocx.errors import OcxError
from ocx.serve.tape_file import TapeFile


@pytest.mark.parametrize("room", [0, 1, 9])
def test_a_full_disk_is_told_and_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path = tmp_path / "tape"
    path.write_bytes(b"old\n")
    file = TapeFile(path)
    file.append(b"first line\n")
    write, left = os.write, [room, 0]

    def full(fd: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(28, "No space left on device")
        return write(fd, data[: left.pop(0)])

    monkeypatch.setattr(os, "write", full)
    file.append(b"second line\n")
    file.append(b"third line\n")
    with pytest.raises(OcxError, match="No space left") as caught:
        file.complete()
    assert path.read_bytes() == b"old\n"
    kept = tmp_path / "tape.partial"
    assert str(kept) in str(caught.value.hint)
    assert kept.read_bytes() == b"first line\n"


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    for name in (tmp_path, Path("/dev/null")):
        with pytest.raises(OcxError, match="no plain file"):
            TapeFile(name)

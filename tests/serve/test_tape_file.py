"""A tape that is being recorded: a full disk costs the new recordings, never the old tape."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ocx.errors import OcxError
from ocx.serve.tape import TapeFile, load_tape, request_of


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


def recording(content: str, masks: Sequence[str]) -> str:
    request = request_of("POST", "/chat/completions", "", json.dumps({"x": content}).encode())
    given = {"key": "", "request": request, "masks": masks}
    return json.dumps({**given, "status": 200, "headers": {}, "pieces": [[0, "hi"]]})


@pytest.mark.parametrize(
    ("content", "masks", "asked", "plays"),
    [
        ("use sk-…abcd now", ["sk-…abcd"], "use my-key now", True),
        ("use sk-…abcd now", ["sk-…abcd"], "use my-key", False),
        ("use sk-…abcd now", ["sk-…abcd"], "use two words now", False),
        ("a sk-…1111 b sk-…2222 c", ["sk-…1111", "sk-…2222"], "a one b two c", True),
        ("a sk-…1111 b sk-…1111 c", ["sk-…1111"], "a b b b c", True),
        ("a sk-…1111sk-…2222", ["sk-…1111", "sk-…2222"], "a onetwo", True),
        ('a "sk-…1111"', ["sk-…1111"], 'a "one"', True),
        # Of a tape that somebody made by hand, to stop who plays it:
        ("hello", [""], "hallo", False),
        ("hello", ["e", "1", "…x"], "hallo", False),
        ("…" * 40, ["…"], "a" * 5000 + " x", False),
        ("…a" * 40, ["…"], "a" * 5000 + " x", False),
    ],
)
def test_what_is_masked_matches_any_word(
    tmp_path: Path, content: str, masks: list[str], asked: str, plays: bool
) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text(recording(content, masks) + "\n", "utf-8")
    found = load_tape(path).find(
        request_of("POST", "/chat/completions", "", json.dumps({"x": asked}).encode())
    )
    assert (found is not None) == plays


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    for name in (tmp_path, Path("/dev/null")):
        with pytest.raises(OcxError, match="no plain file"):
            TapeFile(name)

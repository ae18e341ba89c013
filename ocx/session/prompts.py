"""What was typed in sessions, one line each: the same file whatever library edits the lines.

GNU readline writes such a file by itself; libedit writes another one, which only it can read.
"""

from __future__ import annotations

import re
from pathlib import Path

from ocx.files import atomic_write, make_folder

KEPT = 1000
_LIBEDIT = "_HiStOrY_V2_"


def read(path: Path) -> list[str]:
    """The lines, the oldest first; none if there is no file."""
    try:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    if lines and lines[0] == _LIBEDIT:
        return [_unvis(line) for line in lines[1:]]
    return lines


def write(path: Path, entries: list[str]) -> None:
    """Replace the file; the lines of a session are no reason to fail at its end."""
    lines = [line for entry in entries for line in entry.split("\n")][-KEPT:]
    text = "".join(f"{line}\n" for line in lines)
    try:
        make_folder(path.parent)
        # 0600: prompts hold what people would not show.
        atomic_write(path, text.encode("utf-8", "replace"), 0o600)
    except OSError:
        return


def _unvis(line: str) -> str:
    r"""A line of libedit: bytes that are no letters stand there as \040 (strvis, VIS_WHITE)."""
    data = re.sub(
        rb"\\([0-7]{3}|\\)",
        lambda found: b"\\" if found[1] == b"\\" else bytes([int(found[1], 8) & 0xFF]),
        line.encode(),
    )
    return data.decode("utf-8", "replace")

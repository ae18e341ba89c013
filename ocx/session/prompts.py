"""What was typed in sessions: the same file whatever library edits the lines.

An entry of several lines has a backslash at the end of each but the last, as it may be typed.

GNU readline writes such a file by itself; libedit writes another one, which only it can read.
"""

from __future__ import annotations

import re
from pathlib import Path

from ocx.files import atomic_write, make_folder

KEPT = 1000
_LIBEDIT = "_HiStOrY_V2_"


def read(path: Path) -> list[str]:
    """The entries, the oldest first; none if there is no file."""
    try:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    if lines and lines[0] == _LIBEDIT:
        return [_unvis(line) for line in lines[1:]]
    entries: list[str] = []
    goes_on = False
    for line in lines:
        if goes_on:
            entries[-1] = f"{entries[-1][:-1]}\n{line}"
        else:
            entries.append(line)
        goes_on = line.endswith("\\")
    return entries


def write(path: Path, entries: list[str]) -> None:
    """Replace the file; the lines of a session are no reason to fail at its end."""
    text = "".join(entry.replace("\n", "\\\n") + "\n" for entry in entries[-KEPT:])
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

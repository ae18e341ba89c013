"""Makes docs/session.svg: what the program itself writes into a terminal, drawn by rich.

Run it from the repository: `.venv/bin/python docs/picture.py`. It needs no network and no key: the
sandbox's echo answers with docs/answer.md, and the real renderer does the rest.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
COLUMNS = 72
COMMANDS = (
    ("ocx --sandbox chat --cost < answer.md", ("--sandbox", "chat", "--cost"), "answer.md"),
    ("ocx --sandbox balance", ("--sandbox", "balance"), os.devnull),
)
# GitHub loads nothing from elsewhere into a picture, and nothing should.
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def shown(args: tuple[str, ...], stdin: str, home: str) -> str:
    """What the command writes to a terminal of COLUMNS columns, in an empty home."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, COLUMNS))
    env = {"PATH": os.environ["PATH"], "HOME": home, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    with (HERE / stdin).open("rb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "ocx", *args],
            stdin=file,
            stdout=theirs,
            stderr=theirs,
            env=env,
            cwd=HERE.parent,
        )
    os.close(theirs)
    written = b""
    while piece := _read(ours):
        written += piece
    os.close(ours)
    process.wait()
    return written.decode().replace("\r\n", "\n")


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # EIO: nobody holds the other end any more
        return b""


def picture() -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    with tempfile.TemporaryDirectory() as home:
        for typed, args, stdin in COMMANDS:
            console.print(Text(f"$ {typed}", "bold"))
            console.print(Text.from_ansi(shown(args, stdin, home)))
    svg = console.export_svg(title="ocx", unique_id="ocx")
    return "\n".join(line.rstrip() for line in _FONTS.sub("", svg).splitlines()) + "\n"


if __name__ == "__main__":
    (HERE / "session.svg").write_text(picture(), "utf-8")

"""Programs of a few lines in processes of their own, which begin at the same moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable


def start(program: str, *args: str) -> subprocess.Popen[str]:
    """A Python program that has printed `ready`; what it does next, a line on stdin decides."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program, *args]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def all_at_once(program: str, *given: Iterable[object]) -> None:
    """Run it once for each of the arguments; each must end well, and say nothing."""
    started = [start(program, *map(str, args)) for args in given]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        _out, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")

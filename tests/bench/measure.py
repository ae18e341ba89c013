"""Wall and CPU seconds and peak memory of child processes, by wait4(2)."""

from __future__ import annotations

import contextlib
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_KIB = 1 if sys.platform == "darwin" else 1024  # what ru_maxrss counts


KEY = "sk-live-bench0000000000000000000000000000"


def environment(home: object, base_url: str, **more: str) -> dict[str, str]:
    """An empty home, an endpoint and its key."""
    place = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    return {**place, "OCX_BASE_URL": base_url, "OCX_API_KEY": KEY, **more}


@dataclass(frozen=True)
class Program:
    """A command line to measure."""

    name: str
    args: Sequence[str]
    env: Mapping[str, str]
    terminal: bool = False
    """stdout and stderr are a terminal of 80 columns, else pipes."""


@dataclass
class Cost:
    """What the runs of one program took: user and system seconds, wall seconds, bytes at most."""

    seconds: list[float] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """The median: a single run that the machine disturbed does not count."""
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float:
        return statistics.median(self.peaks)


def run(program: Program) -> tuple[float, float, int]:
    """One run, which must succeed: CPU seconds, wall seconds, bytes of memory at most.

    This process stays small on purpose: Linux counts the memory of the parent at the moment of
    exec into the child's ru_maxrss.
    """
    with tempfile.TemporaryFile() as stderr:
        ours, theirs = pty.openpty() if program.terminal else os.pipe()  # `ocx chat … | tool`
        if program.terminal:
            termios.tcsetwinsize(theirs, (24, 80))
        began = time.perf_counter()
        child = subprocess.Popen(
            program.args,
            env=program.env,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs if program.terminal else stderr,
        )
        os.close(theirs)
        _drain(ours)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        said = stderr.read()
    if child.returncode != 0:
        raise SystemExit(f"{program.name} failed: {child.returncode} {said.decode()}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * _KIB


def _drain(descriptor: int) -> None:
    with open(descriptor, "rb", buffering=0) as pipe, contextlib.suppress(OSError):
        while pipe.read(65536):  # a terminal whose last writer is gone is EIO on Linux
            pass


def compare(programs: Sequence[Program], rounds: int) -> dict[str, Cost]:
    """Run all of them in turn, `rounds` times, so that a slow minute is slow for all of them."""
    costs = {program.name: Cost() for program in programs}
    for program in programs:  # once unmeasured: byte code and the disk's cache
        run(program)
    for _ in range(rounds):
        for program in programs:
            cost = costs[program.name]
            for kept, number in zip(
                (cost.seconds, cost.walls, cost.peaks), run(program), strict=True
            ):
                kept.append(number)
    return costs

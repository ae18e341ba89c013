"""Every way a batch can end too early, at every stage of an answer, in every form of output.

Afterwards `--resume` has each row once, and what was paid more than once is no more than the
summary says, which is no more than what was in flight. A sample here; all of it with --full.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ocx.batch.library  # noqa: F401 - loads the engine
from tests.support.paid_server import PaidServer
from tests.support.program import KEY, Ocx, Process, Run
from tests.support.waiting import DEADLINE, Board

ENDS = ("SIGINT", "SIGINT twice", "SIGTERM", "SIGKILL", "full disk", "deadline")
STAGES = ("before the head", "in the body", "complete, not written", "during the drain")
FORMS = ("plain", "ordered", "merge", "shard", "library")
JOBS = (1, 512)

FREE = 16
"""Rows that are answered before any answer is held."""
TAIL = 24
"""Rows beyond those that are held."""
ROOM = 96
"""KiB of disk where it is full; padding makes a row so long that some fit, and not all."""
PADDING = 3000

UNWRITTEN = getattr(sys.modules.get("ocx.batch.engine"), "_UNWRITTEN", 0)
"""Answers that an engine may keep for each request at once: the one with threads has such a number,
and is the only one that is let off the last bound."""

SAMPLE = [
    ("SIGINT", "in the body", "plain", 1),
    ("SIGINT", "during the drain", "ordered", 512),
    ("SIGINT twice", "before the head", "merge", 512),
    ("SIGTERM", "complete, not written", "ordered", 1),
    ("SIGTERM", "before the head", "library", 512),
    ("SIGKILL", "before the head", "shard", 512),
    ("SIGKILL", "complete, not written", "plain", 512),
    ("SIGKILL", "during the drain", "merge", 1),
    ("SIGKILL", "complete, not written", "library", 1),
    ("full disk", "complete, not written", "merge", 512),
    ("full disk", "before the head", "plain", 1),
    ("deadline", "in the body", "plain", 512),
]

_MAYBE = re.compile(r"([\d,]+) rows? at most may have been paid twice")

_LIBRARY = """
import os, sys
from pathlib import Path
import ocx.batch
from ocx.api.types import Endpoint
from ocx.secret import Secret

url, key, source, out, jobs, timeout = sys.argv[1:]
ids = Path(source).read_text().split()
done = set(Path(out).read_text().split()) if Path(out).exists() else set()
rows = [{"id": name, "prompt": "say " + name} for name in ids if name not in done]
endpoint = Endpoint(url, Secret(key), timeout=float(timeout))
failed = False
fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for found in ocx.batch.run(rows, endpoint, workers=int(jobs)):
    if found.error is not None:
        failed = True
    else:
        line = found.id + " " * (len(found.text) + 200) + "\\n"
        if os.write(fd, line.encode()) < len(line):
            os.write(fd, b"\\n")
sys.exit(13 if failed else 0)
"""


def cells() -> list[tuple[str, str, str, int]]:
    every = itertools.product(ENDS, STAGES, FORMS, JOBS)
    # A loop over results that is left has nothing to drain.
    return [cell for cell in every if cell[1:3] != ("during the drain", "library")]


@dataclass
class Batch:
    """One input and output, whatever the form, and what becomes of it."""

    ocx: Ocx
    server: PaidServer
    form: str
    jobs: int
    count: int

    def __post_init__(self) -> None:
        names = (f"r{number}" for number in itertools.count())
        ours = (name for name in names if self.form != "shard" or in_shard(name))
        self.ids = list(itertools.islice(ours, self.count))
        last = int(self.ids[-1][1:])
        rows = [{"id": f"r{n}", "prompt": f"say r{n}"} for n in range(last + 1)]
        (self.ocx.work / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (self.ocx.work / "ids").write_text("\n".join(self.ids))

    @property
    def out(self) -> Path:
        return self.ocx.work / ("out-0.jsonl" if self.form == "shard" else "out.jsonl")

    def start(self, *options: str, room: int | None = None) -> Process:
        prefix: tuple[str, ...] = ()
        if room is not None:
            command = f'ulimit -f {room}; trap "" XFSZ; exec "$@"'
            prefix = ("bash", "-c", command, "bash")
        if self.form == "library":
            seconds = options[options.index("--timeout") + 1] if "--timeout" in options else "60"
            self.ocx.program = (sys.executable, "-c", _LIBRARY)
            words = (self.server.base_url, KEY, "ids", str(self.out), str(self.jobs), seconds)
            return self.ocx.spawn(*words, prefix=prefix)
        more = {
            "plain": ("-o", "out.jsonl"),
            "ordered": ("-o", "out.jsonl", "--ordered"),
            "merge": ("-o", "out.jsonl", "--merge"),
            "shard": ("-o", "out-{shard}.jsonl", "--shard", "0/2"),
        }[self.form]
        words = ("batch", "in.jsonl", "--resume", "-j", str(self.jobs), "--progress", "json")
        return self.ocx.spawn(*words, *more, *options, prefix=prefix)

    def written(self) -> list[str]:
        """The ids of the rows in the output that have an answer."""
        if self.form == "library":
            return self.out.read_text().split()
        rows: list[dict[str, Any]] = [json.loads(x) for x in self.out.read_text().splitlines()]
        if self.form == "merge":
            return [row["id"] for row in rows if row["answer"].split()[0] == row["id"]]
        texts = ((row["custom_id"], row["response"]["body"]) for row in rows)
        return [
            name
            for name, body in texts
            if body["choices"][0]["message"]["content"].split()[0] == name
        ]


def in_shard(name: str) -> bool:
    return int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % 2 == 0


@pytest.fixture
def servers(ocx: Ocx) -> Iterator[Callable[..., PaidServer]]:
    made: list[PaidServer] = []

    def make(padding: int = 0) -> PaidServer:
        made.append(PaidServer(padding))
        ocx.env |= {"OCX_BASE_URL": made[-1].base_url, "OCX_API_KEY": KEY}
        return made[-1]

    yield make
    for server in made:
        server.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "end" in metafunc.fixturenames:
        chosen = cells() if metafunc.config.getoption("--full") else SAMPLE
        metafunc.parametrize(("end", "stage", "form", "jobs"), chosen)


def test_each_row_is_there_once_and_what_was_paid_twice_is_told(
    ocx: Ocx,
    servers: Callable[..., PaidServer],
    request: pytest.FixtureRequest,
    end: str,
    stage: str,
    form: str,
    jobs: int,
) -> None:
    full = bool(request.config.getoption("--full"))
    held = 1 if jobs == 1 else (jobs if full else 32)
    server = servers(PADDING if end == "full disk" else 0)
    batch = Batch(ocx, server, form, jobs, FREE + held + TAIL)
    status = first_run(batch, end, stage, held)
    assert status in expected(end, stage, form)
    server.release()
    server.wait_until_alone()
    peak = server.peak
    last = batch.start().finish().has(0)
    assert sorted(batch.written()) == sorted(batch.ids)
    assert set(server.paid) == set(batch.ids)
    twice = server.paid.total() - len(batch.ids)
    most = peak + 3 * UNWRITTEN * jobs
    told = most if form == "library" else said(last)
    assert twice <= told <= most, (server.paid.most_common(5), last.stderr)


def first_run(batch: Batch, end: str, stage: str, held: int) -> int:
    """Start a run, hold answers at a stage, end it; its status."""
    server = batch.server
    disk = end == "full disk"
    if disk and batch.jobs == 1 and stage in {"before the head", "in the body"}:
        held = 0  # whatever the one request waits for, the disk must fill
    server.hold(
        FREE if not disk or "complete" in stage or "drain" in stage else 0,
        held,
        "in the body" if stage == "in the body" else "before the head",
        others=not (disk and stage in {"before the head", "in the body"}),
    )
    drains = stage == "during the drain"
    options = ["--drain", "30" if drains else "0.2"]
    if end == "deadline":
        options += ["--timeout", "2.5" if drains else "1.5"]
    process = batch.start(*options, room=ROOM if disk else None)
    if held:
        server.wait_until_held()
    if drains:
        process.signal(signal.SIGINT)
        wait_for_drain(process)
    if stage == "complete, not written":
        stop(process)
        server.release()
        if end == "deadline":
            subprocess.run(["sleep", "1.6"], check=True)  # the deadline itself is waited for
        give(process, end)
        process.signal(signal.SIGCONT)
    else:
        give(process, end)
        if drains and end in {"SIGINT", "SIGTERM", "full disk"}:
            server.release()
    if end == "SIGINT twice" and not drains:
        with_second(process)
    return process.wait()


def give(process: Process, end: str) -> None:
    """What ends the run; a full disk and a deadline come by themselves."""
    if end.startswith("SIG"):
        process.signal(getattr(signal, end.split(maxsplit=1)[0]))


def expected(end: str, stage: str, form: str) -> set[int]:
    """How the process may end."""
    if end == "full disk":
        return {1, -signal.SIGINT} if stage == "during the drain" else {1}
    if end == "deadline":
        return {-signal.SIGINT} if stage == "during the drain" else {13, 0}
    number = -getattr(signal, end.split(maxsplit=1)[0])
    if stage == "during the drain" and end != "SIGKILL":
        return {number, -signal.SIGINT}
    return {number}


def wait_for_drain(process: Process) -> None:
    assert process.stderr is not None
    process.stderr.until(b'"stopping"')


def with_second(process: Process) -> None:
    """The second Ctrl-C, once the first has been taken in; it may have ended by it already."""
    assert process.stderr is not None
    process.stderr.comes_again(b'"stopping"', 1, 2.0)
    if process.popen.poll() is None:
        process.signal(signal.SIGINT)


def stop(process: Process) -> None:
    """Freeze it, and wait until it is frozen."""
    process.signal(signal.SIGSTOP)
    command = ["ps", "-o", "stat=", "-p", str(process.popen.pid)]

    def frozen() -> bool:
        return b"T" in subprocess.run(command, capture_output=True, check=False).stdout

    deadline = Board()
    for _ in range(int(DEADLINE * 100)):
        if frozen() or process.popen.poll() is not None:
            return
        with pytest.raises(AssertionError):
            deadline.wait_for(lambda: False, "", 0.01)
    raise AssertionError("it does not stop")


def said(run: Run) -> int:
    """How many rows may have been paid twice, in the words of the summary."""
    return sum(int(number.replace(",", "")) for number in _MAYBE.findall(run.stderr))

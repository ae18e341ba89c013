"""Runs that die: afterwards every row is there once, and none that was finished is paid again.

Three deaths of each kind here, twenty with --full.
"""

from __future__ import annotations

import json
import random
import re
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Ocx, Process
from tests.support.row_server import RowServer, read_rows, text_of, write_rows
from tests.support.sizes import size

DEATHS = 20
PER_DEATH = 60
JOBS = 32
MAYBE = re.compile(r"(\d+) rows? at most may have been paid twice")


@pytest.fixture
def deaths(request: pytest.FixtureRequest) -> int:
    return DEATHS if request.config.getoption("--full") else 2


def content(path: Path) -> list[tuple[str, str | None]]:
    return [(row["custom_id"], text_of(row)) for row in read_rows(path)]


def die(
    ocx: Ocx, rows: RowServer, args: tuple[str, ...], number: signal.Signals, after: int
) -> str:
    """Start a run, end it by a signal when it has sent so many requests more; what it said."""
    process = ocx.spawn(*args)
    rows.wait_for_requests(len(rows.requests) + after)
    process.signal(number)
    return process.finish().has(-number).stderr


@pytest.mark.parametrize("ordered", [False, True], ids=["as they end", "ordered"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill -9", "SIGTERM"])
def test_runs_that_die_at_random_moments(
    ocx: Ocx, rows: RowServer, number: signal.Signals, ordered: bool, deaths: int
) -> None:
    count = PER_DEATH * (deaths + 1)
    write_rows(ocx.work / "in.jsonl", count)
    out = ocx.work / "out.jsonl"
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--resume", *(["--ordered"] if ordered else []))
    maybe = 0
    for _ in range(deaths):
        said = die(ocx, rows, args, number, random.randint(1, PER_DEATH - JOBS - 1))
        maybe += sum(map(int, MAYBE.findall(said)))
        finished = {text for _, text in content(out)}
        before = dict(rows.asked)
        again = [p for p in finished if p and rows.asked[p.lower()] != before[p.lower()]]
        assert not again
    run = ocx(*args).has(0)
    maybe += sum(map(int, MAYBE.findall(run.stderr)))
    found = content(out)
    wanted = [(f"r{n}", f"ROW {n}") for n in range(count)]
    assert (found if ordered else sorted(found)) == (wanted if ordered else sorted(wanted))
    twice = sum(times - 1 for times in rows.asked.values())
    if number == signal.SIGTERM:
        assert twice == 0, "what was sent had been awaited"
    else:
        assert twice <= 2 * JOBS * deaths, "what was in flight, or about to be written"
    ocx("batch", "verify", "in.jsonl", "out.jsonl").has(0)
    hidden = [path.name for path in ocx.work.iterdir() if path.name.startswith(".")]
    assert not hidden, "nothing is left beside the output"


def test_a_killed_run_tells_how_much_may_be_paid_twice(ocx: Ocx, rows: RowServer) -> None:
    gate = threading.Event()
    rows.behave = lambda prompt, times: [gate] if prompt != "row 0" and times == 1 else None
    write_rows(ocx.work / "in.jsonl", 4)
    process = ocx.spawn("batch", "in.jsonl", "-o", "out.jsonl", "--resume")
    rows.wait_for_requests(4)
    process.kill()
    gate.set()
    finished = len(read_rows(ocx.work / "out.jsonl"))
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(0)
    assert MAYBE.findall(run.stderr) == [str(4 - finished)]
    assert sorted(rows.asked.values()) == sorted([1] * finished + [2] * (4 - finished))


def test_a_second_signal_ends_it_at_once(ocx: Ocx, rows: RowServer) -> None:
    gate = threading.Event()
    rows.behave = lambda *_: [gate]
    write_rows(ocx.work / "in.jsonl", 4)
    process = ocx.spawn("batch", "in.jsonl", "-o", "out.jsonl", "--drain", "100")
    rows.wait_for_requests(4)
    process.signal(signal.SIGTERM)
    process.signal(signal.SIGINT)
    assert process.wait() in {-signal.SIGTERM, -signal.SIGINT}
    gate.set()
    rows.behave = lambda *_: None
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(0)


def test_the_ledger_of_the_local_server_shows_each_row_paid_once(ocx: Ocx, deaths: int) -> None:
    """`ocx serve` charges for what it answers; a row that was written is never charged again."""
    ocx("serve", "grant", "1000000").has(0)
    key = ocx("serve", "keys", "add", "batch").has(0).text.strip()
    url = start_server(ocx)[1]
    ocx.env |= {"OCX_BASE_URL": url, "OCX_API_KEY": key}
    count = size(4000, 150)
    write_rows(ocx.work / "in.jsonl", count)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--resume")
    for _ in range(deaths):
        process = ocx.spawn(*args)
        wait_for_lines(process, ocx.work / "out.jsonl", count // (deaths + 1))
        process.kill()
    ocx(*args).has(0)
    ocx("batch", "verify", "in.jsonl", "out.jsonl").has(0)
    entries = [json.loads(line) for line in ocx("serve", "ledger", "--jsonl").text.splitlines()]
    paid = [entry for entry in entries if entry["kind"] == "charge"]
    lost = 2 * JOBS  # answers on their way, and those that were about to be written
    assert count <= len(paid) <= count + lost * deaths


def start_server(ocx: Ocx) -> tuple[Process, str]:
    process = ocx.spawn("serve", "--port", "0")
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.until(b"\n").partition(b"\n")[0])
    return process, line["listening"]


def wait_for_lines(process: Process, path: Path, more: int) -> None:
    """Until the run has written so many rows more, or has ended."""
    have = len(read_rows(path)) if path.exists() else 0
    while process.popen.poll() is None:
        if path.exists() and len(read_rows(path)) >= have + more:
            return

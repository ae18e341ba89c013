"""`make bench`: the speed table of the design, measured now and here.

    python -m tests.bench [--rounds N] [--runs N] [--plot FILE]

Each row is a ratio between two programs of the same run. CPU is user and system time of the whole
process, the median of the rounds; streams run three times. `make peers` installs the tools that
`ocx` is compared with.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import batch, forwarding, peers, plot, serving, tools
from tests.bench.measure import KEY, Cost, Program, compare, environment
from tests.bench.rows import Rows

SHORT, LONG, STREAM_ROUNDS = 20, 100_000, 3
PYTHON = sys.executable
SCRIPT = str(Path(PYTHON).with_name("ocx"))
MIB = 1024 * 1024
OWN_CODE = 15 / 11
"""What a piped chat may take beside its libraries, as a multiple of bare Python."""


@dataclass(frozen=True)
class Bench:
    """Where the measured programs live: an empty home, and the server they talk to."""

    home: Path
    base_url: str
    rounds: int
    rows: Rows
    tools: dict[str, Cost]

    def env(self, model: str = f"deltas-{SHORT}") -> dict[str, str]:
        return environment(self.home, self.base_url, OCX_MODEL=model)

    def program(self, name: str, *args: str, model: str = f"deltas-{SHORT}") -> Program:
        return Program(name, args, self.env(model))


def ratio(bench: Bench, what: str, ours: float, theirs: float, bound: float | None) -> None:
    """A row: our CPU, as a multiple of theirs, and the multiple that it may be."""
    bench.rows.add(what, ours / theirs, f"{ours * 1000:.0f}/{theirs * 1000:.0f} ms", most=bound)


def start_up(bench: Bench) -> None:
    """Rows 1 and 2: what a command costs that sends nothing."""
    programs = [
        bench.program("pass", PYTHON, "-c", "pass"),
        bench.program("script", SCRIPT, "--version"),
        bench.program("module", PYTHON, "-m", "ocx", "--version"),
        bench.program("typer", PYTHON, "-c", peers.TYPER),
        bench.program("keys", SCRIPT, "keys", "list"),
        bench.program("config", SCRIPT, "config", "get", "model"),
        bench.program("help", SCRIPT, "--help"),
    ]
    costs = compare(programs, bench.rounds)
    empty, typer = costs["pass"].cpu, costs["typer"].cpu
    ratio(bench, "ocx --version / python -c pass", costs["script"].cpu, empty, 2.0)
    ratio(bench, "python -m ocx --version / python -c pass", costs["module"].cpu, empty, 1.6)
    ratio(bench, "ocx keys list / three lines of Typer", costs["keys"].cpu, typer, 1.2)
    ratio(bench, "ocx config get model / three lines of Typer", costs["config"].cpu, typer, 1.2)
    ratio(bench, "ocx --help / ocx keys list", costs["help"].cpu, costs["keys"].cpu, 1.2)


def one_shot(bench: Bench) -> None:
    """Row 3: a prompt and a short answer, in a pipe."""
    hidden = f"{peers.WITHOUT_HTTPX_CLI}\n{peers.CHAT}"
    programs = [
        bench.program("ocx", SCRIPT, "chat", "hi"),
        bench.program("lean", PYTHON, "-c", hidden, "hi"),
        bench.program("plain", PYTHON, "-c", peers.CHAT, "hi"),
        bench.program("imports", PYTHON, "-c", peers.IMPORTS),
        bench.program("pass", PYTHON, "-c", "pass"),
    ]
    others = tools.found(bench.home, bench.base_url, KEY, f"deltas-{SHORT}")
    costs = compare([*programs, *others], bench.rounds)
    ours = costs["ocx"].cpu
    ratio(
        bench, "ocx chat / smallest typer+httpx without httpx._main", ours, costs["lean"].cpu, 1.2
    )
    ratio(bench, "ocx chat / smallest typer+httpx as it comes", ours, costs["plain"].cpu, None)
    what = "ocx chat without the interpreter, typer, httpx / python -c pass"
    ratio(bench, what, ours - costs["imports"].cpu, costs["pass"].cpu, OWN_CODE)
    if "llm" in costs:
        ratio(bench, "ocx chat / llm", ours, costs["llm"].cpu, 0.2)
    else:
        bench.rows.skip("ocx chat / llm", tools.HOW)
    bench.tools.update({name: costs[name] for name in ("ocx", *(tool.name for tool in others))})


def long_stream(bench: Bench) -> None:
    """Row 4: 100,000 deltas, each in its own HTTP chunk; then joined, for comparison."""
    lean = f"{peers.WITHOUT_HTTPX_CLI}\n{peers.STREAM}"
    short, long, joined = f"deltas-{SHORT}", f"deltas-{LONG}", f"joined-{LONG}"
    programs = [
        program
        for model in (short, long, joined)
        for program in (
            bench.program(f"ocx {model}", SCRIPT, "chat", "hi", model=model),
            bench.program(f"httpx {model}", PYTHON, "-c", lean, model=model),
        )
    ]
    printing = f"{peers.WITHOUT_HTTPX_CLI}\n{peers.STREAM_PRINTED}"
    programs += [
        bench.program(f"printing {model}", PYTHON, "-c", printing, model=model)
        for model in (short, long)
    ]
    costs = compare(programs, STREAM_ROUNDS)
    for model, what, bound in ((long, "each its own chunk", 1.2), (joined, "joined", None)):
        ours = _a_delta(costs, "ocx", model)
        theirs = _a_delta(costs, "httpx", model)
        name = f"{LONG:,} deltas, {what}: CPU a delta, ocx / httpx"
        bench.rows.add(name, ours / theirs, f"{ours:.1f}/{theirs:.1f} µs", most=bound)
    ours, theirs = _a_delta(costs, "ocx", long), _a_delta(costs, "printing", long)
    name = f"{LONG:,} deltas, the same if httpx prints each too"
    bench.rows.add(name, ours / theirs, f"{ours:.1f}/{theirs:.1f} µs")
    more = (costs[f"ocx {long}"].peak - costs[f"ocx {short}"].peak) / MIB
    peak = costs[f"ocx {long}"].peak / MIB
    name = f"{LONG:,} deltas: peak memory above that of {SHORT}"
    bench.rows.add(name, more, f"{peak:.0f} MiB", unit=" MiB", most=4)


def terminal(bench: Bench) -> None:
    """Live Markdown: the same 2,000 lines of code, in one block and in a hundred."""
    blocks = {f"{lines} lines": f"blocks-{lines}" for lines in (20, 2_000)}
    programs = [
        replace(bench.program(name, SCRIPT, "chat", "hi", model=model), terminal=True)
        for name, model in blocks.items()
    ]
    costs = compare(programs, STREAM_ROUNDS)
    long, short = costs["2000 lines"].cpu, costs["20 lines"].cpu
    ratio(bench, "a terminal: CPU, one block of 2,000 lines / blocks of 20", long, short, 2)


def serve_row(rows: Rows) -> None:
    """The last row: `ocx serve` with 200 streams, and a client that only counts."""
    got = serving.measure()
    name = f"ocx serve, {serving.STREAMS} streams, client included"
    rows.add(name, got.events, unit=" events/s", least=2_500)
    rows.add("ocx serve: a transaction of the ledger", got.median, f"p99 {got.p99:.2f}", unit=" ms")
    rows.add("ocx serve check after it: wrong", 0 if got.exact else 1, unit="", most=0)


def _a_delta(costs: dict[str, Cost], name: str, model: str) -> float:
    """Microseconds a delta: what the long answer costs more than the short one."""
    more = costs[f"{name} {model}"].cpu - costs[f"{name} deltas-{SHORT}"].cpu
    return more / (LONG - SHORT) * 1e6


@contextmanager
def prepared(rounds: int, rows: Rows, costs: dict[str, Cost]) -> Iterator[Bench]:
    """A home with one stored key, and the server in a process of its own."""
    server = subprocess.Popen(
        [PYTHON, str(Path(__file__).with_name("server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        with tempfile.TemporaryDirectory() as folder:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/api/v1"
            bench = Bench(Path(folder), url, rounds, rows, costs)
            add = [SCRIPT, "keys", "add", "work", "--no-check"]
            quiet = subprocess.DEVNULL
            subprocess.run(add, input=KEY, text=True, env=bench.env(), check=True, stderr=quiet)
            yield bench
    finally:
        server.communicate()


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.bench")
    options.add_argument("--rounds", type=int, default=15, help="of each program, in turn")
    options.add_argument("--runs", type=int, default=1, help="of the whole table; then the spread")
    options.add_argument("--plot", type=Path, help="write a picture of the tools, SVG")
    given = options.parse_args()
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"Python {python}, {os.cpu_count()} CPUs, median of {given.rounds} rounds", flush=True)
    rows, costs = Rows(), dict[str, Cost]()
    for _ in range(given.runs):
        with prepared(given.rounds, rows, costs) as bench:
            start_up(bench)
            one_shot(bench)
            long_stream(bench)
            terminal(bench)
        serve_row(rows)
        forwarding.measure(rows)
        batch.measure(rows)
    if given.runs > 1:
        rows.summary()
    print()
    print("\n".join(tools.table(costs)))
    if given.plot:
        given.plot.write_text(plot.picture(costs))


if __name__ == "__main__":
    main()

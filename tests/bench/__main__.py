"""`make bench`: the speed table of the design, measured now and here.

    python -m tests.bench [ROUNDS]

Each row is a ratio between two programs of the same run. CPU is user and system time of the whole
process, the median of ROUNDS (default 15); streams run three times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import batch, peers, serving
from tests.bench.measure import Cost, Program, compare

KEY = "sk-live-bench0000000000000000000000000000"
SHORT, LONG, STREAM_ROUNDS = 20, 100_000, 3
PYTHON = sys.executable
SCRIPT = str(Path(PYTHON).with_name("ocx"))
MIB = 1024 * 1024


@dataclass(frozen=True)
class Bench:
    """Where the measured programs live: an empty home, and the server they talk to."""

    home: Path
    base_url: str
    rounds: int

    def env(self, model: str = f"deltas-{SHORT}") -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "OCX_BASE_URL": self.base_url,
            "OCX_API_KEY": KEY,
            "OCX_MODEL": model,
        }

    def program(self, name: str, *args: str, model: str = f"deltas-{SHORT}") -> Program:
        return Program(name, args, self.env(model))


def show(what: str, measured: str, bound: str, holds: bool | None) -> None:
    verdict = {True: "ok", False: "OVER", None: ""}[holds]
    print(f"{what:<58} {measured:>22}  {bound:<16} {verdict}", flush=True)


def ratio(what: str, ours: float, theirs: float, bound: float | None) -> None:
    """A row: our CPU, as a multiple of theirs, and the multiple that it may be."""
    times = ours / theirs
    measured = f"{times:.2f} x  ({ours * 1000:.0f}/{theirs * 1000:.0f} ms)"
    limit = f"<= {bound:.2g} x" if bound else ""
    show(what, measured, limit, times <= bound if bound else None)


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
    ratio("ocx --version / python -c pass", costs["script"].cpu, empty, 2.0)
    ratio("python -m ocx --version / python -c pass", costs["module"].cpu, empty, 1.6)
    ratio("ocx keys list / three lines of Typer", costs["keys"].cpu, typer, 1.2)
    ratio("ocx config get model / three lines of Typer", costs["config"].cpu, typer, 1.2)
    ratio("ocx --help / ocx keys list", costs["help"].cpu, costs["keys"].cpu, 1.2)


def one_shot(bench: Bench) -> None:
    """Row 3: a prompt and a short answer, in a pipe."""
    hidden = f"{peers.WITHOUT_HTTPX_CLI}\n{peers.CHAT}"
    programs = [
        bench.program("ocx", SCRIPT, "chat", "hi"),
        bench.program("lean", PYTHON, "-c", hidden, "hi"),
        bench.program("plain", PYTHON, "-c", peers.CHAT, "hi"),
    ]
    llm = shutil.which(os.environ.get("LLM", "llm"))
    if llm:
        programs.append(_llm(bench, llm))
    costs = compare(programs, bench.rounds)
    ours = costs["ocx"].cpu
    ratio("ocx chat / smallest typer+httpx without httpx._main", ours, costs["lean"].cpu, 1.2)
    ratio("ocx chat / smallest typer+httpx as it comes", ours, costs["plain"].cpu, None)
    if llm:
        ratio("ocx chat / llm", ours, costs["llm"].cpu, 0.2)
    else:
        show("ocx chat / llm", "SKIPPED", "<= 0.2 x", None)
        print("  llm is not installed: pip install llm, or LLM=/path/to/llm make bench")


def _llm(bench: Bench, llm: str) -> Program:
    folder = bench.home / "llm"
    folder.mkdir()
    models = peers.LLM_MODELS.format(model=f"deltas-{SHORT}", base_url=bench.base_url)
    (folder / "extra-openai-models.yaml").write_text(models)
    env = {**bench.env(), "LLM_USER_PATH": str(folder), "OPENAI_API_KEY": KEY}
    return Program("llm", (llm, "-m", "bench", "hi"), env)


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
        measured = f"{ours / theirs:.2f} x  ({ours:.1f}/{theirs:.1f} µs)"
        holds = ours / theirs <= bound if bound else None
        name = f"{LONG:,} deltas, {what}: CPU a delta, ocx / httpx"
        show(name, measured, f"<= {bound} x" if bound else "", holds)
    ours, theirs = _a_delta(costs, "ocx", long), _a_delta(costs, "printing", long)
    name = f"{LONG:,} deltas, the same where httpx prints each too"
    show(name, f"{ours / theirs:.2f} x  ({ours:.1f}/{theirs:.1f} µs)", "", None)
    more = (costs[f"ocx {long}"].peak - costs[f"ocx {short}"].peak) / MIB
    peak = costs[f"ocx {long}"].peak / MIB
    name = f"{LONG:,} deltas: peak memory above that of {SHORT}"
    show(name, f"{more:+.1f} MiB  ({peak:.0f} MiB)", "<= 4 MiB", more <= 4)


def serve_row() -> None:
    """The last row: `ocx serve` with 200 streams, and a client that only counts."""
    got = serving.measure()
    name = f"ocx serve, {serving.STREAMS} streams: events a second, client included"
    show(name, f"{got.events:,.0f}/s", ">= 2,500/s", got.events >= 2_500)
    times = f"{got.median:.2f} ms, p99 {got.p99:.2f} ms"
    show("ocx serve: a transaction of the ledger, median", times, "", None)
    show("ocx serve check after it", "exact" if got.exact else "WRONG", "exact", got.exact)


def _a_delta(costs: dict[str, Cost], name: str, model: str) -> float:
    """Microseconds a delta: what the long answer costs more than the short one."""
    more = costs[f"{name} {model}"].cpu - costs[f"{name} deltas-{SHORT}"].cpu
    return more / (LONG - SHORT) * 1e6


@contextmanager
def prepared(rounds: int) -> Iterator[Bench]:
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
            bench = Bench(Path(folder), url, rounds)
            add = [SCRIPT, "keys", "add", "work", "--no-check"]
            quiet = subprocess.DEVNULL
            subprocess.run(add, input=KEY, text=True, env=bench.env(), check=True, stderr=quiet)
            yield bench
    finally:
        server.communicate()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"Python {python}, {os.cpu_count()} CPUs, median of {rounds} rounds", flush=True)
    with prepared(rounds) as bench:
        start_up(bench)
        one_shot(bench)
        long_stream(bench)
    serve_row()
    for row in batch.measure():
        show(*row)


if __name__ == "__main__":
    main()

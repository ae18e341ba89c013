"""The rows of `ocx batch`: rows a second against what people use, and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.bench.measure import Program, run
from tests.bench.rows import Rows
from tests.bench.tools import HOW, find

KEY = "sk-live-bench0000000000000000000000000000"
AT_ONCE = 32
ROWS, FEW = 20_000, 2_000
ROUNDS = 3
MIB = 1024 * 1024

POOL = f"""
import json, os, sys, threading, httpx
rows = open(sys.argv[1])
lock = threading.Lock()
url = os.environ["OCX_BASE_URL"] + "/chat/completions"
headers = {{"Authorization": "Bearer " + os.environ["OCX_API_KEY"]}}
def work():
    with httpx.Client(headers=headers) as client:
        while True:
            with lock:
                line = rows.readline()
            if not line:
                return
            reply = client.post(url, json=json.loads(line)["body"])
            reply.raise_for_status()
            answer = json.dumps(reply.json()) + "\\n"
            with lock:
                out.write(answer)
with open(sys.argv[2], "w") as out:
    threads = [threading.Thread(target=work) for _ in range({AT_ONCE})]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
"""The smallest program that sends the same bodies with the same library, and keeps the answers."""

CURL = (
    'xargs -P {at_once} -d "\\n" -n 1 curl -sS -o /dev/null -H "Content-Type: application/json"'
    ' -H "Authorization: Bearer $OCX_API_KEY" "$OCX_BASE_URL/chat/completions" -d < "$1"'
)


class Got(NamedTuple):
    rate: float
    """Rows a second, the start of the program included."""
    peak: float


@dataclass(frozen=True)
class Place:
    folder: Path
    env: dict[str, str]

    def rows(self, count: int) -> Path:
        path = self.folder / f"rows-{count}.jsonl"
        if not path.exists():
            path.write_text("".join(f"{json.dumps(_row(n))}\n" for n in range(count)))
        return path

    def measure(self, name: str, args: Sequence[str], count: int) -> Got:
        _, wall, peak = run(Program(name, args, self.env))
        return Got(count / wall, peak)

    def batch(self, count: int) -> Got:
        out = self.folder / "out.jsonl"
        out.unlink(missing_ok=True)
        args = ("batch", str(self.rows(count)), "-o", str(out), "-j", str(AT_ONCE))
        return self.measure("ocx", (sys.executable, "-m", "ocx", *args), count)

    def pool(self) -> Got:
        args = (sys.executable, "-c", POOL, str(self.rows(ROWS)), str(self.folder / "pool.jsonl"))
        return self.measure("pool", args, ROWS)

    def curl(self) -> Got:
        bodies = self.folder / "bodies"
        bodies.write_text("".join(f"{json.dumps(_row(n)['body'])}\n" for n in range(FEW)))
        command = CURL.format(at_once=AT_ONCE)
        return self.measure("curl", ("bash", "-c", command, "bash", str(bodies)), FEW)

    def batchllm(self, program: str) -> Got:
        prompts = self.folder / "prompts.jsonl"
        prompts.write_text("".join(f'{{"prompt": "{_prompt(n)}"}}\n' for n in range(FEW)))
        out = self.folder / "batchllm.jsonl"
        out.unlink(missing_ok=True)
        words = ["run", str(prompts), "-o", str(out), "-c", str(AT_ONCE), "-m", "gpt-4o-mini"]
        words += ["--base-url", self.env["OCX_BASE_URL"], "--input-column", "prompt"]
        return self.measure("batchllm", (program, *words), FEW)


def measure(rows: Rows) -> None:
    """Each ratio against the pool is the median of three rounds."""
    with _place() as place:
        rounds = [(place.batch(ROWS), place.pool()) for _ in range(ROUNDS)]
        ours, pool = rounds[-1]
        ratio = sorted(mine.rate / theirs.rate for mine, theirs in rounds)[ROUNDS // 2]
        _against(rows, "a bare httpx thread pool", ours, pool, 0.9, ratio)
        _against(rows, "xargs -P 32 curl", ours, place.curl(), 2)
        program = find("batchllm")
        if program:
            _against(rows, "batchllm -c 32", ours, place.batchllm(program), 2)
        else:
            rows.skip(f"ocx batch -j {AT_ONCE} / batchllm", HOW)
        few = place.batch(FEW)
        more = (ours.peak - few.peak) / MIB
        what = f"ocx batch: memory of {ROWS:,} rows above {FEW:,}"
        rows.add(what, more, f"{ours.peak / MIB:.0f} MiB", unit=" MiB", most=8)


def _against(
    rows: Rows, name: str, ours: Got, theirs: Got, least: float, ratio: float | None = None
) -> None:
    ratio = ratio or ours.rate / theirs.rate
    detail = f"{ours.rate:,.0f}/{theirs.rate:,.0f} /s"
    rows.add(f"ocx batch -j {AT_ONCE} / {name}", ratio, detail, least=least)


def _row(number: int) -> dict[str, object]:
    body = {"model": "m", "messages": [{"role": "user", "content": _prompt(number)}]}
    return {"custom_id": f"r{number}", "url": "/v1/chat/completions", "body": body}


def _prompt(number: int) -> str:
    return f"A question of about one line, number {number}; what do you say?"


@contextmanager
def _place() -> Iterator[Place]:
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("row_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        with tempfile.TemporaryDirectory() as folder:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
            env = {
                "PATH": os.environ["PATH"],
                "HOME": folder,
                "LANG": "C.UTF-8",
                "OCX_BASE_URL": url,
                "OCX_API_KEY": KEY,
                "OPENAI_API_KEY": KEY,
            }
            yield Place(Path(folder), env)
    finally:
        server.communicate()


if __name__ == "__main__":
    measure(Rows())

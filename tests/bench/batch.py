"""The rows of `ocx batch`: rows a second against what people use, and memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.bench import free_server
from tests.bench.measure import KEY, Program, environment, run
from tests.bench.rows import Rows
from tests.bench.tools import HOW, find, find_python

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

SATURATE = """
import json, os, sys
from saturate import Fixed, pump
rows = [(row["custom_id"], row) for row in map(json.loads, open(sys.argv[1]))]
pump(rows, to_request=lambda row: row["body"], endpoint=os.environ["OCX_BASE_URL"],
     parse=lambda row, answer: {"text": answer["choices"][0]["message"]["content"]},
     headers={"Authorization": "Bearer " + os.environ["OCX_API_KEY"]},
     window=Fixed(int(sys.argv[3])), output=sys.argv[2])
"""

AIOHTTP = """
import asyncio, json, os, sys
import aiohttp
async def main(source, out, jobs):
    rows, url = iter(open(source)), os.environ["OCX_BASE_URL"] + "/chat/completions"
    head = {"Authorization": "Bearer " + os.environ["OCX_API_KEY"]}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=head) as s:
        async def work():
            for line in rows:
                row = json.loads(line)
                kind = {"content-type": "application/json"}
                async with s.post(url, data=json.dumps(row["body"]), headers=kind) as reply:
                    body = json.loads(await reply.read())
                answer = {"status_code": reply.status, "body": body}
                f.write(json.dumps({"custom_id": row["custom_id"], "response": answer}) + "\\n")
        with open(out, "w") as f:
            await asyncio.gather(*[work() for _ in range(jobs)])
asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""
"""Fifteen lines that read, send and write the same rows."""

SLOW = """
import http from 'node:http';
const body = JSON.stringify({choices: [{index: 0, message: {role: "assistant", content: "Hello!"},
  finish_reason: "stop"}], usage: {prompt_tokens: 20, completion_tokens: 10, total_tokens: 30}});
const answer = response => { response.setHeader("content-type", "application/json");
  response.end(body); };
const server = http.createServer((request, response) => { request.resume();
  request.on("end", () => setTimeout(answer, +process.argv.at(-1) * (0.5 + Math.random()),
  response)); });
server.keepAliveTimeout = 120000;
server.listen(0, "127.0.0.1", 4096, () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit());
"""
"""Long answers: each takes so many milliseconds times 0.5 to 1.5."""


class Got(NamedTuple):
    rate: float
    """Rows a second, the start of the program included."""
    peak: float
    cpu: float
    wall: float


@dataclass(frozen=True)
class Place:
    folder: Path
    env: dict[str, str]
    server: str

    def rows(self, count: int) -> Path:
        path = self.folder / f"rows-{count}.jsonl"
        if not path.exists():
            with path.open("w") as file:  # this process stays small: see `measure.run`
                file.writelines(f"{json.dumps(_row(n))}\n" for n in range(count))
        return path

    def measure(self, name: str, args: Sequence[str], count: int) -> Got:
        cpu, wall, peak = run(Program(name, args, self.env))
        return Got(count / wall, peak, cpu, wall)

    def aiohttp(self, count: int, jobs: int) -> Got:
        words = (str(self.rows(count)), str(self.folder / "aiohttp.jsonl"), str(jobs))
        return self.measure("aiohttp", (sys.executable, "-c", AIOHTTP, *words), count)

    def batch(self, count: int, jobs: int = AT_ONCE) -> Got:
        out = self.folder / "out.jsonl"
        out.unlink(missing_ok=True)
        args = ("batch", str(self.rows(count)), "-o", str(out), "-j", str(jobs))
        return self.measure("ocx", (sys.executable, "-m", "ocx", *args), count)

    def estimate(self, count: int) -> Got:
        """Reads and checks all rows, and sends none."""
        words = ("batch", str(self.rows(count)), "--estimate")
        return self.measure("ocx", (sys.executable, "-m", "ocx", *words), count)

    def pool(self) -> Got:
        args = (sys.executable, "-c", POOL, str(self.rows(ROWS)), str(self.folder / "pool.jsonl"))
        return self.measure("pool", args, ROWS)

    def curl(self) -> Got:
        bodies = self.folder / "bodies"
        bodies.write_text("".join(f"{json.dumps(_row(n)['body'])}\n" for n in range(FEW)))
        command = CURL.format(at_once=AT_ONCE)
        return self.measure("curl", ("bash", "-c", command, "bash", str(bodies)), FEW)

    def curl_parallel(self) -> Got:
        """One process for all, a transfer at a time described in its config."""
        options = [
            f'url = "{self.env["OCX_BASE_URL"]}/chat/completions"',
            'output = "/dev/null"',
            'header = "Content-Type: application/json"',
            f'header = "Authorization: Bearer {KEY}"',
        ]
        bodies = (json.dumps(json.dumps(_row(n)["body"])) for n in range(FEW))
        config = self.folder / "curl.conf"
        config.write_text("\nnext\n".join("\n".join([*options, f"data = {b}"]) for b in bodies))
        words = ("--silent", "--show-error", "--parallel", "--parallel-max", str(AT_ONCE))
        return self.measure("curl", ("curl", *words, "--config", str(config)), FEW)

    def saturate(self, python: str) -> Got:
        out = self.folder / "saturate"
        shutil.rmtree(out, ignore_errors=True)
        words = (str(self.rows(FEW)), str(out), str(AT_ONCE))
        return self.measure("saturate", (python, "-c", SATURATE, *words), FEW)

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
    try:
        _against_peers(rows)
    except RuntimeError as error:
        rows.skip("ocx batch against a server that costs nothing", str(error))
    _slow(rows)


def _against_peers(rows: Rows) -> None:
    with free_server.running() as (server, url), _folder_on(url, server) as place:
        rounds = [(place.batch(ROWS), place.pool()) for _ in range(ROUNDS)]
        ours, pool = rounds[-1]
        ratio = sorted(mine.rate / theirs.rate for mine, theirs in rounds)[ROUNDS // 2]
        _against(rows, "a bare httpx thread pool", ours, pool, 2.5, ratio)
        _against(rows, "xargs -P 32 curl", ours, place.curl(), 2)
        few = place.batch(FEW)
        _against(rows, "curl --parallel", few, place.curl_parallel())
        peers = (("batchllm", place.batchllm), ("saturate", place.saturate))
        for name, peer in peers:
            program = find(name) if name == "batchllm" else find_python(name)
            if program:
                _against(rows, f"{name}, {FEW:,} rows", few, peer(program), 2)
            else:
                rows.skip(f"ocx batch -j {AT_ONCE} / {name}", HOW)
        for jobs in (AT_ONCE, 512):
            _cpu(rows, place, jobs)
        more = (ours.peak - few.peak) / MIB
        what = f"ocx batch: memory of {ROWS:,} rows above {FEW:,}"
        rows.add(what, more, f"{ours.peak / MIB:.0f} MiB", unit=" MiB", most=8)


def _cpu(rows: Rows, place: Place, jobs: int) -> None:
    """CPU of the whole run against the script, the median of three rounds in turn."""
    rounds = [(place.batch(ROWS, jobs), place.aiohttp(ROWS, jobs)) for _ in range(ROUNDS)]
    ratio = sorted(mine.cpu / theirs.cpu for mine, theirs in rounds)[ROUNDS // 2]
    mine, theirs = rounds[-1]
    detail = f"{1e3 * mine.cpu / ROWS:.2f}/{1e3 * theirs.cpu / ROWS:.2f} ms a row, {place.server}"
    rows.add(f"ocx batch -j {jobs}, CPU / aiohttp script", ratio, detail, most=1.6)


def _slow(rows: Rows) -> None:
    """Wall of long answers against the script, which starts all of them at once."""
    cases = ((8000, 64, 64, 1.15), (2000, 5000, 1000, 1.3))
    for milliseconds, count, jobs, most in cases:
        what = f"ocx batch -j {jobs}, {count:,} rows of {milliseconds // 1000} s, wall / aiohttp"
        if shutil.which("node") is None:
            rows.skip(what, "no node")
            continue
        with _slow_place(milliseconds) as place:
            mine, theirs = place.batch(count, jobs), place.aiohttp(count, jobs)
            detail = f"{mine.wall:.1f}/{theirs.wall:.1f} s, {mine.peak / MIB:.0f} MiB"
            rows.add(what, mine.wall / theirs.wall, detail, most=most)
    _memory(rows)


def _memory(rows: Rows) -> None:
    """Of 4,000 answers at once, and of a million ids that are known to be there once."""
    if shutil.which("node") is not None:
        with _slow_place(2000) as place:
            peak = place.batch(8_000, 4_000).peak / MIB
            rows.add("ocx batch -j 4000: memory", peak, unit=" MiB", most=150)
    with _folder_on("http://127.0.0.1:9/v1", "none") as place:
        few, many = place.estimate(10), place.estimate(1_000_000)
        name = "ocx batch: memory of 1,000,000 ids above 10"
        rows.add(name, (many.peak - few.peak) / MIB, unit=" MiB", most=256)


def _against(
    rows: Rows,
    name: str,
    ours: Got,
    theirs: Got,
    least: float | None = None,
    ratio: float | None = None,
) -> None:
    ratio = ratio or ours.rate / theirs.rate
    detail = f"{ours.rate:,.0f}/{theirs.rate:,.0f} /s, CPU {ours.cpu:.1f}/{theirs.cpu:.1f} s"
    rows.add(f"ocx batch -j {AT_ONCE} / {name}", ratio, detail, least=least)


def _row(number: int) -> dict[str, object]:
    body = {"model": "m", "messages": [{"role": "user", "content": _prompt(number)}]}
    return {"custom_id": f"r{number}", "url": "/v1/chat/completions", "body": body}


def _prompt(number: int) -> str:
    return f"A question of about one line, number {number}; what do you say?"


@contextmanager
def _slow_place(milliseconds: int) -> Iterator[Place]:
    command = ["node", "--input-type=module", "-e", SLOW, str(milliseconds)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        with _folder_on(url, "node") as place:
            yield place
    finally:
        server.communicate()


@contextmanager
def _folder_on(url: str, server: str) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        env = environment(folder, url, OPENAI_API_KEY=KEY)
        yield Place(Path(folder), env, server)


if __name__ == "__main__":
    measure(Rows())

"""The serve row: 200 streams at once against the real server, and the ledger's transactions."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ocx.serve.ledger import Key, Ledger
from ocx.serve.openai_format import Usage
from ocx.serve.store import Store
from tests.bench.load import Request
from tests.support.serving import OCX, run, serving

STREAMS, TOKENS, ROUNDS, TRANSACTIONS = 200, 100, 3, 2_000


@dataclass(frozen=True)
class Serving:
    """Events a second over all streams; transaction times in milliseconds; the ledger's check."""

    events: float
    median: float
    p99: float
    exact: bool


def measure() -> Serving:
    """Run the server in a process of its own, in an empty home."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "XDG_STATE_HOME": folder, "XDG_CONFIG_HOME": folder}
        key = run(env, "serve", "keys", "add", "bench").strip()
        run(env, "serve", "grant", "5000")
        with serving(env) as (_, port):
            rates = [asyncio.run(_streams(port, key)) for _ in range(ROUNDS)]
        command = [*OCX, "serve", "check"]
        checked = subprocess.run(command, env=env, check=False, capture_output=True)
        times = sorted(_transactions(Path(folder) / "bench.sqlite3"))
    return Serving(
        statistics.median(rates),
        statistics.median(times),
        times[int(len(times) * 0.99)],
        checked.returncode == 0,
    )


async def _streams(port: int, key: str) -> float:
    body = {
        "model": f"lorem:{TOKENS}",
        "stream": True,
        "messages": [{"role": "user", "content": "x"}],
    }
    headers = {"Connection": "close", "Authorization": f"Bearer {key}"}
    url = f"http://localhost:{port}/api/v1/chat/completions"
    request = Request.post(url, json.dumps(body).encode(), headers).data
    start = time.perf_counter()
    counts = await asyncio.gather(*(_stream(port, request) for _ in range(STREAMS)))
    return sum(counts) / (time.perf_counter() - start)


async def _stream(port: int, request: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    events = (await reader.read(-1)).count(b"data: ")
    writer.close()
    return events


def _transactions(path: Path) -> list[float]:
    store = Store.open(path)
    ledger = Ledger(store)
    account = ledger.account(grant=10**12)
    key = Key(None, account.id, "", "")
    times = []
    for _ in range(TRANSACTIONS):
        start = time.perf_counter()
        charge = ledger.reserve(key, "m", 100)
        held = time.perf_counter()
        ledger.settle(charge, 10, Usage(1, 1), "counted", "finished")
        times += [held - start, time.perf_counter() - held]
    store.close()
    return [seconds * 1000 for seconds in times]

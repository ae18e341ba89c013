"""The serve row: 200 streams at once against the real server, and the ledger's transactions."""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ocx.serve.ledger import Bill, Key, Ledger
from ocx.serve.store import Store

STREAMS, TOKENS, ROUNDS, TRANSACTIONS = 200, 100, 3, 2_000
OCX = (sys.executable, "-m", "ocx", "serve")


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
        key = _run(env, "keys", "add", "bench").strip()
        _run(env, "grant", "5000")
        with open(Path(folder) / "log", "wb") as log:  # noqa: PTH123 - a file for the child
            server = subprocess.Popen([*OCX, "--port", "0"], env=env, stdout=subprocess.PIPE)
            assert server.stdout is not None
            listening = json.loads(server.stdout.readline())["listening"]
            drain = subprocess.Popen(["cat"], stdin=server.stdout, stdout=log)
            port = int(re.search(r":(\d+)/", listening)[1])  # type: ignore[index]
            rates = [asyncio.run(_streams(port, key)) for _ in range(ROUNDS)]
            server.terminate()
            server.wait()
            server.stdout.close()
            drain.wait()
        checked = subprocess.run([*OCX, "check"], env=env, check=False, capture_output=True)
        times = sorted(_transactions(Path(folder) / "bench.sqlite3"))
    return Serving(
        statistics.median(rates),
        statistics.median(times),
        times[int(len(times) * 0.99)],
        checked.returncode == 0,
    )


def _run(env: dict[str, str], *args: str) -> str:
    done = subprocess.run([*OCX, *args], env=env, capture_output=True, text=True, check=True)
    return done.stdout


async def _streams(port: int, key: str) -> float:
    body = {
        "model": f"lorem:{TOKENS}",
        "stream": True,
        "messages": [{"role": "user", "content": "x"}],
    }
    request = _request(json.dumps(body).encode(), key)
    start = time.perf_counter()
    counts = await asyncio.gather(*(_stream(port, request) for _ in range(STREAMS)))
    return sum(counts) / (time.perf_counter() - start)


def _request(body: bytes, key: str) -> bytes:
    head = (
        "POST /api/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


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
        ledger.settle(charge, Bill(10, 1, 1, "counted", "finished"))
        times += [held - start, time.perf_counter() - held]
    store.close()
    return [seconds * 1000 for seconds in times]

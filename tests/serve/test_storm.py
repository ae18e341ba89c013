"""Streams, cuts, signals and kill -9 by the hundred: afterwards the ledger is exact.

At a twentieth of its size here, in full with --full.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ocx.serve.charge import problems, totals
from ocx.serve.ledger import Ledger
from ocx.serve.store import Store
from tests.serve.conftest import request
from tests.support.program import Ocx, Process
from tests.support.sizes import size

STREAMS = 200
RACING = 5000
RUNNERS = 64


def start(ocx: Ocx, key: str) -> tuple[Process, str, dict[str, str]]:
    process = ocx.spawn("serve", "--port", "0")
    line = process.stdout.until(b"\n").partition(b"\n")[0]
    return process, json.loads(line)["listening"], {"authorization": f"Bearer {key}"}


@pytest.fixture
def key(ocx: Ocx) -> str:
    ocx("serve", "grant", "1000000").has(0)
    return ocx("serve", "keys", "add", "storm").has(0).text.strip()


def connected(url: str, headers: dict[str, str]) -> httpx.AsyncClient:
    """A client of as many connections as it likes."""
    limits = httpx.Limits(max_connections=None)
    given: Any = {"limits": limits, "timeout": 300, "trust_env": False}
    return httpx.AsyncClient(base_url=url, headers=headers, **given)


class Reader:
    """Reads one stream, up to `most` tokens; notes what it saw."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.tokens = 0
        self.done = False
        self.failed = False

    async def run(
        self, client: httpx.AsyncClient, body: dict[str, Any], begun: Callable[[], None]
    ) -> None:
        with contextlib.suppress(httpx.HTTPError):
            async with client.stream("POST", "/chat/completions", json=body) as reply:
                begun()
                if self.most != 0:
                    await self._read(reply)

    async def _read(self, reply: httpx.Response) -> None:
        async for line in reply.aiter_lines():
            self.tokens += '"content":' in line
            self.done = self.done or line == "data: [DONE]"
            self.failed = self.failed or line.startswith('data: {"error"')
            if self.tokens == self.most:
                return


async def read_all(
    url: str, headers: dict[str, str], readers: list[Reader], body: Any, act: Callable[[], None]
) -> None:
    """Run every reader at once; `act` when all have begun and none can have ended."""
    left = len(readers)

    def begun() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            act()

    async with connected(url, headers) as client:
        await asyncio.gather(*(reader.run(client, body, begun) for reader in readers))


def sound(ocx: Ocx, charges: int) -> dict[str, int]:
    """Check by the program and by its parts; the outcomes."""
    run = ocx("serve", "check", "--json").has(0)
    assert run.json["findings"] == []
    assert run.json["held"] == 0
    assert sum(run.json["charges"].values()) == charges
    assert run.json["charges"].get("held", 0) == 0
    outcomes: dict[str, int] = run.json["outcomes"]
    assert sum(outcomes.values()) == charges
    return outcomes


@pytest.mark.slow
def test_cuts_sigterm_and_kill(ocx: Ocx, key: str) -> None:
    count = size(STREAMS, 8)
    chance = random.Random(7)

    # Half of the clients leave after a random number of tokens.
    process, url, headers = start(ocx, key)
    readers = [Reader(chance.randrange(60) if at % 2 else None) for at in range(count)]
    body = request("x", "lorem:60,tps=200", stream=True)
    asyncio.run(read_all(url, headers, readers, body, lambda: None))
    assert all(reader.done and reader.tokens == 60 for reader in readers if reader.most is None)
    assert not any(reader.done for reader in readers if reader.most is not None)
    process.signal(signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM
    outcomes = sound(ocx, count)
    assert outcomes["finished"] >= sum(reader.most is None for reader in readers)

    # SIGTERM in the middle: an error event, and no [DONE] that was not earned.
    process, url, headers = start(ocx, key)
    readers = [Reader(None) for _ in range(count)]
    body = request("x", "lorem:100000,tps=50", stream=True, max_tokens=100_000)
    asyncio.run(read_all(url, headers, readers, body, lambda: process.signal(signal.SIGTERM)))
    assert process.wait() == -signal.SIGTERM
    assert not any(reader.done for reader in readers)
    assert all(reader.failed for reader in readers)
    assert sound(ocx, 2 * count)["shutdown"] == count

    # kill -9 in the middle: what was held is released by whoever opens the ledger next.
    process, url, headers = start(ocx, key)
    readers = [Reader(None) for _ in range(count)]
    asyncio.run(read_all(url, headers, readers, body, process.kill))
    assert not any(reader.done for reader in readers)
    process, url, headers = start(ocx, key)
    assert httpx.get(f"{url}/balance", headers=headers, trust_env=False).status_code == 200
    assert sound(ocx, 3 * count)["crashed"] == count
    process.signal(signal.SIGTERM)
    process.wait()


@pytest.mark.slow
def test_racing_requests_never_overdraw(ocx: Ocx) -> None:
    """Each reserves 0.0034 credits of the 0.05; they end in 402, and the sum is exact.

    Every other one is Chinese: a token is a character of the answer.
    """
    count = size(RACING, 120)
    ocx("serve", "grant", "0.05").has(0)
    process, url, headers = start(ocx, ocx("serve", "keys", "add", "race").has(0).text.strip())
    costs = {"race": 8 * 40 + 160, "快跑吧": (3 + 7) * 40 + 3 * 160}
    bodies = {text: request(text, "gpt-4o", max_tokens=20) for text in costs}

    left = iter(list(costs) * (count // 2))

    async def ask(client: httpx.AsyncClient, text: str) -> tuple[int, int]:
        reply = await client.post("/chat/completions", json=bodies[text])
        return reply.status_code, costs[text] if reply.status_code == 200 else 0

    async def runner(client: httpx.AsyncClient) -> list[tuple[int, int]]:
        # Not 5,000 tasks on one pool: its queue is searched again for every reply.
        return [await ask(client, text) for text in left]

    async def race() -> list[tuple[int, int]]:
        async with connected(url, headers) as client:
            found = await asyncio.gather(*(runner(client) for _ in range(RUNNERS)))
        return [each for some in found for each in some]

    replies = asyncio.run(race())
    statuses = [status for status, _ in replies]
    process.signal(signal.SIGTERM)
    process.wait()
    assert set(statuses) == {200, 402}
    with contextlib.closing(Store.open(ocx.state / "serve.sqlite3")) as store:
        account = Ledger(store).account()
        assert problems(store.db) == []
        assert totals(store.db)["charges"] == {"settled": statuses.count(200)}
        assert account.used == sum(cost for _, cost in replies)
        assert account.balance >= 0

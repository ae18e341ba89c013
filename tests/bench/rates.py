"""`python -m tests.bench.rates`: does `ocx batch` find the speed of a server by itself?

Five minutes. A server that allows 300 requests a minute, told and not told in headers: how much of
it is used after the first minute, and how many answers are 429. Then one without a limit that
takes a while for each answer: rows a second against the best of several fixed numbers of threads.
And 48 calls of `ocx chat` by `xargs -P 16` against four a second and `Retry-After: 1`: how many 429
it took until all were answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.batch import KEY, POOL

RPM, SECONDS = 300, 240
FIXED = (4, 8, 16, 32, 64)
ROWS = 4_000

_MESSAGE = {"role": "assistant", "content": "yes"}
_ANSWER = json.dumps({"choices": [{"message": _MESSAGE, "finish_reason": "stop"}]}).encode()
_REFUSAL = b'{"error": {"message": "slow down", "type": "rate_limit"}}'


@dataclass
class Server:
    """Attributes:
    rpm: a bucket that holds `burst` and fills at this rate; None is no limit.
    latency: seconds of an answer.
    log: when each answer was sent, and its status.
    """

    rpm: int | None = None
    burst: int = 10
    headers: bool = False
    retry_after: bool = False
    latency: float = 0.05
    log: list[tuple[float, int]] = field(default_factory=list)
    _tokens: float = 0.0
    _filled: float = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(await self._answer())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self) -> bytes:
        if not self._take():
            self.log.append((time.monotonic(), 429))
            return _response(429, _REFUSAL, self._told())
        await asyncio.sleep(self.latency)
        self.log.append((time.monotonic(), 200))
        return _response(200, _ANSWER, self._told())

    def _take(self) -> bool:
        if self.rpm is None:
            return True
        now = time.monotonic()
        if not self._filled:
            self._tokens, self._filled = self.burst, now
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rpm / 60)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _told(self) -> list[str]:
        lines = []
        if self.rpm and self.headers:
            missing = (self.burst - self._tokens) * 60 / self.rpm
            lines += [
                f"x-ratelimit-limit-requests: {self.burst}",
                f"x-ratelimit-remaining-requests: {int(self._tokens)}",
                f"x-ratelimit-reset-requests: {missing:.3f}s",
            ]
        if self.rpm and self.retry_after and self._tokens < 1:
            lines.append("retry-after: 1")
        return lines


def _response(status: int, body: bytes, more: list[str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "content-type: application/json", *more]
    head = "\r\n".join([*lines, f"content-length: {len(body)}"])
    return head.encode() + b"\r\n\r\n" + body


@contextmanager
def running(server: Server) -> Iterator[str]:
    """The server in a thread; its base URL."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    made = asyncio.start_server(server.serve, "127.0.0.1", 0)
    listener = asyncio.run_coroutine_threadsafe(made, loop).result()
    yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    loop.call_soon_threadsafe(loop.stop)


def _env(folder: str, url: str) -> dict[str, str]:
    env = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8"}
    return {**env, "OCX_BASE_URL": url, "OCX_API_KEY": KEY}


def _rows(folder: str, count: int) -> str:
    path = Path(folder) / "in.jsonl"
    body = {"model": "m", "messages": [{"role": "user", "content": "a question"}]}
    lines = (json.dumps({"custom_id": f"r{n}", "body": body}) + "\n" for n in range(count))
    path.write_text("".join(lines))
    return str(path)


def limited(name: str, server: Server) -> None:
    """Share of the limit that is used after the first minute, and the share of 429."""
    with tempfile.TemporaryDirectory() as folder, running(server) as url:
        given = _rows(folder, RPM * SECONDS)
        args = [sys.executable, "-m", "ocx", "batch", given, "-o", f"{folder}/out", "-j", "32"]
        began = time.monotonic()
        child = subprocess.Popen([*args, "-q"], env=_env(folder, url))
        time.sleep(SECONDS)
        child.terminate()
        child.wait()
    later = [status for at, status in server.log if at > began + 60]
    good = later.count(200)
    used = good / (RPM * (SECONDS - 60) / 60)
    refused = (len(later) - good) / len(later)
    print(f"{RPM}/min, {name:<28} used {used:6.1%}   429 {refused:6.2%}", flush=True)


def calls() -> None:
    """One-shot calls that are told the same wait: all answered, and how many 429 it took."""
    server = Server(240, burst=4, retry_after=True)
    with tempfile.TemporaryDirectory() as folder, running(server) as url:
        call = [sys.executable, "-m", "ocx", "chat", "-I", "--no-stream", "--retries", "8"]
        began = time.monotonic()
        done = subprocess.run(
            ["xargs", "-P", "16", "-n", "1", *call],
            input="\n".join(map(str, range(48))),
            env=_env(folder, url),
            capture_output=True,
            text=True,
            check=False,
        )
    answered = done.stdout.count("yes")
    refused = sum(status == 429 for _, status in server.log)
    took = time.monotonic() - began
    print(
        f"48 calls, 16 at once, 4/s   answered {answered}   429 {refused}   {took:.0f} s",
        flush=True,
    )


def free(name: str, latency: float) -> None:
    """Rows a second of the run itself, against pools of fixed size."""
    with tempfile.TemporaryDirectory() as folder:
        given = _rows(folder, ROWS)
        out = f"{folder}/out"
        args = [sys.executable, "-m", "ocx", "batch", given, "-o", out, "-j", "64", "-q"]
        ours = _rate(Server(latency=latency), folder, args)
        pools = {}
        for size in FIXED:
            code = POOL.replace("range(32)", f"range({size})")
            pool = [sys.executable, "-c", code, given, f"{folder}/pool"]
            pools[size] = _rate(Server(latency=latency), folder, pool)
    best = max(pools, key=lambda size: pools[size])
    print(
        f"{name:<40} ocx {ours:5.0f}/s   best of {FIXED}: {pools[best]:5.0f}/s with {best}"
        f"   {ours / pools[best]:.0%}",
        flush=True,
    )


def _rate(server: Server, folder: str, args: list[str]) -> float:
    with running(server) as url:
        began = time.monotonic()
        subprocess.run(args, env=_env(folder, url), check=True)
        return ROWS / (time.monotonic() - began)


def main() -> None:
    servers = {
        "no headers": Server(RPM),
        "Retry-After": Server(RPM, retry_after=True),
        "x-ratelimit headers": Server(RPM, headers=True),
        "no headers, burst of a minute": Server(RPM, burst=RPM),
    }
    together = [threading.Thread(target=limited, args=each) for each in servers.items()]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    calls()
    free("no limit, 50 ms an answer", latency=0.05)
    free("no limit, 5 ms an answer", latency=0.005)


if __name__ == "__main__":
    main()

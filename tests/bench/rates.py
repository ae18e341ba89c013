"""`python -m tests.bench.rates`: does `ocx batch` find the speed of a server by itself?

Four minutes. A server that allows 300 requests a minute, told and not told in headers: how much of
it is used after the first minute, and how many answers are 429.
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

from tests.bench.batch import KEY

RPM, SECONDS = 300, 240

_MESSAGE = {"role": "assistant", "content": "yes"}
_ANSWER = json.dumps({"choices": [{"message": _MESSAGE, "finish_reason": "stop"}]}).encode()
_REFUSAL = b'{"error": {"message": "slow down", "type": "rate_limit"}}'


@dataclass
class Server:
    """Attributes:
    rpm: a bucket that holds `burst` fills at this rate.
    log: when each answer was sent, and its status.
    """

    rpm: int
    burst: int = 10
    headers: bool = False
    retry_after: bool = False
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
        await asyncio.sleep(0.05)
        self.log.append((time.monotonic(), 200))
        return _response(200, _ANSWER, self._told())

    def _take(self) -> bool:
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
        if self.headers:
            missing = (self.burst - self._tokens) * 60 / self.rpm
            lines += [
                f"x-ratelimit-limit-requests: {self.burst}",
                f"x-ratelimit-remaining-requests: {int(self._tokens)}",
                f"x-ratelimit-reset-requests: {missing:.3f}s",
            ]
        if self.retry_after and self._tokens < 1:
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


def limited(name: str, server: Server) -> None:
    """Share of the limit that is used after the first minute, and the share of 429."""
    with tempfile.TemporaryDirectory() as folder, running(server) as url:
        env = {"PATH": os.environ["PATH"], "HOME": folder, "OCX_BASE_URL": url, "OCX_API_KEY": KEY}
        rows = Path(folder) / "in.txt"
        rows.write_text("a question\n" * (RPM * SECONDS // 10))
        words = ["batch", str(rows), "-o", f"{folder}/out", "-j", "32", "-m", "m", "-q"]
        began = time.monotonic()
        child = subprocess.Popen([sys.executable, "-m", "ocx", *words, "--text"], env=env)
        time.sleep(SECONDS)
        child.terminate()
        child.wait()
    later = [status for at, status in server.log if at > began + 60]
    good = later.count(200)
    used = good / (RPM * (SECONDS - 60) / 60)
    refused = (len(later) - good) / len(later)
    print(f"{RPM}/min, {name:<28} used {used:6.1%}   429 {refused:6.2%}", flush=True)


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


if __name__ == "__main__":
    main()

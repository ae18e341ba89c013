"""Requests over kept connections, as many a second as a server takes; the same for each server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it is sent, and where to."""

    port: int
    data: bytes

    @classmethod
    def post(cls, url: str, body: bytes, headers: dict[str, str]) -> Request:
        parts = urlsplit(url)
        lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
        return cls(parts.port or 80, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)


@dataclass
class Load:
    """Sends `request` `count` times and keeps the seconds of each answer.

    Raises:
        RuntimeError: an answer is no 200.
    """

    request: Request
    count: int
    times: list[float] = field(default_factory=list)
    left: int = 0

    def run(self, at_once: int) -> float:
        """Answers a second."""
        began = time.perf_counter()
        asyncio.run(self._run(at_once))
        return self.count / (time.perf_counter() - began)

    async def _run(self, at_once: int) -> None:
        self.left = self.count
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.request.port)
            for _ in range(at_once)
        ]
        await asyncio.gather(*(connection.done for _, connection in made))
        for transport, _ in made:
            transport.close()


class _Connection(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self._load = load
        self._data = b""
        self._began = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if self._load.left == 0:
            self.done.set_result(None)
            return
        self._load.left -= 1
        self._began = time.perf_counter()
        self._transport.write(self._load.request.data)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not _is_whole(self._data):
            return
        self._load.times.append(time.perf_counter() - self._began)
        if not self._data.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self._data[:500].decode("utf-8", "replace")))
            return
        self._data = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or RuntimeError("the server closed the connection"))


def _is_whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    if found:
        return len(body) >= int(rest.partition(b"\r\n")[0])
    return body.endswith(b"0\r\n\r\n")

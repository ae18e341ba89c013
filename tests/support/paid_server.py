"""A server that counts what each row would be charged for, and holds the answers a test chooses.

A request is paid as soon as it has been read whole: the dearest that a gateway could be. One
thread serves all connections, so that hundreds of answers can be held at once.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from tests.support import answers
from tests.support.waiting import DEADLINE, Board

Part = Literal["before the head", "in the body"]

QUIET = 1.0
"""Seconds without a new request after which no more are expected: the program is at its speed."""


class PaidServer:
    """Attributes:
    paid: how often each id was asked for; the prompt of a row ends in its id.
    peak: the most connections at once: each carries one row, which is in flight until the program
        has read its answer, whenever that was sent.
    """

    def __init__(self, padding: int = 0) -> None:
        self.paid: Counter[str] = Counter()
        self.peak = 0
        self.held = 0
        self._padding = "x" * padding
        self._board = Board()
        self._free = 0
        self._hold = 0
        self._part: Part = "before the head"
        self._others = True
        self._open = 0
        self._go = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._board.wait_for(lambda: hasattr(self, "_server"), "the server")
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/api/v1"

    def hold(self, free: int, count: int, part: Part, *, others: bool = True) -> None:
        """Answer `free` requests, then hold `count` of them at `part`, and answer what comes then.

        Args:
            others: False answers every second request, whatever is held.
        """
        self._free, self._hold, self._part, self._others = free, count, part, others

    def wait_until_held(self) -> None:
        """Until as many are held as there shall be, or no more come; later ones are answered."""
        self._board.wait_for(lambda: self.held, "a held request")
        while (have := self.held) < self._hold:
            try:
                self._board.wait_for(lambda have=have: self.held > have, "another", QUIET)
            except AssertionError:
                break
        self._hold = self.held

    def release(self) -> None:
        """Answer all that is held, and hold nothing more; until it is sent, or nobody is there."""

        def go() -> None:
            self._hold = 0
            self._go.set()

        self._loop.call_soon_threadsafe(go)
        self._board.wait_for(lambda: not self.held, "what is held to be sent")

    def wait_until_alone(self) -> None:
        """Until every connection is closed, so that all that was sent has been counted."""
        self._board.wait_for(lambda: not self._open, f"{self._open} connections to close")

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)

    def _run(self) -> None:
        async def start() -> None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
            self._board.note(lambda: setattr(self, "_server", server))

        self._loop.run_until_complete(start())
        self._loop.run_forever()
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._board.note(lambda: setattr(self, "_open", self._open + 1))
        self.peak = max(self.peak, self._open)
        try:
            while (body := await _read(reader)) is not None:
                if body:
                    await self._answer(body, writer)
                else:
                    writer.write(answers.answer(answers.models("deepseek-chat")))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the program is gone, or the test is over
        finally:
            writer.close()
            self._board.note(lambda: setattr(self, "_open", self._open - 1))

    async def _answer(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        row = str(json.loads(body)["messages"][-1]["content"]).split()[-1]
        number = self.paid.total()
        self.paid[row] += 1
        data = answers.answer(answers.completion(f"{row} {self._padding}"))
        holds = number >= self._free and self.held < self._hold and not self._go.is_set()
        if holds and (self._others or number % 2):
            await self._hold_back(data, writer)
        else:
            writer.write(data)
            await writer.drain()

    async def _hold_back(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        sent = len(data) // 2 if self._part == "in the body" else 0
        with self._counted():
            writer.write(data[:sent])
            await self._go.wait()
            writer.write(data[sent:])
            await writer.drain()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._board.note(lambda: setattr(self, "held", self.held + 1))
        try:
            yield
        finally:
            self._board.note(lambda: setattr(self, "held", self.held - 1))


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    """The body of the next request; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lengths: list[Any] = [
        line.partition(b":")[2]
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    return await reader.readexactly(int(lengths[0])) if lengths else b""

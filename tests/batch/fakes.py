"""A server in this process: answers rows without a network, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

from ocx.batch.batch_row import read_row
from ocx.batch.batch_run import BatchRun
from ocx.batch.control import RunLimits
from ocx.batch.finished_rows import FinishedRow
from ocx.batch.input import Plan
from ocx.batch.output_files import Adoption, BatchFile, MergedFile
from ocx.batch.row import BadRow, Outcome, Row, RowAnswer, RowFailure
from ocx.batch.row_formats import BatchRows, RowFormat
from ocx.batch.row_output import ReorderBuffer
from ocx.batch.row_sender import RowSender
from ocx.errors import RejectedError, ServerError

URL = "https://host.test/v1"
BAD = RowFailure(RejectedError("no such model", status=404), body={"error": {"message": "no"}})
DOWN = RowFailure(ServerError("HTTP 503", status=503))


def reply_to(row: Row) -> RowAnswer:
    """The last word of the prompt, and what it took."""
    text = str(row.body["messages"][-1]["content"]).upper()
    body = {
        "choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    return RowAnswer(text, body, request_id="req-1", credits=Decimal("0.5"))


class Server:
    """Answers rows, or fails as it is told.

    Attributes:
        asked: how often each row was sent.
        finished: how often each row was answered well.
    """

    def __init__(self, answer: Callable[[Row], Outcome] = reply_to) -> None:
        self.answer = answer
        self.alive = True
        self.asked: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.connections = 0
        self.lock = threading.Lock()

    def connect(self) -> Wire:
        with self.lock:
            self.connections += 1
        return Wire(self)


class Wire:
    """Answers in threads, since the tests' answers may wait for something."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._threads = ThreadPoolExecutor(64)
        self.closed = threading.Event()

    async def send(self, row: Row) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._sent, row)

    def _sent(self, row: Row) -> Outcome:
        with self._server.lock:
            self._server.asked[row.id] += 1
        outcome = self._server.answer(row)
        if isinstance(outcome, RowAnswer):
            with self._server.lock:
                self._server.finished[row.id] += 1
        return outcome

    async def probe(self) -> bool:
        return self._server.alive

    async def balance(self) -> Decimal:
        return Decimal(1000)

    async def model_ids(self) -> list[str]:
        return ["m"]

    async def aclose(self) -> None:
        self.closed.set()
        self._threads.shutdown(wait=False)


class Waiting:
    """A connection that a test can wait for."""

    def __init__(self, *args: Any) -> None:
        self._runner = asyncio.Runner()
        self._sender = RowSender(*args)

    def send(self, row: Row) -> Outcome:
        return self._runner.run(self._sender.send(row))

    def probe(self) -> bool:
        return self._runner.run(self._sender.probe())

    def balance(self) -> Decimal:
        return self._runner.run(self._sender.balance())

    def close(self) -> None:
        self._runner.run(self._sender.aclose())
        self._runner.close()


def row(number: int, text: str = "hello", **more: Any) -> Row:
    body = {"model": "m", "messages": [{"role": "user", "content": f"{text} {number}"}]}
    return Row(f"r{number}", number + 1, body, source={"id": f"r{number}", "text": text}, **more)


def rows(count: int) -> Iterator[Row | BadRow]:
    return (row(number) for number in range(count))


def opened(
    path: Path,
    form: RowFormat,
    *,
    ordered: bool = False,
    resume: bool = False,
    dedup: bool = False,
    adoption: Adoption | None = None,
) -> BatchFile:
    buffer: ReorderBuffer | None = ReorderBuffer(64) if ordered else None
    if form.tells_ids:
        return BatchFile(form, buffer, dedup, path=path, resume=resume)
    return MergedFile(form, buffer, dedup, path=path, resume=resume, adoption=adoption)


def run_to(
    path: Path,
    server: Server,
    given: Iterator[Row | BadRow],
    *,
    resume: bool = False,
    ordered: bool = False,
    form: RowFormat | None = None,
    adoption: Adoption | None = None,
    **job: Any,
) -> BatchRun:
    """A whole run with an output file."""
    limits = job.pop("settings", RunLimits(8))
    dedup, plan = job.pop("dedup", False), Plan(total=job.pop("total", None))
    output = opened(
        path, form or BatchRows(), ordered=ordered, resume=resume, dedup=dedup, adoption=adoption
    )
    with closing(output):
        batch = BatchRun(given, server.connect(), URL, limits, output, plan=plan, **job)
        batch.run()
        return batch


def written(path: Path) -> list[FinishedRow]:
    return [read_row(line) for line in path.read_bytes().splitlines()]


def ids(path: Path) -> list[str]:
    return [row.id for row in written(path)]

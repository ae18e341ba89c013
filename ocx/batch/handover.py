"""Between the caller's thread and the thread of the event loop: rows one way, results the other.

The caller may have an event loop of its own (Jupyter), and its rows may belong to its thread.
"""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress

from ocx.batch.batch_run import BatchRun
from ocx.batch.input import Rows
from ocx.batch.result import Result
from ocx.batch.row import BadRow, Row

_FAREWELL = 5.0
_FEWEST = 64


class Handover:
    """An iterator over rows for the engine, which never waits; filled by the caller's thread."""

    def __init__(self, rows: Rows, ahead: int) -> None:
        self._rows = rows
        self._ahead = max(_FEWEST, ahead)
        self._ready: deque[Row | BadRow] = deque()
        self._exhausted = False
        self._hungry = False
        self._over = False
        # A list of results, an error that ended the run, or None: rows are wanted, or it is over.
        self._news: queue.SimpleQueue[Sequence[Result] | BaseException | None] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[Row | BadRow | None]:
        return self

    def __next__(self) -> Row | BadRow | None:
        if self._ready:
            return self._ready.popleft()
        if self._exhausted:
            raise StopIteration
        if not self._hungry:
            self._hungry = True
            self._news.put(None)
        return None

    def results(self, run: BatchRun, loop: asyncio.AbstractEventLoop) -> Iterator[Result]:
        """Run on a loop of another thread, and yield what comes; leaving ends what is in flight.

        A result that the caller has not taken yet holds the place of a request: what it could
        lose by being killed is never more than the requests at once.
        """

        def take(results: Sequence[Result]) -> None:
            run.engine.delivered += len(results)
            self._news.put(results)

        async def work() -> None:
            try:
                await run.on_loop(take)
            except BaseException as error:  # handed to the caller
                self._news.put(error)
            finally:
                self._over = True
                self._news.put(None)

        self._fill()
        running = asyncio.run_coroutine_threadsafe(work(), loop)
        try:
            while True:
                news = self._news.get()
                if isinstance(news, BaseException):
                    raise news
                if news is None and self._over and self._news.empty():
                    return
                for result in news or ():
                    yield result
                    run.engine.let_go()
                self._fill()
                if self._hungry:
                    self._hungry = False
                    run.engine.wake()
        finally:
            run.engine.cut()
            with suppress(TimeoutError):
                running.result(_FAREWELL)

    def _fill(self) -> None:
        while not self._exhausted and len(self._ready) < self._ahead:
            try:
                self._ready.append(next(self._rows))
            except StopIteration:
                self._exhausted = True

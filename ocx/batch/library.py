"""`ocx.batch.Pool` and `ocx.batch.run`: batches in another Python program."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import ExitStack, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ocx.api.types import Endpoint
from ocx.batch.batch_run import BatchRun
from ocx.batch.control import RunLimits
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.input import Rows, build_rows
from ocx.batch.records import Record
from ocx.batch.request_builder import RequestBuilder
from ocx.batch.row import BadRow, Result, Row
from ocx.batch.row_output import ReorderBuffer, RowOutput
from ocx.batch.row_sender import RowSender
from ocx.context import Context
from ocx.errors import OcxError
from ocx.keys.client import open_endpoint
from ocx.terminal import Terminal

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

Given = str | Mapping[str, Any]

_FAREWELL = 5.0
_FEWEST = 64


class Pool:
    """Connections to one server that are kept from one block of rows to the next.

    A context manager. The speed that it has found and the budget are kept, too: for an actor of
    Ray or a partition of Spark. Its event loop runs in a thread of its own, so that it works
    where one is running (Jupyter); one block at a time. A process that is forked or spawned makes
    a pool of its own.

    Args:
        endpoint: where to send; its `retries` do not count, those given here do. None takes
            the endpoint, key and model of the command line: environment, config and profile.
        options: other fields of the API, for rows that do not set them.
        schema: what answers must satisfy; `result.text` is the JSON then.
        workers: requests at once, at most.

    Raises:
        UsageError, ConfigError, AuthError: no `endpoint` was given, and none can be found.
    """

    def __init__(
        self,
        endpoint: Endpoint | None = None,
        *,
        model: str | None = None,
        system: str | None = None,
        options: Mapping[str, Any] | None = None,
        schema: Schema | None = None,
        workers: int = 32,
        retries: int = 2,
        max_credits: Decimal | None = None,
        min_balance: Decimal | None = None,
    ) -> None:
        self._stack = ExitStack()
        if endpoint is None:
            context = Context(Terminal.from_process())
            settings = context.settings()
            endpoint = self._stack.enter_context(open_endpoint(context, settings))
            model = model or settings.model
        self._endpoint = endpoint
        defaults: dict[str, Any] = {**({"model": model} if model else {}), **(options or {})}
        if schema is not None:
            defaults.setdefault("response_format", schema.response_format())
        self._builder = RequestBuilder(defaults, system)
        self._limits = RunLimits(workers, retries, max_credits=max_credits, min_balance=min_balance)
        self._sender = RowSender(self._endpoint, schema=schema)
        self._before: Scheduler | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, rows: Iterable[Given], *, ordered: bool = False) -> Iterator[Result]:
        """Send every row and yield its result when it has ended.

        A failed row is a result too (`result.error`). Rows are pulled as they are needed, in the
        caller's thread; leaving the loop ends what is in flight.

        Args:
            rows: prompts, or mappings as the input of `ocx batch` has them.

        Raises:
            OcxError: what ended the run early: no credits, a refused key, an outage, the budget.
        """
        ahead = 2 * self._limits.workers
        records = (
            Record(number, {"prompt": row} if isinstance(row, str) else row, unchecked=True)
            for number, row in enumerate(rows, 1)
        )
        given = _Handover(build_rows(self._builder, records), ahead)
        batch = BatchRun(
            given,
            self._sender,
            self._endpoint.base_url,
            self._limits,
            RowOutput(buffer=ReorderBuffer() if ordered else None),
            before=self._before,
        )
        try:
            yield from given.results(batch, self._loop)
        finally:  # also where the loop is left early; one that still runs is nobody's yet
            self._before = batch.scheduler
        stop = batch.scheduler.stop
        if stop is not None:
            raise stop.error or OcxError(f"the run ended early: {stop.reason}")

    def close(self) -> None:
        """Close every connection."""
        if self._loop.is_closed():
            return
        closing = asyncio.run_coroutine_threadsafe(self._sender.aclose(), self._loop)
        with suppress(TimeoutError):
            closing.result(_FAREWELL)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_FAREWELL)
        if not self._thread.is_alive():
            self._loop.close()
        self._stack.close()


def run(rows: Iterable[Given], *args: Any, ordered: bool = False, **pool: Any) -> Iterator[Result]:
    """Send every row through a pool of its own; arguments are those of `Pool` and `Pool.run`."""
    with Pool(*args, **pool) as connections:
        yield from connections.run(rows, ordered=ordered)


class _Handover:
    """Between the caller's thread and that of the event loop: rows one way, results the other.

    An iterator over rows for the engine, which never waits; filled by the caller's thread. The
    caller may have an event loop of its own (Jupyter), and its rows may belong to its thread.
    """

    def __init__(self, rows: Rows, ahead: int) -> None:
        self._rows = rows
        self._ahead = max(_FEWEST, ahead)
        self._ready: deque[Row | BadRow | None] = deque()  # None at their end
        self._exhausted = False
        self._hungry = False
        # None: rows are wanted, or it is over.
        self._news: queue.SimpleQueue[Sequence[Result] | None] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[Row | BadRow | None]:
        return self

    def __next__(self) -> Row | BadRow | None:
        if not self._ready:
            if not self._hungry:
                self._hungry = True
                self._news.put(None)
            return None
        row = self._ready.popleft()
        if row is None:
            raise StopIteration
        return row

    def results(self, run: BatchRun, loop: asyncio.AbstractEventLoop) -> Iterator[Result]:
        """Run on a loop of another thread, and yield what comes; leaving ends what is in flight.

        A result that the caller has not taken yet holds the place of a request: what it could
        lose by being killed is never more than the requests at once.
        """

        def take(results: Sequence[Result]) -> None:
            run.engine.delivered += len(results)
            self._news.put(results)

        self._fill()
        run.take = take
        running = asyncio.run_coroutine_threadsafe(run.on_loop(), loop)
        running.add_done_callback(lambda _: self._news.put(None))
        try:
            while True:
                results = self._news.get()
                if results is None and running.done() and self._news.empty():
                    running.result()  # raises what ended the run
                    return
                for result in results or ():
                    yield result
                    run.engine.let_go()
                self._fill()
                if self._hungry:
                    self._hungry = False
                    run.engine.wake()
        finally:
            run.engine.cut()
            futures.wait([running], _FAREWELL)

    def _fill(self) -> None:
        while not self._exhausted and len(self._ready) < self._ahead:
            row = next(self._rows, None)
            self._exhausted = row is None
            self._ready.append(row)

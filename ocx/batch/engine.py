"""A run on one event loop: rows in, requests out, results handed over as they end.

What is sent when is the scheduler's business. A result is handed over in the same step as its
answer is read, so that nothing which is paid waits in memory for being written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import Enum
from typing import Protocol

from ocx.api.pool_connection import UnsentError
from ocx.batch.connection import Connection
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.control.settings import Action, Over, Probe, ReadBalance, Send, Stop, Task, Wait
from ocx.batch.finished_rows import id_key
from ocx.batch.result import Answer, Outcome, Result
from ocx.batch.row import BadRow, Row
from ocx.errors import OcxError

DRAIN = 10.0
_LOW = 32  # rows that are wanted before it is worth reading on


class Skipped(Enum):
    """In place of a row: there are more, but the network should be looked after first."""

    SKIPPED = 0


SKIPPED = Skipped.SKIPPED

Fed = Row | BadRow | Result | Skipped | None
"""None says that there is no row at the moment; a Result is passed on."""

Rows = Iterator[Fed]
Deliver = Callable[[Sequence[Result]], object]


class Journal(Protocol):
    """Who wants to know which requests are on their way."""

    def begin(self, key: int) -> None: ...
    def end(self, key: int) -> None: ...


class NoJournal:
    def begin(self, key: int) -> None:
        pass

    def end(self, key: int) -> None:
        pass


class Engine:
    """Args:
        deliver: takes the results; what it raises ends the run.
        task_of: a row with its hash.
        drain: seconds that requests in flight may take after `stop_soon`.

    Attributes:
        aborted: requests that were still running when the drain was over.
        delivered, taken: results that went to another thread, and that are safe there; what is
            between the two takes the place of requests. Each is counted by one thread.
    """

    def __init__(
        self,
        rows: Rows,
        connect: Callable[[], Connection],
        scheduler: Scheduler,
        task_of: Callable[[Row], Task],
        deliver: Deliver,
        *,
        journal: Journal | None = None,
        drain: float = DRAIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows = rows
        self._connect = connect
        self._task_of = task_of
        self._deliver = deliver
        self._journal = journal or NoJournal()
        self._drain = drain
        self._clock = clock
        self.scheduler = scheduler
        self.aborted = 0
        self.delivered = self.taken = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection
        self._over: asyncio.Event
        self._running: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._exhausted = False
        self._draining = False
        self._starving = False
        self._stop_asked: Stop | None = None
        self._error: BaseException | None = None

    async def run(self) -> None:
        """Until all rows have ended, or the run has been stopped.

        Raises: what `deliver`, the rows or a bug raised; what is in flight is cut off then.
        """
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._connection = self._connect()
        try:
            self._pump()
            if self._stop_asked:
                self._halt()
            await self._over.wait()
        finally:
            await self._end()
        if self._error is not None:
            raise self._error

    def stop_soon(self, stop: Stop) -> None:
        """Send nothing more; from any thread, and in a signal handler."""
        self._stop_asked = self._stop_asked or stop
        self._soon(self._halt)

    def cut(self) -> None:
        """End at once, whatever is in flight; from any thread."""
        self._soon(self._over.set)

    def let_go(self) -> None:
        """One result is safe; from the thread that takes them."""
        self.taken += 1
        if self._starving:
            self._starving = False
            self.wake()

    def wake(self) -> None:
        """There may be a row now, or room for one; from any thread."""
        self._soon(self._pump)

    def _soon(self, call: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the run is over
                self._loop.call_soon_threadsafe(call)

    def _pump(self) -> None:
        """Read rows, and send as many as the scheduler allows."""
        try:
            while True:
                self._feed()
                action = self._decide()
                if isinstance(action, Wait | Over):
                    break
                self._start(action)
        except BaseException as error:  # of the rows or of who takes the results, or a bug
            self._fail(error)

    def _start(self, action: Action) -> None:
        task = asyncio.create_task(self._work(action))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._pump()

    async def _work(self, action: Action) -> None:
        """Do what is to be done, one after the other, as long as there is something."""
        try:
            while not isinstance(action, Wait | Over):
                await self._perform(action)
                if self.scheduler.wants() >= _LOW:
                    self._feed()
                action = self._decide()
        except Exception as error:  # a bug: it must end the run, not one task alone
            self._fail(error)

    def _decide(self) -> Action:
        """What may be done now; a wait sets the alarm, the end of all is told."""
        if self._error is not None:
            return Over()
        held = self.delivered - self.taken
        full = held and held + self.scheduler.in_flight >= self.scheduler.window.limit
        if full and self.scheduler.stop is None:
            self._starving = True
            return Wait()
        action = self.scheduler.next(self._clock())
        if isinstance(action, Send):
            self._journal.begin(id_key(action.task.row.id))
        elif isinstance(action, Wait):
            self._set_alarm(action.seconds)
        elif isinstance(action, Over) and not self.scheduler.in_flight:
            self._over.set()
        return action

    def _set_alarm(self, seconds: float | None) -> None:
        if seconds is None:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._alarm is not None:
            if self._alarm.when() <= due:
                return
            self._alarm.cancel()
        self._alarm = loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._pump()

    def _feed(self) -> None:
        """Add as many rows as the scheduler wants."""
        wanted = 0 if self._exhausted or self._stop_asked else self.scheduler.wants()
        known: list[Result] = []
        for _ in range(wanted):
            try:
                row = next(self._rows)
            except StopIteration:
                self._exhausted = True
                self.scheduler.close_input()
                break
            if row is None:
                break
            if row is SKIPPED:
                asyncio.get_running_loop().call_soon(self._pump)
                break
            if isinstance(row, Result):
                known.append(row)
            elif isinstance(row, BadRow):
                known.append(self.scheduler.refuse(row))
            elif isinstance(row, Row):
                self.scheduler.add(self._task_of(row))
        if known:
            self._deliver(known)

    async def _perform(self, action: Action) -> None:
        if isinstance(action, Send):
            await self._send(action.task)
        elif isinstance(action, Probe):
            alive = await self._connection.probe()
            self._hand_over(self.scheduler.probed(alive, self._clock()))
        elif isinstance(action, ReadBalance):
            try:
                self.scheduler.balance_read(await self._connection.balance())
            except OcxError as error:
                self.scheduler.balance_unread(error)

    async def _send(self, task: Task) -> None:
        try:
            outcome = await self._connection.send(task.row)
        except UnsentError:
            self._journal.end(id_key(task.row.id))
            raise
        if not _may_be_charged(outcome):
            self._journal.end(id_key(task.row.id))
        self._hand_over(self.scheduler.done(task, outcome, self._clock()))

    def _hand_over(self, results: Sequence[Result]) -> None:
        if results:
            self._deliver(results)

    def _halt(self) -> None:
        if self._stop_asked is None or self._over.is_set():
            return
        if not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_later(self._drain, self._abort)
        self.scheduler.halt(self._stop_asked)
        self._pump()

    def _abort(self) -> None:
        """The drain is over: what still runs is cut off."""
        self.aborted = self.scheduler.in_flight
        self._over.set()

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self.scheduler.halt(Stop("failure"))
        self._over.set()

    async def _end(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        tasks = list(self._running)
        for task in tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connection.close()


def _may_be_charged(outcome: Outcome) -> bool:
    if isinstance(outcome, Answer):
        return True
    return outcome.sent and (outcome.error.status or 0) < 300

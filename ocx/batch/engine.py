"""The threads of a run: one pulls rows and hands out results, the others send.

The caller's own thread reads the input and receives the results, so that neither needs a lock;
workers do nothing but HTTP. What is sent when is the scheduler's business.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from typing import Protocol

from ocx.batch.connection import Connection
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.control.settings import Stop
from ocx.batch.control.task import Action, Over, Probe, Send, Task, Wait
from ocx.batch.id_table import id_key
from ocx.batch.result import Answer, Failure, Outcome, Result
from ocx.batch.rows.row import BadRow, Row
from ocx.errors import OcxError

DRAIN = 10.0
_LOOK = 0.1  # seconds until a signal is seen
_FAREWELL = 2.0
_UNWRITTEN = 16
_LOW = 32  # rows that are wanted before it is worth waking the one who reads them
_GATHER = 0.01  # seconds of results that are written together: waking a thread costs as much as one


class Skipped(Enum):
    """In place of a row: there are more, but the engine should look after its results first."""

    SKIPPED = 0


SKIPPED = Skipped.SKIPPED

Fed = Row | BadRow | Result | Skipped | None
"""None says that there is no row at the moment; a Result is passed on."""

Rows = Iterator[Fed]


class Journal(Protocol):
    """Who wants to know which requests are on their way; called from many threads."""

    def begin(self, key: int) -> None: ...
    def end(self, key: int) -> None: ...


class NoJournal:
    def begin(self, key: int) -> None:
        pass

    def end(self, key: int) -> None:
        pass


class Engine:
    """Iterate to run: results come in the order in which rows end.

    Args:
        connect: makes the connection of one worker.
        task_of: a row with its hash.
        drain: seconds that requests in flight may take after `stop_soon`.

    Attributes:
        aborted: requests that were still running when the drain was over.
    """

    def __init__(
        self,
        rows: Rows,
        connect: Callable[[], Connection],
        scheduler: Scheduler,
        task_of: Callable[[Row], Task],
        *,
        journal: Journal | None = None,
        drain: float = DRAIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows = rows
        self._connect = connect
        self._task_of = task_of
        self._journal = journal or NoJournal()
        self._drain = drain
        self._clock = clock
        self.scheduler = scheduler
        self.aborted = 0
        # What is paid but not written would be lost with this process.
        self._most_unwritten = max(_UNWRITTEN, scheduler.workers)
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._news = threading.Condition(lock)
        self._results: deque[Result] = deque()
        self._connections: list[Connection] = []
        self._threads = 0
        self._idle = 0
        self._alarm = float("inf")
        self._exhausted = False
        self._more = False
        self._gathering_until = 0.0
        self._closing = False
        self._stop_asked: Stop | None = None
        self._drain_until: float | None = None
        self._error: BaseException | None = None

    def stop_soon(self, stop: Stop) -> None:
        """Send nothing more; safe in a signal handler, since it takes no lock."""
        self._stop_asked = self._stop_asked or stop

    def wake(self) -> None:
        """There may be a row now."""
        with self._news:
            self._news.notify()

    def __iter__(self) -> Iterator[Result]:
        for results in self.batches():
            yield from results

    def batches(self) -> Iterator[list[Result]]:
        """The results in lists of those that came close together."""
        try:
            while True:
                if known := self._feed():
                    yield known
                results = self._take()
                if results is None:
                    break
                if results:
                    yield results
            if self._error is not None:
                raise self._error
        finally:
            self._close()

    def _feed(self) -> list[Result]:
        """Add as many rows as the scheduler wants; the results of bad ones."""
        with self._work:
            wanted = 0 if self._exhausted or self._stop_asked else self.scheduler.wants()
        tasks: list[Task] = []
        known: list[Result] = []
        self._more = False
        for _ in range(wanted):
            try:
                row = next(self._rows)
            except StopIteration:
                self._exhausted = True
                break
            if row is None or row is SKIPPED:
                self._more = row is SKIPPED
                break
            if isinstance(row, Result):
                known.append(row)
            elif isinstance(row, BadRow):
                with self._work:
                    known.append(self.scheduler.refuse(row))
            else:
                tasks.append(self._task_of(row))
        with self._work:
            for task in tasks:
                self.scheduler.add(task)
            # Once only: a worker more, when the first have ended, would connect for nothing.
            ended = wanted > 0 and self._exhausted
            if ended:
                self.scheduler.close_input()
            if tasks or ended:
                self._encourage()
        return known

    def _take(self) -> list[Result] | None:
        """The results since the last call; None after the last one."""
        with self._news:
            while True:
                self._look_for_stop()
                if self._results and self._gathers():
                    self._news.wait(self._gathering_until - self._clock())
                    continue
                if self._results:
                    self._gathering_until = self._clock() + _GATHER
                    found = list(self._results)
                    self._results.clear()
                    if len(found) >= self._most_unwritten:
                        self._work.notify_all()
                    return found
                if self._error is not None or self._is_over():
                    return None
                if self._more:
                    return []
                self._news.wait(_LOOK)
                if not self._results and not self._exhausted and self.scheduler.wants():
                    return []

    def _gathers(self) -> bool:
        """Whether to wait for more results, as the last ones have just been written."""
        few = len(self._results) < self._most_unwritten // 2
        return few and self.scheduler.in_flight > 0 and self._clock() < self._gathering_until

    def _is_over(self) -> bool:
        if self.scheduler.in_flight:
            return False
        return self.scheduler.stop is not None or (self._exhausted and not self._threads)

    def _look_for_stop(self) -> None:
        if self._stop_asked and self._drain_until is None:
            self._drain_until = self._clock() + self._drain
            self.scheduler.halt(self._stop_asked)
            self._work.notify_all()
        if self._drain_until is not None and self._clock() > self._drain_until:
            self._drain_until = float("inf")
            self.aborted = self.scheduler.in_flight
            for connection in self._connections:
                connection.close()

    def _encourage(self) -> None:
        """Have one worker look for work; it encourages the next. The lock is held."""
        if self._idle:
            self._work.notify()
        elif self._threads < self.scheduler.window.limit:
            self._threads += 1
            threading.Thread(target=self._run_worker, daemon=True).start()

    def _run_worker(self) -> None:
        try:
            connection = self._connect()
            with self._work:
                self._connections.append(connection)
            with self._work:
                action = self._next_action()
            while not isinstance(action, Over):
                action = self._perform(action, connection)
        except BaseException as error:  # a bug: it must end the run, not one thread
            with self._work:
                self._error = self._error or error
                self.scheduler.halt(Stop("failure"))
        finally:
            with self._work:
                self._threads -= 1
                self._work.notify_all()
                self._news.notify()

    def _next_action(self) -> Action:
        """What this worker does next; waits for it. The lock is held."""
        while True:
            action = self._decide()
            if isinstance(action, Send):
                self._journal.begin(id_key(action.task.row.id))
                self._encourage()
            if not isinstance(action, Wait):
                return action
            self._wait(action.seconds)

    def _decide(self) -> Action:
        if self._closing:
            return Over()
        if len(self._results) >= self._most_unwritten and self.scheduler.stop is None:
            return Wait()
        return self.scheduler.next(self._clock())

    def _wait(self, seconds: float | None) -> None:
        """Only who has the earliest alarm watches the clock: all would wake for one row."""
        due = float("inf") if seconds is None else self._clock() + seconds
        watches = due < self._alarm
        if watches:
            self._alarm = due
        self._idle += 1
        self._work.wait(seconds if watches else None)
        self._idle -= 1
        if self._alarm == due:
            self._alarm = float("inf")

    def _perform(self, action: Action, connection: Connection) -> Action:
        """Do it; what to do next, found under the same lock as the outcome is told."""
        if isinstance(action, Send):
            return self._send(action.task, connection)
        if isinstance(action, Probe):
            alive = connection.probe()
            with self._work:
                self._results.extend(self.scheduler.probed(alive, self._clock()))
                self._tell()
                self._work.notify_all()
                return self._next_action()
        return self._read_balance(connection)

    def _send(self, task: Task, connection: Connection) -> Action:
        outcome = connection.send(task.row)
        with self._work:
            if not _may_be_charged(outcome):
                self._journal.end(id_key(task.row.id))
            self._results.extend(self.scheduler.done(task, outcome, self._clock()))
            self._tell()
            if self._idle and (self.scheduler.stop or not self.scheduler.in_flight):
                self._work.notify_all()
            return self._next_action()

    def _read_balance(self, connection: Connection) -> Action:
        try:
            amount = connection.balance()
        except OcxError as error:
            with self._work:
                self.scheduler.balance_unread(error)
                self._tell()
                self._work.notify_all()
                return self._next_action()
        with self._work:
            self.scheduler.balance_read(amount)
            self._work.notify_all()
            return self._next_action()

    def _tell(self) -> None:
        if self._gathers():
            return
        if self._results or self.scheduler.stop or self.scheduler.wants() > _LOW:
            self._news.notify()

    def _close(self) -> None:
        """End the workers; what they still do is cut off."""
        with self._work:
            self._closing = True
            self._work.notify_all()
            connections = list(self._connections)
        for connection in connections:
            with suppress(Exception):
                connection.close()
        with self._work:
            self._work.wait_for(lambda: not self._threads, _FAREWELL)


def _may_be_charged(outcome: Outcome) -> bool:
    if isinstance(outcome, Answer):
        return True
    return outcome.sent and (outcome.error.status or 0) < 300


__all__ = ["Engine", "Failure"]

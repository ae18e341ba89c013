"""A run on one event loop: tasks in, requests out, results handed over as they end.

What is sent when is the scheduler's business. A result is handed over in the same step as its
answer is read, so that nothing which is paid waits in memory for being written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ocx.api.aiohttp_session import UnsentError
from ocx.batch.control import Action, Step, Stop, Task, Wait
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.finished_rows import id_key
from ocx.batch.row import Result, RowFailure
from ocx.batch.row_output import RowOutput
from ocx.batch.row_sender import RowSender
from ocx.errors import OcxError

_LOW = 32  # rows that are wanted before it is worth reading on


RECHECK = Wait(0)
"""In place of a task: there are more, but the network should be looked after first."""

FeedItem = Task | Result | Wait | None
"""None says that there is no row at the moment; a Result is passed on."""


@dataclass(eq=False)
class Engine:
    """Sends what the scheduler lets go.

    Attributes:
        items: what is to be done, in order.
        deliver: takes the results; what it raises ends the run.
        output: is told what is sent.
        drain: seconds that requests in flight may take after `stop_soon`.
        aborted: requests that were still running when the drain was over.
        delivered, taken: results that went to another thread, and that are safe there; what is
            between the two takes the place of requests. Each is counted by one thread.
    """

    items: Iterator[FeedItem]
    sender: RowSender
    scheduler: Scheduler
    deliver: Callable[[Sequence[Result]], object]
    output: RowOutput
    drain: float
    aborted: int = 0
    delivered: int = 0
    taken: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _alarm: asyncio.TimerHandle | None = None
    _starving: bool = False
    _stop_asked: Stop | None = None
    _error: BaseException | None = None

    async def run(self) -> None:
        """Until all rows have ended, or the run has been stopped.

        Raises: what `deliver`, the rows or a bug raised; what is in flight is cut off then.
        """
        self._loop = asyncio.get_running_loop()
        try:
            self._pump()
            if self._stop_asked:
                self._halt()
            await self._over.wait()
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            tasks = list(self._running)
            for task in tasks:
                task.remove_done_callback(self._ended)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._error is not None:
            raise self._error

    def stop_soon(self, stop: Stop) -> None:
        """Send nothing more; from any thread, and in a signal handler."""
        if self._stop_asked is None:
            self._stop_asked = stop
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
                if isinstance(action, Wait) or action is Step.FINISHED:
                    break
                task = asyncio.create_task(self._work(action))
                self._running.add(task)
                task.add_done_callback(self._ended)
        except BaseException as error:  # of the rows or of who takes the results, or a bug
            self._fail(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._pump()

    async def _work(self, action: Action) -> None:
        """Do what is to be done, one after the other, as long as there is something."""
        try:
            while not (isinstance(action, Wait) or action is Step.FINISHED):
                if ended := await self._perform(action):
                    self.deliver(ended)
                if self.scheduler.wants() >= _LOW:
                    self._feed()
                action = self._decide()
        except Exception as error:  # a bug: it must end the run, not one task alone
            self._fail(error)

    def _decide(self) -> Action:
        """What may be done now; a wait sets the alarm, the end of all is told."""
        scheduler = self.scheduler
        if self.delivered > self.taken:
            self._starving = True  # before it is counted: what is let go then wakes
            held = self.delivered - self.taken
            if held + scheduler.in_flight >= scheduler.window.limit and not scheduler.stop:
                return Wait()
            self._starving = False
        action = scheduler.next(time.monotonic())
        if isinstance(action, Task):
            self.output.note_sent(id_key(action.row.id))
        elif isinstance(action, Wait) and action.seconds is not None:
            self._wake_in(action.seconds)
        elif action is Step.FINISHED and not scheduler.in_flight:
            self._over.set()
        return action

    def _wake_in(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._pump)

    def _feed(self) -> None:
        """Add as many rows as the scheduler wants."""
        for _ in range(0 if self._stop_asked else self.scheduler.wants()):
            try:
                item = next(self.items)
            except StopIteration:
                self.scheduler.closed = True
                break
            if isinstance(item, Task):
                self.scheduler.add(item)
            elif isinstance(item, Result):
                self.deliver([item])
            else:
                if item is RECHECK:
                    asyncio.get_running_loop().call_soon(self._pump)
                break

    async def _perform(self, action: Action) -> Sequence[Result]:
        """The rows that ended by it."""
        if isinstance(action, Task):
            return await self._send(action)
        if action is Step.PROBE:
            alive = await self.sender.probe()
            return self.scheduler.probed(alive, time.monotonic())
        if action is Step.READ_BALANCE:
            try:
                self.scheduler.balance_read(await self.sender.balance())
            except OcxError as error:
                self.scheduler.balance_unread(error)
        return ()

    async def _send(self, task: Task) -> Sequence[Result]:
        try:
            outcome = await self.sender.send(task.row)
        except UnsentError:
            self.output.note_unpaid(id_key(task.row.id))
            raise
        if isinstance(outcome, RowFailure) and not outcome.maybe_charged:
            self.output.note_unpaid(id_key(task.row.id))
        return self.scheduler.done(task, outcome, time.monotonic())

    def _halt(self) -> None:
        if self._stop_asked is None or self._over.is_set():
            return
        asyncio.get_running_loop().call_later(self.drain, self._abort)
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

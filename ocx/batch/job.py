"""A run from its rows to its output: the engine between a source and a store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from ocx.api.network_errors import place_of
from ocx.batch.connection import Connection
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.control.settings import RunLimits, Stop, Task
from ocx.batch.dedup import SOURCE as DEDUP
from ocx.batch.dedup import Dedup
from ocx.batch.engine import DRAIN, SKIPPED, Engine, Fed, NoJournal, Rows
from ocx.batch.finished_rows import Retry, State, States, id_key
from ocx.batch.input import RowStream
from ocx.batch.output.ordered import Window
from ocx.batch.plan import CHANGED, decide
from ocx.batch.progress import duration
from ocx.batch.result import MAYBE_PAID, Result
from ocx.batch.row import BadRow, Row, request_bytes, request_sha256, sha256_of
from ocx.batch.store import Store
from ocx.batch.summary import Summary
from ocx.chat.prices import BYTES_A_TOKEN, max_completion_tokens
from ocx.errors import OcxError, UsageError

_SYNC_EVERY = 1.0
_LOOK = 0.25
_TELL_EVERY = 30.0
_SKIPPED_AT_ONCE = 256
_MOST_FOLLOWERS = 1024
_LIMITS = {"max_tokens", "max_completion_tokens"}

Take = Callable[[Sequence[Result]], object]
OnSkip = Callable[["Row | BadRow", "State | None"], object]


class Output(Protocol):
    """Where results go."""

    def append(self, results: Sequence[Result]) -> None: ...
    def sync(self) -> None: ...


@dataclass
class Job:
    """What is to be done.

    Attributes:
        rows: those of this run, chosen already.
        connect: makes one worker's connection.
        base_url: a part of what makes two requests the same.
        store: the output that is resumed, if it is a file.
        window: set for output in the order of the input.
        total: how many rows there are; None for a stream.
        models: that they ask for, as far as that is known.
        note: told of an outage, a line at a time.
        on_skip: told of each row that an earlier run has finished.
        order: keys of all rows as the output shall have them in the end.
    """

    rows: Rows
    connect: Callable[[], Connection]
    base_url: str
    settings: RunLimits = field(default_factory=RunLimits)
    store: Store | None = None
    window: Window | None = None
    retry: Retry = "retryable"
    dedup: bool = False
    drain: float = DRAIN
    total: int | None = None
    models: frozenset[str] = frozenset()
    clock: Callable[[], float] = time.monotonic
    note: Callable[[str], object] | None = None
    on_skip: OnSkip | None = None
    order: Callable[[], Iterable[int]] | None = None


class Run:
    """`run` it, once.

    Attributes:
        summary: of what has happened so far, complete after the end.
    """

    def __init__(
        self, job: Job, output: Output | None = None, before: Scheduler | None = None
    ) -> None:
        """Args:
        before: of an earlier run to the same server, whose speed and budget go on.
        """
        self._job = job
        self._output = output if output is not None else job.store
        self._states: States | None = job.store.states if job.store is not None else None
        earlier = job.store.answer_to if job.store is not None else None
        self._dedup = Dedup(earlier) if job.dedup else None
        self._maybe_paid = self._left_over()
        self.scheduler = Scheduler(job.settings)
        if before is not None:
            self.scheduler.go_on_from(before)
        self.scheduler.beginning.models |= job.models
        self.summary = Summary(total=job.total)
        self._take: Take = lambda _: None
        rows = self._unfinished(job.rows)
        if job.window is not None:
            rows = job.window.rows(rows)
        self._engine = Engine(
            self._requests(rows),
            job.connect,
            self.scheduler,
            self._task,
            self._finished,
            journal=job.store.journal if job.store is not None else NoJournal(),
            drain=job.drain,
            clock=job.clock,
        )
        if isinstance(job.rows, RowStream):
            job.rows.on_row = self._engine.wake

    def stop(self, stop: Stop) -> None:
        """Send nothing more, and let go of what is in flight after the drain."""
        self._engine.stop_soon(stop)

    @property
    def engine(self) -> Engine:
        return self._engine

    def run(self, take: Take = lambda _: None) -> Summary:
        """To the end, on an event loop of its own in this thread.

        Args:
            take: told of results once they are written.

        Raises:
            OcxError: the output cannot be written.
        """
        return asyncio.run(self.on_loop(take))

    async def on_loop(self, take: Take) -> Summary:
        """The same on the loop that runs."""
        self._take = take
        began = self._job.clock()
        try:
            await self._run()
        finally:
            self._count(self._job.clock() - began)
            if self._dedup is not None:
                self._dedup.close()
        self._compact()
        return self.summary

    def __iter__(self) -> Iterator[Result]:
        """Run, then hand out what came: for few rows."""
        results: list[Result] = []
        self.run(results.extend)
        return iter(results)

    def waiting(self) -> str | None:
        """For whom the run waits, why and how long, while nothing is answered."""
        outage = self.scheduler.outage
        if not outage.suspected:
            return None
        waited = outage.waited(self._job.clock())
        place = place_of(self._job.base_url)
        reason = outage.reason.removeprefix(f"cannot connect to {place}: ")
        return f"waiting for {place}: {reason} ({duration(waited)} of {duration(outage.longest)})"

    async def _run(self) -> None:
        beside = [asyncio.create_task(self._save()), asyncio.create_task(self._watch())]
        try:
            await self._engine.run()
        finally:
            self.summary.waiting = self.waiting()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if self._output is not None:
                self._output.sync()
        window = self._job.window
        if window and self._job.store is None:
            self._take(self._write(list(window.rest())))

    async def _save(self) -> None:
        """Have what is written last through a power cut, about once a second."""
        while self._output is not None:
            await asyncio.sleep(_SYNC_EVERY)
            with suppress(OcxError):  # the last one, at the end, tells
                await asyncio.to_thread(self._output.sync)

    async def _watch(self) -> None:
        """Tell of an outage as it begins, every half minute, and as it ends."""
        told: float | None = None
        while self._job.note is not None:
            await asyncio.sleep(_LOOK)
            text, now = self.waiting(), self._job.clock()
            if text is not None and (told is None or now - told >= _TELL_EVERY):
                self._job.note(text)
                told = now
            elif text is None and told is not None:
                self._job.note(f"{place_of(self._job.base_url)} answers again")
                told = None

    def _finished(self, results: Sequence[Result]) -> None:
        if self._dedup is not None:
            results = [row for result in results for row in self._with_followers(result)]
        for result in results:
            self.summary.add(result)
        self._take(self._written(results))

    def _written(self, finished: Sequence[Result]) -> Sequence[Result]:
        """Those that are written now: all, or the ones whose turn it is."""
        window, store = self._job.window, self._job.store
        if window is None:
            return self._write(finished)
        ready = [row for result in finished for row in window.put(result)]
        self._write(ready)
        window.written()
        if store is not None:
            for result in finished:
                store.journal.end(id_key(result.id))
        return ready

    def _with_followers(self, result: Result) -> Iterator[Result]:
        yield result
        expects = isinstance(result.row, Row) and result.row.expect is not None
        if self._dedup is not None and result.credits_source != DEDUP and not expects:
            yield from self._dedup.finished(result)

    def _write(self, results: Sequence[Result]) -> Sequence[Result]:
        if self._output is not None and results:
            self._output.append(results)
        return results

    def _left_over(self) -> int:
        """How many requests of earlier runs may have been paid for in vain."""
        store, window = self._job.store, self._job.window
        if store is None:
            return 0
        saved = window.take_up(store.states.has_key) if window is not None else set()
        return len(store.left_over - saved) + store.journal.earlier + store.unanswered

    def _unfinished(self, rows: Rows) -> Rows:
        """The rows that an earlier run has not finished."""
        skipped = 0
        for row in rows:
            if not self._states or not isinstance(row, Row | BadRow):
                yield row
            elif self._decide(row, self._states) == "skip":
                state = self._states.get(row.id)
                self.summary.skip(state)
                if self._job.on_skip is not None:
                    self._job.on_skip(row, state)
                skipped += 1
                if skipped % _SKIPPED_AT_ONCE == 0:
                    yield SKIPPED
            else:
                state = self._states.get(row.id)
                self._maybe_paid += state is not None and state.kind in MAYBE_PAID
                yield row

    def _decide(self, row: Row | BadRow, states: States) -> str:
        decision = decide(row, states, self._sha256, self._job.retry)
        if decision == "changed":
            raise UsageError(
                f"line {row.line}: {row.id!r} was answered for another request",
                hint=CHANGED,
            )
        return decision

    def _requests(self, rows: Rows) -> Rows:
        """The rows as the engine takes them: what is known already comes as a result."""
        for row in rows:
            yield self._request(row) if isinstance(row, Row) else row
            while self._dedup is not None and self._dedup.waiting > _MOST_FOLLOWERS:
                yield None

    def _request(self, row: Row) -> Fed:
        if self._job.window is not None:
            saved = self._job.window.saved(row, self._sha256(row))
            if saved is not None:
                return saved
        if self._dedup is None or row.expect is not None:
            return row  # an answer that one row expects may be wrong for another
        claimed = self._dedup.claim(row, self._sha256(row))
        if isinstance(claimed, Result):
            return claimed
        return row if claimed else SKIPPED

    def _task(self, row: Row) -> Task:
        data = request_bytes(row, self._job.base_url)
        tokens = -(-len(data) // BYTES_A_TOKEN)  # an estimate, and the row is in bytes already
        unanswered = int(self._may_be_paid(row))
        return Task(row, sha256_of(data), tokens + _asked_tokens(row), unanswered=unanswered)

    def _may_be_paid(self, row: Row) -> bool:
        """An earlier run sent it, and got no answer."""
        state = self._states.get(row.id) if self._states else None
        if state is not None:
            return state.kind in MAYBE_PAID
        store = self._job.store
        return store is not None and bool(store.left_over) and id_key(row.id) in store.left_over

    def _sha256(self, row: Row) -> str:
        return request_sha256(row, self._job.base_url)

    def _count(self, seconds: float) -> None:
        """Fill in what the summary says of the whole."""
        summary, scheduler = self.summary, self.scheduler
        summary.seconds = seconds
        summary.stop = scheduler.stop
        summary.outage_seconds = scheduler.outage.seconds
        if scheduler.budget.by_balance:
            summary.credits_by_balance = scheduler.budget.spent
        summary.maybe_paid_twice = scheduler.maybe_paid_twice + self._engine.aborted
        summary.maybe_paid_twice += self._maybe_paid
        if summary.total is not None:
            finished = summary.done + summary.failed
            summary.unsent = max(0, summary.total - summary.skipped - finished)
        else:
            summary.unsent = scheduler.unsent + (self._dedup.waiting if self._dedup else 0)

    def _compact(self) -> None:
        store, summary = self._job.store, self.summary
        if store is None or summary.stop is not None or summary.unsent:
            return
        if self._states:
            self._states = None
            appended = summary.done + summary.failed
            order = self._job.order() if self._job.order is not None and appended else None
            store.compact(order)
        store.complete = not summary.exit_code()


def _asked_tokens(row: Row) -> int:
    """What the request itself allows: that counts against limits of tokens."""
    return max_completion_tokens(row.body) if _LIMITS & row.body.keys() else 0

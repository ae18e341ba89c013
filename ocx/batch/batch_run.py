"""A run from its rows to its output: what the engine is fed with, and what becomes of results."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from ocx.api.urls import place_of
from ocx.api.usage import estimated_tokens
from ocx.batch.connection import Connection
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.control.settings import DRAIN, RunLimits, Task
from ocx.batch.dedup import SOURCE as DEDUP
from ocx.batch.dedup import Dedup
from ocx.batch.engine import RECHECK, Engine, FeedItem, NoJournal
from ocx.batch.finished_rows import Retry, State, States, id_key
from ocx.batch.input import ChangedInputError, Decide, RowStream
from ocx.batch.output.ordered import Window
from ocx.batch.progress import duration
from ocx.batch.result import MAYBE_PAID, Result
from ocx.batch.row import BadRow, Row, hash_request
from ocx.batch.store import Store
from ocx.batch.summary import Summary
from ocx.chat.credits import max_completion_tokens
from ocx.errors import OcxError

_SYNC_EVERY = 1.0
_LOOK = 0.25
_TELL_EVERY = 30.0
_SKIPPED_AT_ONCE = 256
_MOST_FOLLOWERS = 1024
_LIMITS = {"max_tokens", "max_completion_tokens"}

Take = Callable[[Sequence[Result]], object]
OnSkip = Callable[[Row | BadRow, "State | None"], object]


class Output(Protocol):
    """Where results go."""

    def append(self, results: Sequence[Result]) -> None: ...
    def sync(self) -> None: ...


@dataclass
class BatchRun:
    """What is to be done: `run` it, once.

    Attributes:
        rows: those of this run, chosen already; None is no row yet.
        connection: closed by `run`, and left open by `on_loop`.
        base_url: a part of what makes two requests the same.
        output: where results go; `store`, if it is a file that is resumed.
        window: set for output in the order of the input.
        total: how many rows there are; None for a stream.
        models: that they ask for, as far as that is known.
        note: told of an outage, a line at a time.
        on_skip: told of each row that an earlier run has finished.
        order: keys of all rows as the output shall have them in the end.
        before: of an earlier run to the same server, whose speed and budget go on.
        summary: of what has happened so far, complete after the end.
    """

    rows: Iterable[Row | BadRow | None]
    connection: Connection
    base_url: str
    limits: RunLimits = field(default_factory=RunLimits)
    output: Output | None = None
    store: Store | None = None
    window: Window | None = None
    retry: Retry = "retryable"
    dedup: bool = False
    drain: float = DRAIN
    total: int | None = None
    models: Iterable[str] = ()
    clock: Callable[[], float] = time.monotonic
    note: Callable[[str], object] | None = None
    on_skip: OnSkip | None = None
    order: Callable[[], Iterable[int]] | None = None
    before: Scheduler | None = None

    def __post_init__(self) -> None:
        store = self.store
        self.output = self.output or store
        self._states = store.states if store is not None else None
        self._decide = decider(self._states, self.base_url, self.retry)
        earlier = store.answer_to if store is not None else None
        self._dedup = Dedup(earlier) if self.dedup else None
        self._maybe_paid = 0
        if store is not None:  # requests of earlier runs that may have been paid for in vain
            saved = self.window.take_up(store.states.has_key) if self.window else set()
            left_over = len(store.left_over - saved)
            self._maybe_paid = left_over + store.journal.earlier + store.unanswered
        self.scheduler = Scheduler(self.limits, self.before)
        self.scheduler.beginning.models |= {*self.models}
        self.summary = Summary(total=self.total)
        self._take: Take = lambda _: None
        journal = store.journal if store is not None else NoJournal()
        self.engine = Engine(
            self._feed(), self.connection, self.scheduler, self._finished,
            journal, self.drain, self.clock,
        )  # fmt: skip
        if isinstance(self.rows, RowStream):
            self.rows.on_row = self.engine.wake

    def run(self, take: Take = lambda _: None) -> Summary:
        """To the end, on an event loop of its own in this thread.

        Args:
            take: told of results once they are written.

        Raises:
            OcxError: the output cannot be written.
        """

        async def whole() -> Summary:
            try:
                return await self.on_loop(take)
            finally:
                await self.connection.close()

        return asyncio.run(whole())

    async def on_loop(self, take: Take) -> Summary:
        """The same on the loop that runs."""
        self._take = take
        began = self.clock()
        beside = [asyncio.create_task(self._save()), asyncio.create_task(self._watch())]
        try:
            await self.engine.run()
        finally:
            self.summary.waiting = self.waiting()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            try:
                if self.output is not None:
                    self.output.sync()
                if self.window and self.store is None:
                    self._take(self._write(list(self.window.rest())))
            finally:
                self._count(self.clock() - began)
                if self._dedup is not None:
                    self._dedup.close()
        self._compact()
        return self.summary

    def waiting(self) -> str | None:
        """For whom the run waits, why and how long, while nothing is answered."""
        outage = self.scheduler.outage
        if not outage.suspected:
            return None
        place, waited = place_of(self.base_url), outage.waited(self.clock())
        reason = outage.reason.removeprefix(f"cannot connect to {place}: ")
        return f"waiting for {place}: {reason} ({duration(waited)} of {duration(outage.longest)})"

    async def _save(self) -> None:
        """Have what is written last through a power cut, about once a second."""
        while self.output is not None:
            await asyncio.sleep(_SYNC_EVERY)
            with suppress(OcxError):  # the last one, at the end, tells
                await asyncio.to_thread(self.output.sync)

    async def _watch(self) -> None:
        """Tell of an outage as it begins, every half minute, and as it ends."""
        told: float | None = None
        while self.note is not None:
            await asyncio.sleep(_LOOK)
            text, now = self.waiting(), self.clock()
            if text is not None and (told is None or now - told >= _TELL_EVERY):
                self.note(text)
                told = now
            elif text is None and told is not None:
                self.note(f"{place_of(self.base_url)} answers again")
                told = None

    def _feed(self) -> Iterator[FeedItem]:
        """What is left to do; what is known already comes as a result."""
        rows = self._remaining()
        for row in self.window.rows(rows) if self.window is not None else rows:
            if isinstance(row, Row):
                yield self._task(row)
            else:
                yield self.scheduler.refuse(row) if isinstance(row, BadRow) else row
            while self._dedup is not None and self._dedup.waiting > _MOST_FOLLOWERS:
                yield None

    def _remaining(self) -> Iterator[Row | BadRow | FeedItem]:
        """The rows that an earlier run has not finished."""
        skipped = 0
        for row in self.rows:
            if row is None or self._decide is None or not self._states:
                yield row
                continue
            decision, state = self._decide(row), self._states.get(row.id)
            if decision == "changed":
                raise ChangedInputError(
                    f"line {row.line}: {row.id!r} was answered for another request"
                )
            if decision == "send":
                self._maybe_paid += state is not None and state.kind in MAYBE_PAID
                yield row
                continue
            self.summary.skip(state)
            if self.on_skip is not None:
                self.on_skip(row, state)
            skipped += 1
            if skipped % _SKIPPED_AT_ONCE == 0:
                yield RECHECK

    def _task(self, row: Row) -> FeedItem:
        sha256, size = hash_request(row, self.base_url)
        if self.window is not None and (saved := self.window.saved(row, sha256)) is not None:
            return saved
        if self._dedup is not None and row.expect is None:  # equal rows may expect different things
            claimed = self._dedup.claim(row, sha256)
            if isinstance(claimed, Result):
                return claimed
            if not claimed:
                return RECHECK
        tokens = estimated_tokens(size)  # of the row, which is in bytes already
        if _LIMITS & row.body.keys():  # what it allows itself counts against limits of tokens
            tokens += max_completion_tokens(row.body)
        return Task(row, sha256, tokens, unanswered=int(self._may_be_paid(row)))

    def _may_be_paid(self, row: Row) -> bool:
        """An earlier run sent it, and got no answer."""
        state = self._states.get(row.id) if self._states else None
        if state is not None:
            return state.kind in MAYBE_PAID
        return self.store is not None and id_key(row.id) in self.store.left_over

    def _finished(self, results: Sequence[Result]) -> None:
        if self._dedup is not None:
            results = [row for result in results for row in self._with_followers(result)]
        for result in results:
            self.summary.add(result)
        self._take(self._written(results))

    def _with_followers(self, result: Result) -> Iterator[Result]:
        yield result
        expects = isinstance(result.row, Row) and result.row.expect is not None
        if self._dedup is not None and result.credits_source != DEDUP and not expects:
            yield from self._dedup.finished(result)

    def _written(self, finished: Sequence[Result]) -> Sequence[Result]:
        """Those that are written now: all, or the ones whose turn it is."""
        if self.window is None:
            return self._write(finished)
        ready = [row for result in finished for row in self.window.put(result)]
        self._write(ready)
        self.window.written()
        if self.store is not None:
            for result in finished:
                self.store.journal.end(id_key(result.id))
        return ready

    def _write(self, results: Sequence[Result]) -> Sequence[Result]:
        if self.output is not None and results:
            self.output.append(results)
        return results

    def _count(self, seconds: float) -> None:
        """Fill in what the summary says of the whole."""
        summary, scheduler = self.summary, self.scheduler
        summary.seconds = seconds
        summary.stop = scheduler.stop
        summary.outage_seconds = scheduler.outage.seconds
        if scheduler.budget.by_balance:
            summary.credits_by_balance = scheduler.budget.spent
        paid_twice = scheduler.maybe_paid_twice + self.engine.aborted + self._maybe_paid
        summary.maybe_paid_twice = paid_twice
        if summary.total is not None:
            finished = summary.done + summary.failed
            summary.unsent = max(0, summary.total - summary.skipped - finished)
        else:
            summary.unsent = scheduler.unsent + (self._dedup.waiting if self._dedup else 0)

    def _compact(self) -> None:
        store, summary = self.store, self.summary
        if store is None or summary.stop is not None or summary.unsent:
            return
        if self._states:
            self._states = self._decide = None  # their memory is needed
            appended = summary.done + summary.failed
            order = self.order() if self.order is not None and appended else None
            store.compact(order)
        store.complete = not summary.exit_code()


def decider(states: States | None, base_url: str, retry: Retry) -> Decide | None:
    """What is to be done with a row, given what is in the output; None if nothing is."""
    if not states:
        return None
    return lambda row: states.decide(
        row, hash_request(row, base_url)[0] if isinstance(row, Row) else "", retry
    )

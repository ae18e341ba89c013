"""A run from its rows to its output: what the engine is fed with, and what becomes of results."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ocx.api.prices import estimated_tokens, max_completion_tokens
from ocx.api.urls import place_of
from ocx.batch.control import DRAIN, RunLimits, Task, Wait
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.engine import RECHECK, Engine, FeedItem
from ocx.batch.finished_rows import FinishedRow, Retry, id_key
from ocx.batch.input import ChangedInputError, Plan, RowStream
from ocx.batch.progress import duration
from ocx.batch.row import MAYBE_PAID, BadRow, Result, Row, RowAnswer, hash_request
from ocx.batch.row_output import RowOutput
from ocx.batch.row_sender import RowSender
from ocx.batch.summary import Summary
from ocx.errors import OcxError

_SYNC_EVERY = 1.0
_LOOK = 0.25
_TELL_EVERY = 30.0
_SKIPPED_AT_ONCE = 256
_MOST_FOLLOWERS = 1024
_LIMITS = {"max_tokens", "max_completion_tokens"}

Take = Callable[[Sequence[Result]], object]
OnSkip = Callable[[Row | BadRow, FinishedRow], object]


def ignored(*_: object) -> None:
    """Nobody is to be told."""


@dataclass
class BatchRun:
    """What is to be done: `run` it, once.

    Attributes:
        rows: those of this run, chosen already; None is no row yet.
        sender: closed by `run`, and left open by `on_loop`.
        base_url: a part of what makes two requests the same.
        output: where results go.
        plan: how many rows there are, and the models that they ask for, as far as that is known.
        note: told of an outage, a line at a time.
        take: told of results once they are written.
        on_skip: told of each row that an earlier run has finished.
        before: of an earlier run to the same server, whose speed and budget go on.
        summary: of what has happened so far, complete after the end.
    """

    rows: Iterable[Row | BadRow | None]
    sender: RowSender
    base_url: str
    limits: RunLimits = field(default_factory=RunLimits)
    output: RowOutput = field(default_factory=RowOutput)
    retry: Retry = "retryable"
    drain: float = DRAIN
    plan: Plan = field(default_factory=Plan)
    note: Callable[[str], object] | None = None
    take: Take = ignored
    on_skip: OnSkip = ignored
    before: Scheduler | None = None

    def __post_init__(self) -> None:
        self._dedup = Dedup(self.output.answer_to) if self.output.dedup else None
        self.scheduler = Scheduler(self.limits, self.before)
        self.scheduler.early_refusals.models |= self.plan.models
        self.summary = Summary(self.plan.total, maybe_paid_twice=self.output.maybe_paid)
        self.engine = Engine(
            self._feed(), self.sender, self.scheduler, self._finished, self.output, self.drain
        )
        if isinstance(self.rows, RowStream):
            self.rows.on_row = self.engine.wake

    def run(self) -> Summary:
        """To the end, on an event loop of its own in this thread.

        Raises: OcxError if the output cannot be written.
        """

        async def whole() -> Summary:
            async with aclosing(self.sender):
                return await self.on_loop()

        return asyncio.run(whole())

    async def on_loop(self) -> Summary:
        """As `run`, on the event loop that is running; `sender` stays open."""
        began = time.monotonic()
        beside = [asyncio.create_task(self._save()), asyncio.create_task(self._watch())]
        try:
            await self.engine.run()
        finally:
            self.summary.waiting = self.waiting()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            try:
                self.output.sync()
                self.take(self.output.rest())
            finally:
                self._count(time.monotonic() - began)
        whole = self.summary.stop is None and not self.summary.unsent
        self.output.finish(whole=whole)
        self.output.complete = whole and not self.summary.exit_code()
        return self.summary

    def waiting(self) -> str | None:
        """For whom the run waits, why and how long, while nothing is answered."""
        outage = self.scheduler.outage
        if not outage.suspected:
            return None
        place, waited = place_of(self.base_url), outage.waited(time.monotonic())
        reason = outage.reason.removeprefix(f"cannot connect to {place}: ")
        return f"waiting for {place}: {reason} ({duration(waited)} of {duration(outage.longest)})"

    async def _save(self) -> None:
        """Have what is written last through a power cut, about once a second."""
        while True:
            await asyncio.sleep(_SYNC_EVERY)
            with suppress(OcxError):  # the last one, at the end, tells
                await asyncio.to_thread(self.output.sync)

    async def _watch(self) -> None:
        """Tell of an outage as it begins, every half minute, and as it ends."""
        told: float | None = None
        while self.note is not None:
            await asyncio.sleep(_LOOK)
            text, now = self.waiting(), time.monotonic()
            if text is not None and (told is None or now - told >= _TELL_EVERY):
                self.note(text)
                told = now
            elif text is None and told is not None:
                self.note(f"{place_of(self.base_url)} answers again")
                told = None

    def _feed(self) -> Iterator[FeedItem]:
        """What is left to do; what is known already comes as a result."""
        for row in self.output.let_in(self._remaining()):
            if isinstance(row, Row):
                yield self._task(row)
            else:
                yield self.scheduler.refuse(row) if isinstance(row, BadRow) else row
            while self._dedup is not None and self._dedup.waiting > _MOST_FOLLOWERS:
                yield None

    def _remaining(self) -> Iterator[Row | BadRow | FeedItem]:
        """The rows that an earlier run has not finished."""
        finished = self.output.finished
        for row in self.rows:
            self.summary.seen += row is not None
            decision = finished.decide(row, self.base_url, self.retry) if row is not None else None
            if row is None or decision == "send":
                yield row
                continue
            if decision == "changed":
                raise ChangedInputError(
                    f"line {row.line}: {row.id!r} was answered for another request"
                )
            earlier = finished.get(row.id)
            self.output.skip(row)
            self.summary.skip(earlier)
            self.on_skip(row, earlier)
            if self.summary.skipped % _SKIPPED_AT_ONCE == 0:
                yield RECHECK

    def _task(self, row: Row) -> FeedItem:
        sha256, size = hash_request(row, self.base_url)
        if self._dedup is not None and (known := self._dedup.claim(row, sha256)) is not None:
            return known
        tokens = estimated_tokens(size)  # of the row, which is in bytes already
        if _LIMITS & row.body.keys():  # what it allows itself counts against limits of tokens
            tokens += max_completion_tokens(row.body)
        # How often earlier runs sent it and got no answer, or one that may be charged again.
        maybe_paid = self.output.finished.get(row.id).kind in MAYBE_PAID
        self.summary.maybe_paid_twice += maybe_paid
        unanswered = self.output.unanswered.get(id_key(row.id), 0) + maybe_paid
        return Task(row, sha256, tokens, unanswered=unanswered)

    def _finished(self, results: Sequence[Result]) -> None:
        if self._dedup is not None:
            results = [row for result in results for row in self._dedup.finished(result)]
        for result in results:
            self.summary.add(result)
        self.take(self.output.append(results))

    def _count(self, seconds: float) -> None:
        """Fill in what the summary says of the whole."""
        summary, scheduler = self.summary, self.scheduler
        summary.seconds = seconds
        summary.stop = scheduler.stop
        summary.outage_seconds = scheduler.outage.seconds
        if scheduler.budget.by_balance:
            summary.credits_by_balance = scheduler.budget.spent
        summary.maybe_paid_twice += scheduler.maybe_paid_twice + self.engine.aborted


class Dedup:
    """Equal requests are sent once, and every row gets the answer.

    Args:
        find: the answer to a request that is in the output, or kept for it.

    Attributes:
        waiting: rows whose equal is being sent.
    """

    def __init__(self, find: Callable[[str], RowAnswer | None]) -> None:
        self._find = find
        self._followers: dict[str, list[Row]] = {}
        self.waiting = 0

    def claim(self, row: Row, sha256: str) -> Result | Wait | None:
        """The result of an equal row as this one's; None: this row is to be sent.

        RECHECK: an equal one is being sent, and `finished` will bring this row's result.
        """
        if row.expect is not None:
            return None  # an answer that one row expects may be wrong for another
        if sha256 in self._followers:
            self._followers[sha256].append(row)
            self.waiting += 1
            return RECHECK
        known = self._find(sha256)
        if known is not None:
            return _unpaid(Result(row, known, sha256))
        self._followers[sha256] = []
        return None

    def finished(self, result: Result) -> Iterator[Result]:
        """It, and the results of the rows that waited for it."""
        yield result
        expects = isinstance(result.row, Row) and result.row.expect is not None
        followers = [] if expects else self._followers.pop(result.sha256, [])
        self.waiting -= len(followers)
        for row in followers:
            yield _unpaid(replace(result, row=row))


def _unpaid(result: Result) -> Result:
    return replace(result, attempts=0, credits=Decimal(0), credits_source="dedup", unanswered=0)

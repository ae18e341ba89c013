"""Which row is sent when, and what becomes of it: the whole run without threads or clock.

The caller asks `next` what to do, does it, and tells the outcome. Every method takes the time,
so that a test can run an hour in a moment.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from decimal import Decimal

from ocx.api.retry import backoff
from ocx.batch.control import Action, RunLimits, Step, Stop, Task, Wait
from ocx.batch.control.budget import Budget
from ocx.batch.control.failures import EarlyRefusals, Fallbacks, Outage, policy_for
from ocx.batch.control.rates import Rates
from ocx.batch.control.window import Window
from ocx.batch.row import BadRow, Outcome, Result, RowAnswer, RowFailure
from ocx.errors import BelowError, OcxError, PartialError, UsageError

LONGEST_WAIT = 600.0
"""Seconds of Retry-After that a run waits for; beyond, a 429 stops it and a 503 ends its row."""

_AHEAD = 64


class Scheduler:
    """Says what to do next, and takes what came of it.

    Args:
        before: of an earlier run; its speed, and what is left of its budget, go on.

    Attributes:
        closed: set by who adds rows, once no more will come.
        stop: set once admission has ended before the input did.
        maybe_paid_twice: rows sent again after a request that got no answer.
    """

    def __init__(self, limits: RunLimits, before: Scheduler | None = None) -> None:
        self._limits = limits
        self.window: Window = before.window if before else Window(limits.workers)
        self.rates: Rates = before.rates if before else Rates(limits.rpm, limits.tpm)
        self.budget: Budget = before.budget if before else Budget(limits)
        self.budget.begin_run()
        self.early_refusals = EarlyRefusals(patient=bool(limits.max_failures))
        self.outage = Outage(limits.max_outage)
        self._fallbacks = Fallbacks(limits.fallbacks, limits.retries)
        self.stop: Stop | None = None
        self.maybe_paid_twice = 0
        self.in_flight = 0
        self._begun = False
        self._ready: deque[Task] = deque()
        self._delayed: list[tuple[float, int, Task]] = []
        self._parked: list[tuple[Task, RowFailure, bool]] = []
        self.closed = False
        self._probing = False
        self._limited_since: float | None = None

    @property
    def limited_by(self) -> str:
        """What keeps it from sending more, in words for a person; empty if nothing does."""
        if self.stop:
            return "stopping"
        if self.outage.suspected:
            return "no answer from the server" if self.outage.confirmed else "looking for it"
        if self.rates.waiting_for:
            return self.rates.waiting_for
        if self.in_flight < self.window.limit:
            return "the budget" if self._ready and self._limits.has_budget else ""
        return "-j" if self.window.at_ceiling else "finding the speed"

    def wants(self) -> int:
        """How many more rows should be added now."""
        if self.stop or self.closed or len(self._delayed) > 4 * self._limits.workers:
            return 0
        return max(0, _AHEAD + self._limits.workers - len(self._ready))

    def add(self, task: Task) -> None:
        if len(self.early_refusals.models) < 2:
            self.early_refusals.models.add(task.row.model)
        self._ready.append(task)

    def next(self, now: float) -> Action:
        """What to do now: a task is to be sent."""
        if self.stop:
            return Step.FINISHED
        if self.outage.suspected:
            left = self.outage.next_probe - now
            if self._probing or left > 0:
                return Wait(None if self._probing else left)
            self._probing = True
            return Step.PROBE
        if (look := self.budget.due(now)) != "go":
            return self._read(now) if look == "read" else Wait()
        task = self._due(now)
        return self._idle(now) if task is None else self._admitted(task, now)

    def done(self, task: Task, outcome: Outcome, now: float) -> list[Result]:
        """The outcome of a task that was sent; the rows that ended by it."""
        self.in_flight -= 1
        ended = self._ended(task, outcome, now)
        if not (self.in_flight or self._ready or self._delayed or self.outage.suspected):
            ended += self._unpark(now, again=False)  # nobody is left who could be answered
        return ended

    def probed(self, alive: bool, now: float) -> list[Result]:
        """The outcome of a probe; the rows that failed for good although the server is there."""
        self._probing = False
        if not self.outage.suspected:
            return []  # a row was answered meanwhile
        if alive:
            return self._unpark(now, again=self.outage.end(now))
        if self.outage.probe_failed(now):
            self.halt(Stop("network", self._parked[0][1].error if self._parked else None))
        return []

    def balance_read(self, amount: Decimal) -> None:
        """The balance as it was asked for."""
        self.budget.read(amount)
        if self.budget.is_below:
            self.halt(Stop("min_balance", BelowError("the balance is below --min-balance")))

    def balance_unread(self, error: OcxError) -> None:
        """The same if it failed: a budget that cannot be looked after holds nothing more."""
        self.budget.give_up_reading()
        # At the end a reading is for the report alone, if no floor is to be held.
        if self.budget.has_floor or not self._all_done:
            self.halt(Stop("balance", error))

    def refuse(self, row: BadRow) -> Result:
        """A row that cannot be sent."""
        failure = RowFailure(UsageError(f"line {row.line} {row.message}"), sent=False)
        self._count(failed=True)
        return Result(row, failure)

    def halt(self, stop: Stop) -> None:
        """Send nothing more; what is in flight may finish. The first reason counts."""
        self.stop = self.stop or stop

    def _due(self, now: float) -> Task | None:
        if self._delayed and self._delayed[0][0] <= now:
            return self._delayed[0][2]
        return self._ready[0] if self._ready else None

    def _idle(self, now: float) -> Action:
        if self._delayed:
            return Wait(self._delayed[0][0] - now)
        if not self._all_done:
            return Wait()
        return self._read(now) if self.budget.owes_reading else Step.FINISHED

    def _read(self, now: float) -> Step:
        self.budget.begin_reading(now)
        return Step.READ_BALANCE

    @property
    def _all_done(self) -> bool:
        waiting = self._ready or self._delayed or self._parked
        return self.closed and not self.in_flight and not waiting

    def _admitted(self, task: Task, now: float) -> Action:
        """The task, if the window, the rates and the budget let it go."""
        room = self.window.wait(self.in_flight, now)
        if room > 0:
            return Wait(room if room < math.inf else None)
        wait = self.rates.wait(now)
        if wait > 0:
            return Wait(wait)
        admission = self.budget.admit(task.row.body)
        if admission == "over":
            limit = self.budget.short_of(task.row.body)
            message = f"--{limit.replace('_', '-')} does not hold another row"
            # Credits used up are the run's normal end; a floor reached, or no beginning, is not.
            normal = limit == "max_credits" and self._begun
            self.halt(Stop(limit, PartialError(message) if normal else BelowError(message)))
            return Step.FINISHED
        if admission == "read":
            return self._read(now)
        return self._send(task, now) if admission == "go" else Wait()

    def _send(self, task: Task, now: float) -> Task:
        if self._ready and self._ready[0] is task:
            self._ready.popleft()
        else:
            heapq.heappop(self._delayed)
        self._fallbacks.begin(task)
        if not task.attempts:
            task.began = now
        task.attempts += 1
        task.cuts_before = self.window.cuts
        task.hold = self.budget.hold(task.row.body)
        self.rates.spend(task, now)
        self.in_flight += 1
        self._begun = True
        return task

    def _ended(self, task: Task, outcome: Outcome, now: float) -> list[Result]:
        task.attempts += outcome.requests - 1
        if isinstance(outcome, RowAnswer):
            self.early_refusals.answered()
            return [*self._server_answers(now), self._answered(task, outcome, now)]
        error, policy = outcome.error, policy_for(outcome.error, sent=outcome.sent)
        self._settle_failure(task, outcome)
        if not self.stop and self._fallbacks.take_over(task, error, again=policy.again):
            self._ready.appendleft(task)
            return []
        if policy.action == "stop" or self.early_refusals.lacks_the_model(error):
            self.halt(Stop(error.name if policy.action == "stop" else "refused", error))
            return []
        if policy.action == "limited":
            self._limited(task, outcome, now)
            return []
        if policy.action == "down":
            self.window.overload(task.cuts_before, self.in_flight + 1, now)
            self._unanswered(task, outcome, now, again=policy.again)
            return []
        ended = [*self._server_answers(now), self._finish(task, outcome, now)]
        if self.early_refusals.refuses(error):
            self.halt(Stop("refused", error))
        return ended

    def _server_answers(self, now: float) -> list[Result]:
        """A row was answered: those that were not, and have no attempt left, have failed."""
        again = self.outage.suspected and self.outage.end(now)
        self.outage.answered()
        self.window.answered()
        return self._unpark(now, again=again) if self._parked else []

    def _unpark(self, now: float, *, again: bool) -> list[Result]:
        """Send those that wait once more, or let them fail.

        Args:
            again: it was an outage, which costs no row an attempt.
        """
        parked, self._parked = self._parked, []
        ended = []
        for task, failure, last in parked:
            if last and not again and not self.stop:
                ended.append(self._finish(task, failure, now))
            else:
                task.retries += not again
                self._again(task, failure, now)
        return ended

    def _answered(self, task: Task, answer: RowAnswer, now: float) -> Result:
        self._limited_since = None
        self.rates.answered(task, answer, now)
        cost, source = self._limits.cost(task.row.body, answer)
        self.budget.settle(task.hold, cost)
        task.charge(cost)
        return self._finish(task, answer, now, source)

    def _settle_failure(self, task: Task, failure: RowFailure) -> None:
        self.budget.settle(task.hold, failure.credits, charged=failure.maybe_charged)
        if failure.credits is not None or failure.maybe_charged:
            task.charge(failure.credits)

    def _limited(self, task: Task, failure: RowFailure, now: float) -> None:
        wait = failure.error.retry_after
        if self.rates.refused(task, failure, now):
            self.window.overload(task.cuts_before, self.in_flight + 1, now)
        if self._limited_since is None:
            self._limited_since = now
        too_long = now - self._limited_since >= self._limits.max_outage
        if too_long or (wait or 0) > LONGEST_WAIT:
            self.halt(Stop("rate_limit", failure.error))
        else:
            self._delay(task, now, wait)

    def _unanswered(self, task: Task, failure: RowFailure, now: float, *, again: bool) -> None:
        """Retry; a row that has no attempt left waits until it is known whose failure it is."""
        self.outage.failure(task.row.id, failure.error.message, now)
        too_long = (failure.error.retry_after or 0) > LONGEST_WAIT
        last = not again or too_long or task.retries >= self._limits.retries
        if last or self.outage.suspected:
            self._parked.append((task, failure, last))
        else:
            task.retries += 1
            self._again(task, failure, now)

    def _again(self, task: Task, failure: RowFailure, now: float) -> None:
        if failure.sent and not failure.error.status and not self.stop:
            self.maybe_paid_twice += 1
            task.unanswered += 1
        self._delay(task, now, min(failure.error.retry_after or 0, LONGEST_WAIT))

    def _delay(self, task: Task, now: float, retry_after: float | None) -> None:
        due = now + backoff(task.attempts, retry_after)
        heapq.heappush(self._delayed, (due, task.row.line, task))

    def _finish(self, task: Task, outcome: Outcome, now: float, source: str = "unknown") -> Result:
        failed = isinstance(outcome, RowFailure)
        self._count(failed=failed)
        credits, seconds = task.credits, now - task.began
        if failed and credits is not None:
            source = "response"  # refused: nothing was charged
        return Result(
            task.row, outcome, task.sha256, task.attempts, seconds, credits, source, task.unanswered
        )

    def _count(self, *, failed: bool) -> None:
        exceeded = [limit for limit in self._limits.max_failures if limit.add(failed=failed)]
        if exceeded and self.stop is None:
            self.halt(Stop("failures", PartialError("more rows failed than --max-failures")))

"""A run without threads and without waiting: the scheduler against a made-up server."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from ocx.batch.control import Step, Task, Wait
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.row import Outcome, Result, Row, RowAnswer, RowFailure
from ocx.errors import NetworkError, OcxError, RateLimitError, ServerError

ANSWER = RowAnswer("ok", {"usage": {"prompt_tokens": 10, "completion_tokens": 10}})


def answer(credits: str | None = None, **headers: str) -> RowAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    amount = None if credits is None else Decimal(credits)
    return RowAnswer("ok", {}, headers=named, credits=amount)


def refusal(status: int, retry_after: float | None = None, **headers: str) -> RowFailure:
    kind: type[OcxError] = RateLimitError if status == 429 else ServerError
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RowFailure(kind(f"HTTP {status}", status=status, retry_after=retry_after), named)


def lost(*, sent: bool = True) -> RowFailure:
    return RowFailure(NetworkError("lost"), sent=sent)


def rows(count: int, **body: object) -> list[Row]:
    return [Row(f"r{number}", number + 1, {"model": "m", **body}) for number in range(count)]


@dataclass
class Simulation:
    """Rows, a scheduler and a server, in time that does not pass.

    Attributes:
        serve: what becomes of a request that is sent at a time, and how long that takes.
        alive: whether a probe is answered at a time.
        balance: what a reading at a time shows.
    """

    scheduler: Scheduler
    serve: Callable[[Task, float], tuple[Outcome, float]]
    alive: Callable[[float], bool] = lambda _now: True
    balance: Callable[[], Decimal] = lambda: Decimal(1000)
    now: float = 0.0
    sent: list[tuple[float, str]] = field(default_factory=list)
    outcomes: list[tuple[float, Outcome]] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    probes: int = 0
    readings: int = 0
    most_in_flight: int = 0
    limited_by: set[str] = field(default_factory=set)
    _waiting: list[Row] | None = None
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)

    def run(self, given: list[Row], until: float = 1e9) -> Simulation:
        """Until all is over, or the time is up; called again, it goes on with what is left."""
        if self._waiting is None:
            self._waiting = list(reversed(given))
        while self.now < until:
            self._feed()
            action = self.scheduler.next(self.now)
            self.limited_by.add(self.scheduler.limited_by)
            if action is Step.FINISHED and not self._events:
                break
            if action is Step.FINISHED or isinstance(action, Wait):
                seconds = action.seconds if isinstance(action, Wait) else None
                self._sleep(float("inf") if seconds is None else self.now + seconds)
            else:
                self._perform(action)
        return self

    def _feed(self) -> None:
        waiting = self._waiting or []
        for _ in range(min(self.scheduler.wants(), len(waiting))):
            self.scheduler.add(Task(waiting.pop(), ""))
        if not waiting:
            self.scheduler.closed = True

    def _perform(self, action: Task | Step) -> None:
        if isinstance(action, Task):
            outcome, seconds = self.serve(action, self.now)
            self.sent.append((self.now, action.row.id))
            self.most_in_flight = max(self.most_in_flight, self.scheduler.in_flight)
            self._later(seconds, self._done(action, outcome))
        elif action is Step.PROBE:
            self._later(0.01, self._probed)
        else:
            self._later(0.01, self._read(self.balance()))

    def _later(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), event))

    def _sleep(self, alarm: float) -> None:
        first = self._events[0][0] if self._events else float("inf")
        assert min(first, alarm) < float("inf"), "waits for nothing"
        self.now = max(self.now, min(first, alarm))
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()

    def _done(self, task: Task, outcome: Outcome) -> Callable[[], None]:
        def run() -> None:
            self.outcomes.append((self.now, outcome))
            self.results.extend(self.scheduler.done(task, outcome, self.now))

        return run

    def _probed(self) -> None:
        self.probes += 1
        self.results.extend(self.scheduler.probed(self.alive(self.now), self.now))

    def _read(self, amount: Decimal) -> Callable[[], None]:
        def run() -> None:
            self.readings += 1
            self.scheduler.balance_read(amount)

        return run

    @property
    def kinds(self) -> dict[str, int]:
        found = [result.kind for result in self.results]
        return {kind: found.count(kind) for kind in sorted(set(found))}


def always(
    outcome: Outcome, seconds: float = 1.0
) -> Callable[[Task, float], tuple[Outcome, float]]:
    return lambda _task, _now: (outcome, seconds)


def after(run: Simulation, start: float) -> tuple[int, float]:
    """Answers after a time, and the share of refusals among the outcomes."""
    later = [outcome for at, outcome in run.outcomes if at > start]
    refused = sum(isinstance(outcome, RowFailure) for outcome in later)
    return len(later) - refused, refused / len(later)

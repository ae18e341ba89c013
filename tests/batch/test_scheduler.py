"""Whole runs in simulated time: rate limits, storms, outages, budgets."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from ocx.batch.control import RunLimits, Task
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.row import Outcome, Row, RowAnswer, RowFailure
from ocx.errors import RejectedError
from tests.batch.simulation import ANSWER, Simulation, after, always, answer, lost, refusal, rows


class Gcra:
    """`rpm` requests a minute, as `ocx serve` counts them; the whole minute may come at once."""

    def __init__(self, rpm: int, seconds: float, *, tell: bool, retry_after: bool = True) -> None:
        self.rpm, self.seconds, self.tell, self.says = rpm, seconds, tell, retry_after
        self.busy_until = 0.0

    def __call__(self, task: Task, now: float) -> tuple[Outcome, float]:
        start = max(now, self.busy_until)
        wait = start - now - 60 / self.rpm * (self.rpm - 1)
        if wait > 1e-9:
            return refusal(429, wait if self.says else None), 0.01
        self.busy_until = start + 60 / self.rpm
        reset = self.busy_until - now
        headers = {
            "x-ratelimit-limit-requests": str(self.rpm),
            "x-ratelimit-remaining-requests": str(math.floor((60 - reset) * self.rpm / 60)),
            "x-ratelimit-reset-requests": f"{reset:.3f}s",
        }
        return RowAnswer("ok", {}, headers=headers if self.tell else {}), self.seconds


class FixedWindow:
    """`rpm` requests in each minute of the clock."""

    def __init__(self, rpm: int) -> None:
        self.rpm, self.window, self.used = rpm, -1, 0

    def __call__(self, task: Task, now: float) -> tuple[Outcome, float]:
        if int(now // 60) != self.window:
            self.window, self.used = int(now // 60), 0
        left = 60 - now % 60
        if self.used >= self.rpm:
            return refusal(429, left), 0.01
        self.used += 1
        headers = {
            "x-ratelimit-limit-requests": str(self.rpm),
            "x-ratelimit-remaining-requests": str(self.rpm - self.used),
            "x-ratelimit-reset-requests": f"{left:.3f}",
        }
        return RowAnswer("ok", {}, headers=headers), 0.2


SERVERS: dict[str, Any] = {
    **{f"{time} s, headers": Gcra(300, time, tell=True) for time in (0.01, 0.5, 5.0)},
    **{f"{time} s, no headers": Gcra(300, time, tell=False) for time in (0.01, 0.5, 5.0)},
    "a minute of the clock": FixedWindow(300),
}


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_at_300_a_minute_nine_tenths_are_used_and_few_are_refused(server: Any) -> None:
    """After the first minute; the server's clock, not ours, says what is allowed."""
    run = Simulation(Scheduler(RunLimits(32)), server).run(rows(5000), until=600)
    answered, refused = after(run, 60)
    assert answered >= 0.9 * 300 * 9
    assert refused < 0.01


def test_a_limit_that_falls_is_followed() -> None:
    server = Gcra(600, 0.1, tell=False)

    def serve(task: Task, now: float) -> tuple[Outcome, float]:
        server.rpm = 600 if now < 120 else 60
        return server(task, now)

    run = Simulation(Scheduler(RunLimits(32)), serve).run(rows(5000), until=900)
    answered, refused = after(run, 300)
    assert refused < 0.05
    assert answered >= 0.8 * 60 * 10


def test_a_storm_of_429_fails_no_row() -> None:
    run = Simulation(
        Scheduler(RunLimits(32, retries=0)),
        lambda task, now: (ANSWER, 0.1) if now > 30 else (refusal(429), 0.01),
    ).run(rows(200))
    assert run.kinds == {"ok": 200}


@pytest.mark.parametrize("retry_after", [None, 0.0])
def test_a_burst_of_429_at_the_start_is_soon_forgotten(retry_after: float | None) -> None:
    def serve(task: Task, _now: float) -> tuple[Outcome, float]:
        first = task.attempts == 1 and int(task.row.id[1:]) % 4 == 0 and int(task.row.id[1:]) < 40
        return (refusal(429, retry_after), 0.01) if first else (ANSWER, 0.05)

    run = Simulation(Scheduler(RunLimits(32)), serve).run(rows(2_000))
    assert run.kinds == {"ok": 2_000}
    assert run.now < 15


def test_nothing_but_429_for_the_longest_outage_stops_the_run() -> None:
    run = Simulation(Scheduler(RunLimits(max_outage=600)), always(refusal(429, 1.0))).run(rows(9))
    assert run.scheduler.stop.reason == "rate_limit"
    assert run.results == []


def test_a_retry_after_of_an_hour_stops_the_run() -> None:
    run = Simulation(Scheduler(RunLimits()), always(refusal(429, 3600))).run(rows(9))
    assert run.scheduler.stop is not None
    assert run.now < 10


def test_a_503_that_asks_for_a_day_ends_its_row() -> None:
    def serve(task: Task, _now: float) -> tuple[Outcome, float]:
        return (refusal(503, 86400) if task.row.id == "r0" else ANSWER), 1.0

    run = Simulation(Scheduler(RunLimits()), serve).run(rows(9))
    assert run.kinds == {"ok": 8, "server": 1}
    assert run.now < 60


def test_what_a_run_left_in_flight_holds_up_no_later_one() -> None:
    limits = RunLimits(max_credits=Decimal(10))
    before = Scheduler(limits)
    before.budget.read(Decimal(100))
    before.budget.settle(before.budget.hold({}), Decimal(8))
    before.budget.hold({})
    assert Scheduler(limits, before).budget.admit({}) == "read"


def test_a_count_of_tokens_that_no_number_holds() -> None:
    huge = RowAnswer("ok", {"usage": {"total_tokens": 10**400}})
    assert Simulation(Scheduler(RunLimits()), always(huge)).run(rows(3)).kinds == {"ok": 3}


def test_a_row_that_waits_gives_up_its_slot() -> None:
    """One row is told to come back in 50 s; the others go on meanwhile."""

    def serve(task: Task, now: float) -> tuple[Outcome, float]:
        if task.row.id == "r0" and task.attempts == 1:
            return refusal(503), 0.01
        return ANSWER, 1.0

    run = Simulation(Scheduler(RunLimits(1)), serve).run(rows(20))
    assert run.results[0].id != "r0"
    assert run.kinds == {"ok": 20}


@pytest.mark.parametrize(
    ("limits", "outcome", "says"),
    [
        (RunLimits(2), ANSWER, "-j"),
        (RunLimits(100), ANSWER, "finding the speed"),
        (RunLimits(8, rpm=60), ANSWER, "--rpm"),
        (RunLimits(8, max_credits=Decimal(3)), answer("1"), "the budget"),
        (RunLimits(8), lost(), "looking for it"),
    ],
)
def test_what_keeps_a_run_from_sending_more(limits: RunLimits, outcome: Outcome, says: str) -> None:
    run = Simulation(Scheduler(limits), always(outcome, 1.0)).run(rows(9))
    assert says in run.limited_by
    assert run.results[0].seconds >= 1


def test_a_model_that_is_not_there_is_asked_for_once() -> None:
    def serve(task: Task, now: float) -> tuple[Outcome, float]:
        error = RejectedError("no such model", status=404, api_code="model_not_found")
        return (RowFailure(error) if task.row.model == "gone" else ANSWER), 0.1

    for model, sent in (("gone", 6), ("m", 5)):
        run = Simulation(Scheduler(RunLimits(1, fallbacks=["b"])), serve)
        run.run(rows(5, model=model))
        assert (run.kinds, len(run.sent)) == ({"ok": 5}, sent)
        asked = {result.row.model for result in run.results if isinstance(result.row, Row)}
        assert asked == ({"b"} if model == "gone" else {"m"})


def test_the_users_own_limits_hold() -> None:
    run = Simulation(Scheduler(RunLimits(32, rpm=60)), always(ANSWER, 0.1)).run(rows(100))
    times = [at for at, _ in run.sent]
    assert all(sum(at <= t < at + 59.9 for t in times) <= 60 for at in times)
    assert run.now == pytest.approx(99, abs=2)


@pytest.mark.parametrize("workers", [1, 32])
@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("sent", [True, False], ids=["lost", "unconnected"])
def test_a_minute_without_network_fails_no_row(workers: int, retries: int, sent: bool) -> None:
    """Both connections that break and those that cannot be made."""

    def serve(task: Task, now: float) -> tuple[Outcome, float]:
        return (lost(sent=sent), 0.05) if 20 <= now < 80 else (ANSWER, 0.5)

    run = Simulation(
        Scheduler(RunLimits(workers, retries)), serve, lambda now: not 20 <= now < 80
    ).run(rows(120 * workers))
    assert run.kinds == {"ok": 120 * workers}
    during = [at for at, _ in run.sent if 22 <= at < 79]
    assert len(during) == 0
    assert 4 <= run.probes < 15
    assert 50 < run.scheduler.outage.seconds < 90


def test_an_outage_that_does_not_end_stops_the_run_with_nothing_failed() -> None:
    run = Simulation(
        Scheduler(RunLimits(32, max_outage=120)), always(lost(sent=False), 0.01), lambda _now: False
    ).run(rows(500))
    assert run.scheduler.stop.reason == "network"
    assert run.results == []
    assert 120 <= run.now < 140


def test_rows_that_always_get_500_fail_while_the_others_succeed() -> None:
    """The server is there: an outage is suspected, looked into, and ruled out."""

    def serve(task: Task, now: float) -> tuple[Outcome, float]:
        return (refusal(500), 0.1) if int(task.row.id[1:]) % 10 == 0 else (ANSWER, 0.1)

    run = Simulation(Scheduler(RunLimits(8)), serve).run(rows(300))
    assert run.kinds == {"ok": 270, "server": 30}
    assert run.scheduler.window.cuts
    assert all(result.attempts == 3 for result in run.results if result.kind == "server")


def test_a_server_that_answers_probes_but_nothing_else_ends_with_failures() -> None:
    run = Simulation(Scheduler(RunLimits(8)), always(refusal(500), 0.1)).run(rows(100))
    assert run.kinds == {"server": 100}
    assert run.probes < 40


def test_a_lost_answer_is_counted_as_maybe_paid_twice() -> None:
    run = Simulation(
        Scheduler(RunLimits(1)),
        lambda task, _now: (lost(), 0.1) if task.attempts == 1 else (ANSWER, 0.1),
    ).run(rows(3))
    assert run.kinds == {"ok": 3}
    assert run.scheduler.maybe_paid_twice == 3

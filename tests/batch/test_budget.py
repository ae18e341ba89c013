"""Budgets over whole runs in simulated time: the bounds that are documented."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from decimal import Decimal

import pytest

from ocx.api.prices import Price
from ocx.batch.control import RunLimits, Step, Task, Wait
from ocx.batch.control.budget import READ_AFTER, READ_EVERY
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.row import Outcome, Row
from ocx.errors import NetworkError
from tests.batch.simulation import Simulation, always, answer, lost, rows


class Account:
    """Charges each answer `cost`; tells it in the answer, or only in the balance."""

    def __init__(self, balance: str, cost: Callable[[Task], Decimal], *, tell: bool) -> None:
        self.balance = Decimal(balance)
        self.start = self.balance
        self.cost, self.tell = cost, tell

    def __call__(self, task: Task, now: float) -> tuple[Outcome, float]:
        cost = self.cost(task)
        self.balance -= cost
        return answer(str(cost) if self.tell else None), 0.5

    @property
    def spent(self) -> Decimal:
        return self.start - self.balance


PRICED = {"m": Price(Decimal(0), Decimal(1_000_000))}


def varied(task: Task) -> Decimal:
    return Decimal(1 + int(task.row.id[1:]) % 3) / 2


@pytest.mark.parametrize("workers", [1, 32])
@pytest.mark.parametrize("tell", [True, False], ids=["told", "by balance"])
def test_a_budget_is_kept_within_its_bound(workers: int, tell: bool) -> None:
    """The largest cost is 1.5, and a row holds at least 1.5 times the smallest, 0.75."""
    account = Account("1000", varied, tell=tell)
    settings = RunLimits(workers, max_credits=Decimal(50))
    run = Simulation(Scheduler(settings), account, balance=lambda: account.balance)
    run.run(rows(5000))
    assert run.scheduler.stop.reason == "max_credits"
    assert account.spent <= 50 + (1 if tell else 3) * workers * Decimal("0.75")
    assert account.spent >= 40
    assert run.scheduler.budget.by_balance is not tell


def test_a_budget_with_a_price_is_never_exceeded() -> None:
    account = Account("1000", lambda task: Decimal(1 + int(task.row.id[1:]) % 3), tell=True)
    limits = RunLimits(32, max_credits=Decimal(50), prices=PRICED)
    run = Simulation(Scheduler(limits), account)
    run.run(rows(500, max_tokens=3))
    assert 45 <= account.spent <= 50


def test_the_first_rows_go_one_at_a_time() -> None:
    account = Account("1000", lambda _task: Decimal(40), tell=True)
    settings = RunLimits(32, max_credits=Decimal(50))
    run = Simulation(Scheduler(settings), account).run(rows(500))
    assert account.spent == 40
    assert len(run.sent) == 1


def test_a_lost_answer_counts_with_its_worst_case() -> None:
    """What may have been charged is not spent again."""
    limits = RunLimits(4, max_credits=Decimal(10), prices=PRICED)

    def serve(task: Task, now: float) -> tuple[Outcome, float]:
        return (lost(), 0.1) if task.attempts == 1 else (answer("1"), 0.1)

    run = Simulation(Scheduler(limits), serve).run(rows(50, max_tokens=1))
    assert len(run.sent) <= 10


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("workers", [1, 8])
def test_the_least_balance_holds_over_runs_that_know_nothing_of_each_other(
    shards: int, workers: int
) -> None:
    account = Account("100", varied, tell=True)
    limits = RunLimits(workers, min_balance=Decimal(20))
    runs = [
        Simulation(Scheduler(limits), account, balance=lambda: account.balance)
        for _ in range(shards)
    ]
    given = [[*rows(1000)] for _ in runs]
    for until in range(1, 400):
        for run, left in zip(runs, given, strict=True):
            run.run(left, until=float(until) / 4)
    assert all(run.scheduler.stop is not None for run in runs)
    worst = Decimal("1.5")
    assert 20 - shards * workers * worst <= account.balance < 35


def test_a_balance_that_never_changes_is_not_asked_for_without_end() -> None:
    """Costs that are booked a day later, or a model that is free."""
    limits = RunLimits(4, max_credits=Decimal(1000), prices=PRICED)
    run = Simulation(Scheduler(limits), always(answer(), 1.0))
    run.scheduler.budget.worst({"model": "m"})
    run.run([*rows(100, max_tokens=1)])
    assert run.kinds == {"ok": 100}
    assert run.readings <= 101


def test_a_balance_that_is_below_already_sends_nothing() -> None:
    account = Account("10", varied, tell=True)
    settings = RunLimits(4, min_balance=Decimal(20))
    run = Simulation(Scheduler(settings), account, balance=lambda: account.balance).run(rows(5))
    assert run.sent == []


@pytest.mark.parametrize(("seconds", "workers"), [(0.01, 4), (2.0, 8), (7.0, 3), (0.5, 200)])
def test_a_floor_is_looked_at_whatever_the_answers_say_they_cost(
    seconds: float, workers: int
) -> None:
    """A server that names costs of nothing takes no more than what two readings are apart."""
    account = Account("1000", lambda _task: Decimal(1), tell=True)

    def lies(task: Task, now: float) -> tuple[Outcome, float]:
        account(task, now)
        return answer("0"), seconds

    scheduler = Scheduler(RunLimits(workers, min_balance=Decimal(500)))
    run = Simulation(scheduler, lies, balance=lambda: account.balance).run(rows(3000))
    assert run.scheduler.stop.reason == "min_balance"
    between = min(READ_AFTER, workers * math.ceil(READ_EVERY / seconds)) + 2 * workers
    assert 500 - between <= account.balance <= 500
    assert run.readings >= 500 / between


def test_a_floor_is_looked_at_in_good_time_and_not_more_often() -> None:
    account = Account("1000", lambda _task: Decimal(0), tell=True)
    at: list[float] = []
    run = Simulation(Scheduler(RunLimits(4, min_balance=Decimal(1))), account)

    def read() -> Decimal:
        at.append(run.now)
        return account.balance

    run.balance = read
    run.run(rows(400))  # 0.5 s each, four at once: 50 s
    assert run.kinds == {"ok": 400}
    assert max(b - a for a, b in itertools.pairwise(at)) <= READ_EVERY + 0.5
    assert len(at) <= 50 / READ_EVERY + 2


@pytest.mark.parametrize("tell", [True, False])
def test_the_balance_is_read_before_the_end(tell: bool) -> None:
    account = Account("100", lambda _task: Decimal(50), tell=False)

    def once(task: Task, now: float) -> tuple[Outcome, float]:
        account(task, now)
        return answer("0" if tell else None), 0.5

    scheduler = Scheduler(RunLimits(4, min_balance=Decimal(60)))
    run = Simulation(scheduler, once, balance=lambda: account.balance).run(rows(1))
    assert run.kinds == {"ok": 1}
    assert run.readings == 2
    assert run.scheduler.stop.reason == "min_balance"


def test_a_floor_that_cannot_be_looked_at_stops_the_run() -> None:
    """No more is sent than between two readings while the one under way does not end."""
    scheduler = Scheduler(RunLimits(50, min_balance=Decimal(1)))
    scheduler.budget.begin_reading(0.0)
    scheduler.balance_read(Decimal(100))
    for number in range(2000):
        scheduler.add(Task(Row(f"r{number}", number + 1, {"model": "m"}), ""))
    sent = 0
    readings = 0
    for _ in range(2000):
        action = scheduler.next(1.0)
        if isinstance(action, Task):
            sent += 1
            scheduler.done(action, answer("0"), 1.0)
        elif action is Step.READ_BALANCE:
            readings += 1
        else:
            assert isinstance(action, Wait)
            break
    assert (sent, readings) == (2 * READ_AFTER, 1)
    scheduler.balance_unread(NetworkError("lost"))
    assert scheduler.stop.reason == "balance"

"""Budgets over whole runs in simulated time: the bounds that are documented."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from ocx.answer.price import Price
from ocx.batch.control.budget import Limits
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.control.settings import Settings
from ocx.batch.control.task import Task
from ocx.batch.result import Outcome
from tests.batch.simulation import Simulation, answer, lost, rows

Serve = Callable[[Task, float], tuple[Outcome, float]]


def always(outcome: Outcome, seconds: float = 1.0) -> Serve:
    return lambda _task, _now: (outcome, seconds)


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


def varied(task: Task) -> Decimal:
    return Decimal(1 + int(task.row.id[1:]) % 3) / 2


@pytest.mark.parametrize("workers", [1, 32])
@pytest.mark.parametrize("tell", [True, False], ids=["told", "by balance"])
def test_a_budget_is_kept_within_its_bound(workers: int, tell: bool) -> None:
    """The largest cost is 1.5, and a row holds at least 1.5 times the smallest, 0.75."""
    account = Account("1000", varied, tell=tell)
    settings = Settings(workers, limits=Limits(max_credits=Decimal(50)))
    run = Simulation(Scheduler(settings), account, balance=lambda: account.balance)
    run.run(rows(5000))
    assert run.scheduler.stop is not None
    assert run.scheduler.stop.reason == "max_credits"
    assert account.spent <= 50 + (1 if tell else 3) * workers * Decimal("0.75")
    assert account.spent >= 40
    assert run.scheduler.budget.by_balance is not tell


def test_a_budget_with_a_price_is_never_exceeded() -> None:
    price = Price(Decimal(0), Decimal(1_000_000))
    account = Account("1000", lambda task: Decimal(1 + int(task.row.id[1:]) % 3), tell=True)
    limits = Limits(max_credits=Decimal(50), prices={"m": price})
    run = Simulation(Scheduler(Settings(32, limits=limits)), account)
    run.run(rows(500, max_tokens=3))
    assert 45 <= account.spent <= 50


def test_the_first_rows_go_one_at_a_time() -> None:
    account = Account("1000", lambda _task: Decimal(40), tell=True)
    settings = Settings(32, limits=Limits(max_credits=Decimal(50)))
    run = Simulation(Scheduler(settings), account).run(rows(500))
    assert account.spent == 40
    assert len(run.sent) == 1


def test_a_lost_answer_counts_with_its_worst_case() -> None:
    """What may have been charged is not spent again."""
    limits = Limits(Decimal(10), prices={"m": Price(Decimal(0), Decimal(1_000_000))})

    def serve(task: Task, now: float) -> tuple[Outcome, float]:
        return (lost(), 0.1) if task.attempts == 1 else (answer("1"), 0.1)

    run = Simulation(Scheduler(Settings(4, limits=limits)), serve).run(rows(50, max_tokens=1))
    assert len(run.sent) <= 10


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("workers", [1, 8])
def test_the_least_balance_holds_over_runs_that_know_nothing_of_each_other(
    shards: int, workers: int
) -> None:
    account = Account("100", varied, tell=True)
    limits = Limits(min_balance=Decimal(20))
    runs = [
        Simulation(
            Scheduler(Settings(workers, limits=limits)), account, balance=lambda: account.balance
        )
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
    limits = Limits(Decimal(1000), prices={"m": Price(Decimal(0), Decimal(1_000_000))})
    run = Simulation(Scheduler(Settings(4, limits=limits)), always(answer(), 1.0))
    run.scheduler.budget.worst({"model": "m"})
    run.run([*rows(100, max_tokens=1)])
    assert run.kinds == {"ok": 100}
    assert run.readings <= 101


def test_a_balance_that_is_below_already_sends_nothing() -> None:
    account = Account("10", varied, tell=True)
    settings = Settings(4, limits=Limits(min_balance=Decimal(20)))
    run = Simulation(Scheduler(settings), account, balance=lambda: account.balance).run(rows(5))
    assert run.sent == []
    assert run.scheduler.unsent == 5

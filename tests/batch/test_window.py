"""The window in seconds, and the beginning in which nothing succeeds; an hour of each server."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.error_words import is_unknown_model
from ocx.batch.control import RunLimits, Task
from ocx.batch.control.failures import EarlyRefusals
from ocx.batch.control.scheduler import Scheduler
from ocx.batch.control.window import Window
from ocx.batch.row import Outcome, RowFailure
from ocx.errors import RejectedError, ServerError
from tests.batch.simulation import ANSWER, Simulation, after, lost, refusal, rows
from tests.support.sizes import size, some


def full(window: Window, seconds: float, start: float = 0.0) -> float:
    """Use all of the window for so long; the time then."""
    now = start
    while now < start + seconds:
        window.wait(window.limit, now)
        now += 0.05
    return now


def test_four_try_the_server_until_one_is_answered_or_half_a_second() -> None:
    window = Window(1000)
    assert window.limit == 4
    window.answered()
    assert window.limit == 64
    other = Window(32)
    full(other, 0.6)
    assert other.limit == 32


def test_the_window_doubles_every_half_second_without_an_answer() -> None:
    window = Window(1000)
    window.answered()
    assert window.wait(64, 0.0) == 0.5
    assert window.wait(64, 0.25) == 0.25
    assert window.wait(64, 0.5) == 0
    assert window.limit == 128
    full(window, 2.0, 0.5)
    assert window.limit == 1000
    assert window.wait(1000, 3.0) == math.inf


def test_a_window_that_is_not_full_does_not_grow() -> None:
    window = Window(1000)
    window.answered()
    assert all(window.wait(20, number / 10) == 0 for number in range(100))
    assert window.limit == 64


def test_many_refusals_of_one_time_are_one_episode() -> None:
    window = Window(64)
    window.answered()
    sent_in = window.cuts
    for _ in range(32):
        window.overload(sent_in, 64, 1.0)
    assert window.limit == 32
    window.overload(window.cuts, 32, 2.0)
    assert window.limit == 16


def test_a_cut_stops_the_doubling_and_is_made_good_within_fifteen_seconds() -> None:
    window = Window(1000)
    window.answered()
    full(window, 1.1)
    assert window.limit == 256
    window.overload(0, 256, 2.0)
    assert window.limit == 128
    now = full(window, 5.0, 2.0)
    assert 128 < window.limit < 190
    now = full(window, 9.0, now)
    assert window.limit == int(0.9 * 256)
    now = full(window, 10, now)
    assert window.limit == int(0.9 * 256), "it stays there for a while"
    full(window, 5.1, now)
    assert 230 < window.limit < 256, "then it grows, gently at first"


def test_the_way_back_needs_no_request_in_between() -> None:
    window = Window(100)
    window.answered()
    full(window, 1.0)
    window.overload(0, 100, 0.0)
    assert window.wait(89, 15.0) == 0
    assert window.limit == 90


@given(st.integers(1, 10_000), st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=200))
def test_the_limit_stays_between_one_and_the_ceiling(
    ceiling: int, events: list[tuple[float, bool]]
) -> None:
    window, now = Window(ceiling), 0.0
    for pause, refused in events:
        now += pause
        if refused:
            window.overload(window.cuts, window.limit, now)
        else:
            window.wait(window.limit, now)
        assert 1 <= window.limit <= ceiling


def test_the_first_twenty_rows_refused_alike_are_the_end() -> None:
    beginning = EarlyRefusals(patient=False)
    errors = [RejectedError(f"HTTP 400: bad field in row {n}", status=400) for n in range(20)]
    assert [beginning.refuses(error) for error in errors] == [*[False] * 19, True]


@pytest.mark.parametrize("at", [0, 7, 18])
@pytest.mark.parametrize("other", ["success", "another refusal", "an outage", "patience"])
def test_anything_else_among_them_is_not(at: int, other: str) -> None:
    beginning = EarlyRefusals(patient=other == "patience")
    for number in range(40):
        if number == at and other == "success":
            beginning.answered()
        if number == at and other == "another refusal":
            assert not beginning.refuses(RejectedError("HTTP 422", status=422))
        if number == at and other == "an outage":
            assert not beginning.refuses(ServerError("HTTP 500", status=500))
        assert not beginning.refuses(RejectedError("HTTP 400", status=400))


@pytest.mark.parametrize(
    ("status", "code", "message", "unknown"),
    [
        (404, "model_not_found", "HTTP 404: no", True),
        (400, None, "HTTP 400: Model Not Exist", True),
        (404, None, "HTTP 404: The model `gpt-x` does not exist or you do not have access", True),
        (400, "invalid_model", "HTTP 400: x", True),
        (404, None, "HTTP 404: Not Found", False),
        (400, None, "HTTP 400: max_tokens is too large for this model", False),
    ],
)
def test_a_model_that_does_not_exist(
    status: int, code: str | None, message: str, unknown: bool
) -> None:
    error = RejectedError(message, status=status, api_code=code)
    assert is_unknown_model(error) is unknown
    beginning = EarlyRefusals(patient=True)
    beginning.models.add("m")
    assert beginning.lacks_the_model(error) is unknown
    beginning.models.add("other")
    assert not beginning.lacks_the_model(error)


HOUR = 3600.0


class Slots:
    """A server that refuses what is more than it can do at once, without a word about waiting."""

    def __init__(self, slots: Callable[[float], int], seconds: Callable[[float], float]) -> None:
        self.slots, self.seconds = slots, seconds
        self.busy: list[float] = []

    def __call__(self, _task: Task, now: float) -> tuple[Outcome, float]:
        self.busy = [end for end in self.busy if end > now]
        if len(self.busy) >= self.slots(now):
            return refusal(429), 0.01
        seconds = self.seconds(now)
        self.busy.append(now + seconds)
        return ANSWER, seconds


def hour(
    server: Callable[[Task, float], tuple[Outcome, float]], jobs: int, count: int
) -> Simulation:
    return Simulation(Scheduler(RunLimits(jobs)), server).run(rows(count), until=HOUR)


def test_long_answers_are_all_on_their_way_within_seconds() -> None:
    chance = random.Random(1)
    run = Simulation(Scheduler(RunLimits(64)), lambda *_: (ANSWER, chance.uniform(4, 12)))
    run.run(rows(64))
    assert max(at for at, _ in run.sent) <= 0.5
    many = Simulation(Scheduler(RunLimits(4000)), lambda *_: (ANSWER, chance.uniform(30, 60)))
    many.run(rows(4000))
    assert max(at for at, _ in many.sent) <= 4
    assert many.kinds == {"ok": 4000}


def test_short_answers_use_the_whole_window() -> None:
    run = Simulation(Scheduler(RunLimits(1000)), lambda *_: (ANSWER, 0.5)).run(rows(10_000))
    assert run.now < 10_000 * 0.5 / 1000 + 3


@pytest.mark.parametrize("seconds", some([0.5, 8.0, 40.0], 2), ids=lambda seconds: f"{seconds:g} s")
@pytest.mark.parametrize("slots", some([8, 32], 1))
def test_a_limit_of_requests_at_once_is_found_and_kept(slots: int, seconds: float) -> None:
    run = hour(Slots(lambda _now: slots, lambda _now: seconds), 512, 10_000)
    answered, refused = after(run, 60)
    possible = min(9_000, slots / seconds * (HOUR - 60))
    assert answered >= 0.75 * possible
    assert refused < 0.01


def test_a_limit_that_falls_is_followed_and_one_that_rises_is_found() -> None:
    def slots(now: float) -> int:
        return most if now < 600 else most // 8 if now < 1200 else most

    most = size(64, 32)
    run = hour(Slots(slots, lambda _now: 4.0), most, 60_000)
    within = [at for at, outcome in run.outcomes if outcome is ANSWER and 700 < at < 1200]
    assert len(within) >= 0.7 * most / 8 / 4 * 500
    at_the_end = [at for at, outcome in run.outcomes if outcome is ANSWER and at > HOUR - 300]
    assert len(at_the_end) >= 0.7 * most / 4 * 300


def test_refusals_by_chance_do_not_keep_it_small() -> None:
    chance = random.Random(2)

    def serve(_task: Task, _now: float) -> tuple[Outcome, float]:
        return (refusal(429), 0.01) if chance.random() < 1 / 400 else (ANSWER, 1.0)

    count = size(30_000, 12_000)
    run = Simulation(Scheduler(RunLimits(256)), serve).run(rows(count))
    assert run.now < 1.5 * count / 256


def test_a_server_that_gets_slower_is_not_taken_for_one_that_refuses() -> None:
    run = hour(lambda _task, now: (ANSWER, 1 + now / 60), 256, 20_000)
    assert run.most_in_flight == 256
    assert run.scheduler.window.cuts == 0


def test_a_poison_row_fails_like_any_other() -> None:
    def serve(task: Task, _now: float) -> tuple[Outcome, float]:
        return (lost(), 0.01) if task.row.id == "r10" else (ANSWER, 0.05)

    for jobs in (1, 4, 64):
        for count in (11, 12, 40):
            run = Simulation(Scheduler(RunLimits(jobs)), serve, lambda _now: False)
            run.run(rows(count))
            assert run.kinds == {"network": 1, "ok": count - 1}
            assert run.now < 10
            assert run.probes == 0


def test_a_poison_row_alone_fails_too() -> None:
    run = Simulation(Scheduler(RunLimits(32)), lambda *_: (lost(), 0.01), lambda _now: False)
    run.run(rows(2))
    assert run.kinds == {"network": 2}
    assert run.now < 10


def test_a_server_that_comes_back_without_answering_probes() -> None:
    """What is on its way when the outage is suspected is answered: the server is there."""

    def serve(task: Task, now: float) -> tuple[Outcome, float]:
        number = int(task.row.id[1:])
        return (lost(), 0.1) if number < 3 and task.attempts < 3 else (ANSWER, 5.0)

    run = Simulation(Scheduler(RunLimits(8)), serve, lambda _now: False).run(rows(40))
    assert run.kinds == {"ok": 40}
    assert run.now < 100


def test_the_model_that_all_ask_for_is_missing() -> None:
    error = RejectedError(
        "HTTP 404: no such model: not found", status=404, api_code="model_not_found"
    )
    run = Simulation(Scheduler(RunLimits(1)), lambda *_: (RowFailure(error), 0.1)).run(rows(500))
    assert run.scheduler.stop.error is error
    assert (len(run.sent), run.results) == (1, [])

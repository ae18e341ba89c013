"""Concurrency, rates, outages, failures: each on its own, with time as a number."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.retry import backoff
from ocx.batch.control import parse_max_failures
from ocx.batch.control.failures import FAILED_ROWS, Outage
from ocx.batch.control.rates import AdaptiveRate, FixedRate, ServerLimit, seconds_in
from ocx.errors import UsageError


@given(st.integers(1, 600), st.lists(st.floats(0, 5), max_size=200))
def test_no_minute_holds_more_than_the_pace(per_minute: int, pauses: list[float]) -> None:
    pace, now, sent = FixedRate(per_minute), 0.0, list[float]()
    for pause in pauses:
        now = max(now + pause, now + pace.wait(now))
        pace.spend(now)
        sent.append(now)
    for start in sent:
        assert sum(start <= at < start + 60 - 1e-6 for at in sent) <= per_minute


def test_tokens_that_were_not_used_are_given_back() -> None:
    pace = FixedRate(60)
    pace.spend(0.0, 30)
    assert pace.wait(0.0) == 30
    pace.correct(-20)
    assert pace.wait(0.0) == 10


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("1.5s", 1.5),
        ("200ms", 0.2),
        ("6m0s", 360),
        ("1h2m3s", 3723),
        ("1d", 86400),
        ("12", 12),
        ("0", 0),
        ("", None),
        ("soon", None),
        ("-1s", None),
        ("1s2", None),
    ],
)
def test_durations_as_servers_write_them(text: str, seconds: float | None) -> None:
    assert seconds_in(text) == seconds


def test_a_reset_may_be_a_time() -> None:
    assert seconds_in(f"{time.time() + 100:.0f}") == pytest.approx(100, abs=2)


def limits(remaining: int, reset: str, limit: int = 10) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-reset-requests": reset,
    }


def test_what_is_used_up_is_waited_for() -> None:
    limit = ServerLimit("requests")
    limit.spend(0.0)
    limit.read(limits(0, "6s"), 1.0, limit.total)
    assert limit.wait(1.0) == 6
    assert limit.wait(7.0) == 0


def test_requests_sent_since_are_not_in_the_server_s_number_yet() -> None:
    limit = ServerLimit("requests")
    limit.spend(0.0)
    before = limit.total
    for _ in range(3):
        limit.spend(0.0)
    limit.read(limits(3, "6s"), 0.5, before)
    assert limit.remaining == 0
    assert limit.wait(0.5) == 6


def test_the_second_half_is_spread_over_the_time_left() -> None:
    limit = ServerLimit("requests")
    limit.spend(0.0)
    limit.read(limits(4, "8s"), 0.0, limit.total)
    assert limit.wait(0.0) <= 0
    limit.spend(0.0)
    assert limit.wait(0.0) == pytest.approx(8 / 3)


def test_headers_that_say_nothing_change_nothing() -> None:
    limit = ServerLimit("requests")
    for headers in ({}, limits(0, "never"), {"x-ratelimit-remaining-requests": "0"}):
        limit.read(headers, 0.0, 0.0)
        assert limit.wait(0.0) == 0


def refused_at(pace: AdaptiveRate, *seconds: float) -> None:
    for second in seconds:
        pace.spend(second)
        pace.refused(second, new=True)


def test_a_learned_pace_is_what_was_accepted() -> None:
    pace = AdaptiveRate()
    pace.spend(0.0)
    for number in range(100):
        pace.accepted.add(number / 10)
    assert pace.wait(10.0) == 0
    pace.refused(20.0, new=True)
    assert pace.rate == pytest.approx(5)
    assert pace.wait(20.0) == pytest.approx(0.2)
    pace.refused(20.0, new=False)
    assert pace.rate == pytest.approx(5)
    pace.refused(20.0, new=True)
    assert pace.rate == pytest.approx(0.75 * 5)


def test_refusals_of_the_first_seconds_say_nothing_of_the_rate() -> None:
    pace = AdaptiveRate()
    pace.accepted.add(0.0)
    refused_at(pace, 0.0, 1.0, 4.9)
    assert pace.rate is None
    refused_at(pace, 5.0)
    assert pace.rate is not None


def test_one_refusal_among_many_answers_is_chance() -> None:
    pace = AdaptiveRate()
    pace.spend(0.0)
    for number in range(300):
        pace.accepted.add(number / 10)
    refused_at(pace, 30.0, 30.0)
    assert pace.rate is None
    refused_at(pace, 30.0)
    assert pace.rate == pytest.approx(10)


def test_a_minute_without_a_refusal_lets_the_pace_leap() -> None:
    pace = AdaptiveRate()
    pace.accepted.add(0.0)
    refused_at(pace, *map(float, range(10)))
    low = pace.rate
    assert low is not None
    for second in range(10, 60):
        pace.spend(float(second))
    assert pace.rate is not None
    assert pace.rate < 2 * low
    for second in range(60, 130):
        pace.spend(float(second))
    assert pace.rate > 1000 * low


def failures(outage: Outage, *ids: str, now: float = 0.0) -> None:
    for row_id in ids:
        outage.failure(row_id, "it is gone", now)


def test_three_rows_without_an_answer_in_between_are_suspicious() -> None:
    outage = Outage(600)
    failures(outage, "a", "b", "a", "b", "a")
    assert not outage.suspected, "two rows are two rows, however often they are tried"
    outage.answered()
    failures(outage, "a", "c")
    assert not outage.suspected
    failures(outage, "d", now=7.0)
    assert outage.suspected
    assert outage.next_probe == 7.0
    assert outage.waited(7.0) == 7, "since the first failure"
    assert outage.reason == "it is gone"


def test_probes_go_on_with_pauses_until_the_outage_is_over_or_too_long() -> None:
    outage = Outage(60)
    failures(outage, "a", "b", "c", now=10.0)
    now, pauses = 10.0, list[float]()
    while not outage.probe_failed(now):
        pauses.append(outage.next_probe - now)
        now += pauses[-1]
    assert pauses[:5] == [1, 2, 4, 8, 15]
    assert now == 70
    other = Outage(60)
    failures(other, "a", "b", "c")
    assert not other.probe_failed(0.0)
    assert other.end(30.0), "it was an outage"
    assert other.seconds == 30


def test_false_alarms_become_rarer() -> None:
    outage = Outage(600)
    for expected in (FAILED_ROWS, 2 * FAILED_ROWS, 4 * FAILED_ROWS):
        count = 0
        while not outage.suspected:
            failures(outage, str(count))
            count += 1
        assert count == expected
        assert not outage.end(0.0)


@pytest.mark.parametrize(
    ("text", "outcomes", "stops_at"),
    [
        ("2", "ffgf", 4),
        ("0", "ggf", 3),
        ("2-in-a-row", "ffgffgfff", 9),
        ("50%", "f" * 19, None),
        ("50%", "f" * 20, 20),
        ("50%", "gf" * 30, None),
    ],
)
def test_too_many_failures(text: str, outcomes: str, stops_at: int | None) -> None:
    limit = parse_max_failures(text)
    found = [limit.add(failed=letter == "f") for letter in outcomes]
    assert (found.index(True) + 1 if True in found else None) == stops_at


@pytest.mark.parametrize("text", ["", "-1", "101%", "x", "5 %"])
def test_what_is_no_number_of_failures(text: str) -> None:
    with pytest.raises(UsageError, match="--max-failures"):
        parse_max_failures(text)


@given(st.integers(1, 30), st.none() | st.floats(0, 600))
def test_a_wait_that_is_asked_for_is_never_cut_short(attempt: int, asked: float | None) -> None:
    wait = backoff(attempt, asked)
    assert (asked or 0) <= wait <= (asked or 0) + min(8, 0.5 * 2 ** (attempt - 1))

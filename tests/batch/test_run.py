"""Runs through threads and files: every row once, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import threading
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from ocx.batch.batch_row import encode_row, output_row
from ocx.batch.batch_run import BatchRun
from ocx.batch.control import RunLimits, Stop
from ocx.batch.input import Plan, RowStream
from ocx.batch.progress import Progress, Snapshot, amount, bar_line
from ocx.batch.row import Outcome, Result, Row, RowAnswer, RowFailure
from ocx.batch.row_formats import TextLines
from ocx.errors import (
    CreditsError,
    DeadlineError,
    NetworkError,
    UsageError,
)
from tests.batch.fakes import (
    BAD,
    URL,
    Server,
    ids,
    opened,
    reply_to,
    row,
    rows,
    run_to,
    written,
)


def test_every_row_is_sent_once_and_written_once(tmp_path: Path) -> None:
    out, server = tmp_path / "out.jsonl", Server()
    run = run_to(out, server, rows(500))
    assert sorted(ids(out)) == sorted(f"r{number}" for number in range(500))
    assert set(server.asked.values()) == {1}
    assert (run.summary.done, run.summary.exit_code()) == (500, 0)
    assert run.summary.credits == 250
    assert server.connections <= 8
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_an_output_row_is_openai_s_with_ours_beside(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run_to(out, Server(lambda given: BAD if given.id == "r1" else reply_to(given)), rows(2))
    by_id = {line["custom_id"]: line for line in map(json.loads, out.read_text().splitlines())}
    good, bad = by_id["r0"], by_id["r1"]
    assert set(good) == {"id", "custom_id", "response", "error", "ocx"}
    assert good["response"]["status_code"] == 200
    assert good["response"]["body"]["choices"][0]["message"]["content"] == "HELLO 0"
    assert good["error"] is None
    assert good["ocx"]["class"] == "ok"
    assert good["ocx"]["credits"] == 0.5
    assert good["ocx"]["usage"]["total_tokens"] == 3
    assert len(good["ocx"]["request_sha256"]) == 64
    assert bad["response"] == {"status_code": 404, "request_id": "", "body": BAD.body}
    assert bad["error"] is None
    assert bad["ocx"]["class"] == "rejected"


def test_a_failure_without_an_answer_is_an_error(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    lost = RowFailure(NetworkError("cannot connect"), sent=False)
    run = run_to(out, Server(lambda _row: lost), rows(1), settings=RunLimits(1, retries=0))
    line = json.loads(out.read_text())
    assert line["response"] is None
    assert line["error"] == {"code": "network", "message": "cannot connect"}
    assert run.summary.exit_code() == 13


class Held:
    """Answers only once it is let go."""

    def __init__(self, count: int) -> None:
        self.go = threading.Event()
        self.full = threading.Event()
        self._count = count
        self._lock = threading.Lock()

    def __call__(self, given: Row) -> Outcome:
        with self._lock:
            self._count -= 1
            if self._count <= 0:
                self.full.set()
        assert self.go.wait(10)
        return reply_to(given)


def stopped(
    run: BatchRun, reason: str, begun: threading.Event, go: threading.Event
) -> list[Result]:
    """The results of a run that is stopped once `begun`, and then let `go`."""

    def stop() -> None:
        assert begun.wait(10)
        run.engine.stop_soon(Stop(reason))
        go.set()

    threading.Thread(target=stop).start()
    results: list[Result] = []
    run.take = results.extend
    run.run()
    return results


def test_a_stop_lets_what_is_in_flight_finish(tmp_path: Path) -> None:
    held, out = Held(4), tmp_path / "out.jsonl"
    store = opened(out, TextLines())
    run = BatchRun(rows(100), Server(held).connect(), URL, RunLimits(4), store, plan=Plan(0, 100))

    results = stopped(run, "interrupted", held.full, held.go)
    store.close()
    assert 4 <= len(results) < 100
    assert run.summary.unsent == 100 - len(results)
    assert run.summary.exit_code() == 130


def test_an_outage_is_told_as_it_begins_and_as_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    run = BatchRun((), Server().connect(), URL, note=said.append)
    states = iter([None, "down", "down", None, None])
    monkeypatch.setattr("ocx.batch.batch_run._LOOK", 0)
    monkeypatch.setattr(run, "waiting", lambda: next(states))
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(run._watch())
    assert said == ["down", "host.test answers again"]


def test_progress_is_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("ocx.batch.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    run = BatchRun((), Server().connect(), URL, plan=Plan(total=100))
    look, found = Progress(run), []
    for seconds, done in ((0, 0), (5, 10), (6, 40), (7, 50), (8, 60)):
        now[0] += seconds
        run.summary.classes["ok"], run.summary.skipped = done, 20
        run.summary.credits = done / Decimal(2)
        shown = look()
        found.append((shown.rows_per_second, shown.seconds_left, shown.credits, shown.forecast))
    assert found == [
        (0, None, None, None),
        (2, 35, 5, 40),
        (5, 8, 20, 40),
        (1.4, 21, 25, 40),
        (1.2, 16, 30, 40),
    ]


def test_what_does_not_finish_within_the_drain_may_have_been_paid(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    store = opened(out, TextLines())
    begun = threading.Event()

    def answer(_row: Row) -> Outcome:
        begun.set()
        wire.closed.wait(10)
        return RowFailure(NetworkError("closed"))

    wire = Server(answer).connect()
    run = BatchRun(rows(9), wire, URL, RunLimits(1), store, drain=0.0, plan=Plan(total=9))

    assert not stopped(run, "terminated", begun, threading.Event())
    store.close()
    assert run.summary.maybe_paid_twice == 1
    assert run.summary.exit_code() == 143
    again = run_to(out, Server(), rows(9), resume=True, form=TextLines(), total=9)
    assert again.summary.maybe_paid_twice == 1


class Losing(Server):
    """Each row's first answer is lost on the way."""

    def __init__(self) -> None:
        super().__init__(self._lose)
        self._lost: set[str] = set()

    def _lose(self, given: Row) -> Outcome:
        if given.id in self._lost:
            return reply_to(given)
        self._lost.add(given.id)
        return RowFailure(NetworkError("closed", retry_after=0.001))


@pytest.mark.parametrize("ordered", [False, True])
def test_what_one_run_may_have_paid_twice_the_next_one_still_tells(
    tmp_path: Path, ordered: bool
) -> None:
    out = tmp_path / "out.jsonl"
    first = run_to(out, Losing(), rows(5), total=5, ordered=ordered)
    assert first.summary.maybe_paid_twice == 5
    assert [line.unanswered for line in written(out)] == [1] * 5
    again = run_to(out, Server(), rows(6), resume=True, total=6)
    assert (again.summary.maybe_paid_twice, again.summary.skipped) == (5, 5)
    assert [line.unanswered for line in written(out)] == [1] * 5 + [0]


def test_a_row_sent_again_by_the_next_run_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    late = RowFailure(DeadlineError("too slow"))
    run_to(out, Server(lambda _row: late), rows(2), total=2)
    again = run_to(out, Server(), rows(2), resume=True, total=2)
    assert again.summary.maybe_paid_twice == 2
    assert [line.unanswered for line in written(out)] == [1, 1]
    third = run_to(out, Server(), rows(2), resume=True, total=2)
    assert third.summary.maybe_paid_twice == 2


def test_ordered_output_is_in_the_order_of_the_input_in_a_window(tmp_path: Path) -> None:
    """The first row is held; the others go on until the window of 64 is full."""
    out, first, full = tmp_path / "out.jsonl", threading.Event(), threading.Event()
    others = threading.Semaphore(0)

    def answer(given: Row) -> Outcome:
        if given.id == "r0":
            for _ in range(63):
                assert others.acquire(timeout=10)
            full.set()
            assert first.wait(0.0) or True
        else:
            others.release()
        return reply_to(given)

    server = Server(answer)
    run_to(out, server, rows(300), ordered=True)
    assert full.is_set()
    assert ids(out) == [f"r{number}" for number in range(300)]
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_what_waited_in_the_window_is_not_paid_again(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    broke = RowFailure(CreditsError("no credits", status=402))
    gate = threading.Semaphore(0)

    def answer(given: Row) -> Outcome:
        if given.id == "r0":
            for _ in range(20):
                assert gate.acquire(timeout=10)
            return broke
        gate.release()
        return reply_to(given)

    server = Server(answer)
    first = run_to(out, server, rows(40), ordered=True, total=40)
    assert out.read_bytes() == b""
    assert first.summary.exit_code() == 5
    server.answer = reply_to
    run_to(out, server, rows(40), ordered=True, resume=True)
    assert ids(out) == [f"r{number}" for number in range(40)]
    assert set(server.finished.values()) == {1}


def test_an_equal_row_was_not_lost(tmp_path: Path) -> None:
    answers = iter([RowFailure(NetworkError("lost")), reply_to(row(0))])
    out, equal = tmp_path / "out", [Row(f"r{n}", n + 1, row(0).body) for n in range(3)]
    run_to(out, Server(lambda _: next(answers)), iter(equal), dedup=True)
    told = [json.loads(line)["ocx"] for line in out.read_bytes().splitlines()]
    assert [each.get("unanswered") for each in told] == [1, None, None]


def test_what_json_has_not_is_written_as_null() -> None:
    answer = RowAnswer("", {"usage": {"x": float("inf")}})
    assert b"Infinity" not in encode_row(output_row(Result(row(0), answer)))


def test_an_answer_is_not_taken_from_a_row_that_expects_something_else(tmp_path: Path) -> None:
    body = {"model": "m", "messages": [{"content": "hello"}]}
    expecting = [Row(f"e{n}", n + 3, body, expect={"contains": str(n)}) for n in range(2)]
    server = Server()
    others = [Row(f"r{n}", n + 1, body) for n in range(2)]
    run = run_to(tmp_path / "out", server, iter([*expecting, *others]), dedup=True)
    assert sum(server.asked.values()) == run.summary.requests == 3


@pytest.mark.parametrize(
    ("credits", "shown"),
    [(0, "0"), (0.0000581234, "0.00005812"), (0.25, "0.25"), (999.96, "1000"), (12345.6, "12,346")],
)
def test_credits_in_digits(credits: float, shown: str) -> None:
    assert amount(credits) == shown


@pytest.mark.parametrize(
    ("at_once", "limited_by", "told"),
    [(3, "", "3 at once"), (0, "Retry-After", "0 at once (Retry-After)"), (0, "", None)],
)
def test_requests_at_once(at_once: int, limited_by: str, told: str | None) -> None:
    line = bar_line(Snapshot(9, 9, 0, 0, 1.0, 5, None, None, 0.0, at_once, limited_by), 200)
    assert next((part for part in line.split("  ") if "at once" in part), None) == told


def test_an_outage_is_told_on_a_narrow_screen() -> None:
    told = "waiting for 127.0.0.1:8790: Connection refused (0:21 of 10:00)"
    line = bar_line(Snapshot(5, 0, 0, 0, 0.0, 0, None, None, None, 3, "", told), 80)
    assert line == f"{told}  0/5 rows"


def test_the_rows_of_a_silent_pipe_are_sent_as_they_come(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    answered = threading.Semaphore(0)

    def given() -> object:
        for number in range(5):
            yield row(number)
            assert answered.acquire(timeout=10)

    def answer(found: Row) -> Outcome:
        answered.release()
        return reply_to(found)

    run_to(out, Server(answer), RowStream(given()))  # type: ignore[arg-type]
    assert sorted(ids(out)) == [f"r{number}" for number in range(5)]


def test_what_the_reading_of_rows_raises_ends_the_run(tmp_path: Path) -> None:
    def given() -> object:
        yield row(0)
        raise UsageError("the pipe broke")

    for source in (given(), RowStream(given())):  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="the pipe broke"):
            run_to(tmp_path / f"{type(source).__name__}.jsonl", Server(), source)  # type: ignore[arg-type]


def test_a_bug_in_a_worker_ends_the_run(tmp_path: Path) -> None:
    def answer(_row: Row) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_to(tmp_path / "out.jsonl", Server(answer), rows(3))

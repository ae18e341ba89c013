"""Runs through threads and files: every row once, whatever happens in between."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from ocx.batch.control.failures import parse_max_failures
from ocx.batch.control.scheduler import Settings, Stop
from ocx.batch.job import Job, Run
from ocx.batch.output.render import MergedJson, MergedTable, Renderer, TextLines
from ocx.batch.output.store import Store
from ocx.batch.result import Failure, Outcome
from ocx.batch.rows.row import BadRow, Row
from ocx.batch.rows.stream import RowStream
from ocx.errors import CreditsError, NetworkError, OcxError, RejectedError, ServerError, UsageError
from tests.batch.fakes import URL, Server, ids, reply_to, row, rows, run_to, written

BAD = Failure(RejectedError("no such model", status=404), body={"error": {"message": "no"}})
DOWN = Failure(ServerError("HTTP 503", status=503))


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
    lost = Failure(NetworkError("cannot connect"), sent=False)
    run = run_to(out, Server(lambda _row: lost), rows(1), settings=Settings(1, retries=0))
    line = json.loads(out.read_text())
    assert line["response"] is None
    assert line["error"] == {"code": "network", "message": "cannot connect"}
    assert run.summary.exit_code() == 13


def test_a_bad_row_of_an_input_is_an_error_row(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    given = iter([row(0), BadRow("line-2", 2, "is not JSON")])
    run = run_to(out, Server(), given)
    assert sorted(ids(out)) == ["line-2", "r0"]
    assert run.summary.examples["usage"].message == "line 2 is not JSON"
    assert run.summary.exit_code() == 2


def test_without_resume_an_output_with_content_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("x")
    with pytest.raises(UsageError, match="is not empty"):
        run_to(out, Server(), rows(1))
    assert out.read_text() == "x"


def test_resume_without_an_output_starts_and_after_the_end_does_nothing(tmp_path: Path) -> None:
    out, server = tmp_path / "out.jsonl", Server()
    assert run_to(out, server, rows(20), resume=True).summary.exit_code() == 0
    before = out.read_bytes()
    again = run_to(out, server, rows(20), resume=True, total=20)
    assert out.read_bytes() == before
    assert set(server.asked.values()) == {1}
    assert (again.summary.skipped, again.summary.exit_code()) == (20, 0)


def test_a_second_run_on_the_same_output_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with_it = Store(out, TextLines(), resume=False)
    with pytest.raises(UsageError, match="another run is writing"):
        run_to(out, Server(), rows(1), resume=True)
    with_it.close()


@pytest.mark.parametrize("cut", range(0, 400, 23))
@pytest.mark.parametrize("ordered", [False, True])
def test_wherever_the_output_was_torn_a_resumed_run_completes_it(
    tmp_path: Path, cut: int, ordered: bool
) -> None:
    out, server = tmp_path / "out.jsonl", Server()
    run_to(out, server, rows(5), ordered=ordered)
    whole = out.read_bytes()
    cut = min(cut * 5, len(whole))
    out.write_bytes(whole[:cut])
    finished = whole[:cut].count(b"\n")
    run_to(out, server, rows(5), resume=True, ordered=ordered)
    assert sorted(ids(out)) == [f"r{number}" for number in range(5)]
    assert sum(server.asked.values()) in {10 - finished, 9 - finished}
    if ordered:
        assert ids(out) == [f"r{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("id,answer\n1,2\n", 1),
        ('{"a": 1}', 1),
        ('{"a": 1}\n', 1),
        ("my only copy", 1),
    ],
)
def test_a_foreign_output_is_refused_and_left_alone(
    tmp_path: Path, content: str, line: int
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text(content)
    with pytest.raises(UsageError, match=f"line {line}, is no output row"):
        run_to(out, Server(), rows(1), resume=True)
    assert out.read_text() == content


def test_zeros_of_a_power_cut_are_cut_off(tmp_path: Path) -> None:
    out, server = tmp_path / "out.jsonl", Server()
    run_to(out, server, rows(3))
    with out.open("ab") as file:
        file.write(bytes(5000))
    run_to(out, server, rows(4), resume=True)
    assert sorted(ids(out)) == ["r0", "r1", "r2", "r3"]
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize(
    ("retry", "sent_again"),
    [("retryable", {"r1"}), ("all", {"r1", "r2"}), ("none", set[str]())],
)
def test_which_failures_a_resumed_run_sends_again(
    tmp_path: Path, retry: str, sent_again: set[str]
) -> None:
    out = tmp_path / "out.jsonl"
    outcomes: dict[str, Outcome] = {"r1": DOWN, "r2": BAD}
    server = Server(lambda given: outcomes.get(given.id) or reply_to(given))
    first = run_to(out, server, rows(4), settings=Settings(1, retries=0))
    assert first.summary.exit_code() == 13
    server.answer, server.asked = reply_to, type(server.asked)()
    run = run_to(out, server, rows(4), resume=True, retry=retry, total=4)
    assert set(server.asked) == sent_again
    assert sorted(ids(out)) == ["r0", "r1", "r2", "r3"]
    left = {"r1", "r2"} - sent_again
    assert {found.id for found in written(out) if found.kind != "ok"} == left
    assert run.summary.exit_code() == (13 if "r1" in left else 7 if left else 0)


def test_a_success_stays_where_a_later_failure_follows(tmp_path: Path) -> None:
    """Joined outputs may hold both."""
    out = tmp_path / "out.jsonl"
    run_to(out, Server(), rows(2))
    good = out.read_bytes()
    out.unlink()
    run_to(out, Server(lambda _row: BAD), rows(2))
    out.write_bytes(good + out.read_bytes())
    run_to(out, Server(), rows(2), resume=True)
    assert [found.kind for found in written(out)] == ["ok", "ok"]


def test_a_changed_row_that_was_answered_is_an_error(tmp_path: Path) -> None:
    out, server = tmp_path / "out.jsonl", Server()
    run_to(out, server, rows(2))
    changed = iter([row(0), row(1, "other")])
    with pytest.raises(UsageError, match="line 2: 'r1' was answered for another request"):
        run_to(out, server, changed, resume=True)
    assert sorted(ids(out)) == ["r0", "r1"]


def test_a_changed_row_that_failed_is_sent(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run_to(out, Server(lambda _row: BAD), rows(1))
    run_to(out, Server(), iter([row(0, "mended")]), resume=True)
    assert [found.kind for found in written(out)] == ["ok"]


def test_nothing_left_of_402_but_what_was_answered(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    broke = Failure(CreditsError("no credits", status=402))
    run = run_to(out, Server(lambda _row: broke), rows(50), total=50)
    assert out.read_bytes() == b""
    assert (run.summary.unsent, run.summary.failed) == (50, 0)
    assert run.summary.exit_code() == 5


def test_max_failures_of_one_permanent_class_end_with_its_code(tmp_path: Path) -> None:
    settings = Settings(2, max_failures=[parse_max_failures("3")])
    run = run_to(
        tmp_path / "out.jsonl", Server(lambda _row: BAD), rows(50), total=50, settings=settings
    )
    assert run.summary.exit_code() == 7
    assert run.summary.unsent > 40


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


def test_a_stop_lets_what_is_in_flight_finish(tmp_path: Path) -> None:
    held, out = Held(4), tmp_path / "out.jsonl"
    store = Store(out, TextLines(), resume=False)
    run = Run(Job(rows(100), Server(held).connect, URL, Settings(4), store=store, total=100))

    def stop() -> None:
        assert held.full.wait(10)
        run.stop(Stop("interrupted"))
        held.go.set()

    threading.Thread(target=stop).start()
    results = list(run)
    store.close()
    assert 4 <= len(results) < 100
    assert run.summary.unsent == 100 - len(results)
    assert run.summary.exit_code() == 130


def test_what_does_not_finish_within_the_drain_may_have_been_paid(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    store = Store(out, TextLines(), resume=False)
    held = Held(4)
    lost = Failure(NetworkError("closed"))

    class Server4(Server):
        pass

    server = Server4()

    def answer(given: Row) -> Outcome:
        held.full.set()
        wires[-1].closed.wait(10)
        return lost

    server.answer = answer
    wires = []

    def connect() -> object:
        wire = server.connect()
        wires.append(wire)
        return wire

    run = Run(Job(rows(9), connect, URL, Settings(1), store=store, drain=0.0, total=9))  # type: ignore[arg-type]

    def stop() -> None:
        assert held.full.wait(10)
        run.stop(Stop("terminated"))

    threading.Thread(target=stop).start()
    assert list(run) == []
    store.close()
    assert run.summary.maybe_paid_twice == 1
    assert run.summary.exit_code() == 143
    again = run_to(out, Server(), rows(9), resume=True, renderer=TextLines(), total=9)
    assert again.summary.maybe_paid_twice == 1


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
    broke = Failure(CreditsError("no credits", status=402))
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


@pytest.mark.parametrize(
    ("renderer", "expected"),
    [
        (TextLines(), "HELLO 0\n\nHELLO 2\n"),
        (
            MergedJson(),
            '{"id":"r0","text":"hello","answer":"HELLO 0"}\n'
            '{"id":"r1","text":"hello","answer":null,"answer_error":"rejected: no such model"}\n'
            '{"id":"r2","text":"hello","answer":"HELLO 2"}\n',
        ),
        (
            MergedTable(["id", "text"]),
            "id,text,answer,answer_error\n"
            "r0,hello,HELLO 0,\nr1,hello,,rejected: no such model\nr2,hello,HELLO 2,\n",
        ),
    ],
)
@pytest.mark.parametrize("cut", [0, 1, 20, 45, 60, None])
def test_outputs_without_ids_are_resumed_by_their_index(
    tmp_path: Path, renderer: Renderer, expected: str, cut: int | None
) -> None:
    out = tmp_path / "out"
    server = Server(lambda given: BAD if given.id == "r1" else reply_to(given))
    run_to(out, server, rows(3), ordered=True, renderer=renderer)
    assert out.read_text() == expected
    out.write_bytes(out.read_bytes()[:cut])
    run_to(out, server, rows(3), ordered=True, renderer=renderer, resume=True)
    assert out.read_text() == expected
    server.answer = reply_to
    run_to(out, server, rows(3), ordered=True, renderer=renderer, resume=True, retry="all")
    assert "HELLO 1" in out.read_text()
    assert out.read_text().count("\n") == expected.count("\n")
    assert out.read_text().index("HELLO 0") < out.read_text().index("HELLO 1")
    assert out.read_text().index("HELLO 1") < out.read_text().index("HELLO 2")
    before = out.read_bytes()
    run_to(out, server, rows(3), ordered=True, renderer=renderer, resume=True)
    assert out.read_bytes() == before


def test_an_output_that_was_edited_is_not_resumed(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    run_to(out, Server(), rows(3), ordered=True, renderer=TextLines())
    out.write_text(out.read_text().replace("HELLO 1", "HELLO X"))
    with pytest.raises(UsageError, match="was changed since"):
        run_to(out, Server(), rows(3), renderer=TextLines(), resume=True)
    (tmp_path / ".out.txt.index").unlink()
    with pytest.raises(UsageError, match="has no index"):
        run_to(out, Server(), rows(3), renderer=TextLines(), resume=True)


def test_equal_requests_are_sent_once(tmp_path: Path) -> None:
    out, server = tmp_path / "out.jsonl", Server()
    given = (
        Row(f"r{number}", number + 1, {"model": "m", "messages": [{"content": number % 7}]})
        for number in range(200)
    )
    run = run_to(out, server, given, dedup=True)
    assert len(ids(out)) == 200
    assert sum(server.asked.values()) == 7
    assert run.summary.requests == 7
    assert run.summary.credits == 3.5


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
    assert ids(out) == [f"r{number}" for number in range(5)]


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


def test_a_full_disk_ends_the_run_and_it_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    out, server, write = tmp_path / "out.jsonl", Server(), os.write
    calls = iter(range(1000))

    def full(fd: int, data: bytes) -> int:
        if next(calls) == 3:
            write(fd, data[:10])
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OcxError, match="No space left"):
        run_to(out, server, rows(10), settings=Settings(1))
    monkeypatch.setattr(os, "write", write)
    assert len(ids(out)) == 3
    run_to(out, server, rows(10), settings=Settings(1), resume=True)
    assert sorted(ids(out)) == sorted(f"r{number}" for number in range(10))

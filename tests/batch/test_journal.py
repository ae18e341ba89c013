"""The journal beside an output: what a death at any moment leaves, and what is made of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from ocx.batch.finished_rows import id_key
from ocx.batch.journal import Journal
from ocx.batch.output_files import Adoption
from ocx.batch.row import Result, RowFailure, hash_request
from ocx.batch.row_formats import BatchRows, MergedJson, RowFormat, TextLines
from ocx.errors import CreditsError, NetworkError, UsageError
from tests.batch.fakes import BAD, URL, Server, ids, opened, reply_to, row, rows, run_to, written

LOST = RowFailure(NetworkError("closed"))
MERGED = MergedJson()


def result(number: int, failure: RowFailure | None = None) -> Result:
    given = row(number)
    return Result(given, failure or reply_to(given), hash_request(given, URL)[0], 1)


def died(
    path: Path,
    *ended: Result,
    form: RowFormat,
    in_flight: tuple[int, ...] = (),
    dedup: bool = False,
) -> None:
    """A run that was killed after these rows, and with others in flight."""
    output = opened(path, form, ordered=True, resume=True, dedup=dedup)
    for _ in output.let_in(rows(10)):
        pass
    for number in in_flight:
        output.note_sent(id_key(f"r{number}"))
    for each in ended:
        output.note_sent(id_key(each.id))
        output.append([each])
    output._stack.close()


def in_order(path: Path, *numbers: int) -> bool:
    lines = path.read_text().splitlines()
    return len(lines) == len(numbers) and all(
        f"HELLO {number}" in line for number, line in zip(numbers, lines, strict=True)
    )


def hidden(path: Path) -> list[str]:
    return [each.name for each in path.parent.iterdir() if each.name.startswith(".")]


@pytest.mark.parametrize("form", [BatchRows(), MERGED, TextLines()])
def test_rows_that_waited_are_written_in_their_turn_and_not_sent_again(
    tmp_path: Path, form: RowFormat
) -> None:
    out, server = tmp_path / "out", Server()
    died(out, result(2), result(3), result(1, BAD), form=form, in_flight=(0,))
    assert out.read_bytes() == b""
    run = run_to(out, server, rows(5), form=form, ordered=True, resume=True, total=5)
    assert (set(server.asked), run.summary.skipped) == ({"r0", "r4"}, 3)
    assert run.summary.maybe_paid_twice == 1
    lines = out.read_text().splitlines()
    assert [f"HELLO {n}" in lines[n] for n in range(5)] == [True, False, True, True, True]


def test_a_failure_that_waited_is_sent_again(tmp_path: Path) -> None:
    out, server = tmp_path / "out", Server()
    died(out, result(1, LOST), result(2), form=BatchRows(), in_flight=(0,))
    died(out, result(1, LOST), form=BatchRows(), in_flight=(0,))
    run = run_to(out, server, rows(3), ordered=True, resume=True, total=3)
    assert set(server.asked) == {"r0", "r1"}
    assert ids(out) == ["r0", "r1", "r2"]
    assert [found.unanswered for found in written(out)] == [2, 1, 0]
    assert run.summary.maybe_paid_twice == 3
    assert not hidden(out)


@pytest.mark.parametrize("cut", [0, 5, 30, 60, None])
def test_an_output_that_lacks_rows_of_its_journal_gets_them_without_a_request(
    tmp_path: Path, cut: int | None
) -> None:
    out, server = tmp_path / "out", Server()
    died(out, *(result(number) for number in range(4)), form=MERGED)
    whole = out.read_bytes()
    assert whole.count(b"\n") == 4
    out.write_bytes(whole[:cut])
    run_to(out, server, rows(4), form=MERGED, ordered=True, resume=True, total=4)
    assert not server.asked
    assert out.read_bytes() == whole
    assert not hidden(out)


def test_rows_that_left_the_input_stay_in_the_output(tmp_path: Path) -> None:
    out, server = tmp_path / "out", Server()
    died(out, *(result(number) for number in range(3)), form=MERGED, in_flight=(7,))
    given = iter([row(5), row(1)])
    run_to(out, server, given, form=MERGED, ordered=True, resume=True, total=2)
    assert in_order(out, 5, 1, 0, 2)


def test_a_run_that_is_stopped_leaves_what_is_done_in_the_output(tmp_path: Path) -> None:
    out = tmp_path / "out"
    died(out, *(result(number) for number in range(3)), form=MERGED, in_flight=(7,))
    broke = RowFailure(CreditsError("no credits", status=402))
    server = Server(lambda given: broke if given.id == "r4" else reply_to(given))
    run = run_to(out, server, rows(9), form=MERGED, ordered=True, resume=True, total=9)
    assert run.summary.exit_code() == 5
    assert out.read_text().count("\n") >= 4
    server.answer = reply_to
    run_to(out, server, rows(9), form=MERGED, ordered=True, resume=True, total=9)
    assert in_order(out, *range(9))


@pytest.mark.parametrize("requests", [1, 2])
def test_a_refusal_costs_nothing_but_an_answer_before_it_may(tmp_path: Path, requests: int) -> None:
    """For a schema, a row is asked again."""
    out = tmp_path / "out"
    broke = RowFailure(CreditsError("no credits", status=402), requests=requests)
    run_to(out, Server(lambda _row: broke), rows(1), total=1)
    again = run_to(out, Server(), rows(1), resume=True, total=1)
    assert again.summary.maybe_paid_twice == requests - 1


def test_the_making_of_a_journal_that_died_is_begun_again(tmp_path: Path) -> None:
    out, server = tmp_path / "out", Server()
    run_to(out, server, rows(3), form=MERGED, ordered=True, total=3)
    adoption = Adoption(lambda: rows(4), URL)
    with closing(opened(out, MERGED, ordered=True, resume=True, adoption=adoption)) as output:
        assert len(output.finished) == 3
    assert not hidden(out), "nothing was to be done"
    path = tmp_path / ".out.journal"
    torn = Journal(path, out.stat().st_size)
    torn.append(b'{"custom_id":"r0","response":null,"error":{"code":"server"}}\n')
    torn.close()
    run_to(out, server, rows(4), form=MERGED, ordered=True, resume=True, total=4, adoption=adoption)
    assert server.asked == {"r0": 1, "r1": 1, "r2": 1, "r3": 1}
    assert in_order(out, *range(4))


def test_without_resume_no_answer_is_dropped_but_where_the_output_was_removed(
    tmp_path: Path,
) -> None:
    out, server = tmp_path / "out", Server()
    died(out, result(1), form=MERGED, in_flight=(0,))
    with pytest.raises(UsageError, match="holds answers of an earlier run"):
        run_to(out, server, rows(2), form=MERGED, ordered=True, total=2)
    out.unlink()  # as who begins anew does
    run = run_to(out, server, rows(2), form=MERGED, ordered=True, total=2)
    assert set(server.asked) == {"r0", "r1"}
    assert run.summary.maybe_paid_twice == 1


@pytest.mark.parametrize("end", [b"", b">00000000", bytes(600), b">0000000000000009"])
def test_a_torn_end_of_the_journal_is_cut_off(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / ".journal"
    journal = Journal(path)
    journal.note_sent(5)
    size = journal.size
    journal.append(end)
    journal.close()
    again = Journal(path)
    assert (dict(again.unanswered), again.size) == ({5: 1}, size)
    again.close()


@pytest.mark.parametrize("form", [BatchRows(), MERGED])
@pytest.mark.parametrize("ordered", [True, False])
def test_equal_requests_are_sent_once_whatever_the_form(
    tmp_path: Path, form: RowFormat, ordered: bool
) -> None:
    """Also while the answer waits for an earlier row, and by a run that died before."""
    out, server = tmp_path / "out", Server()
    same = [type(row(0))(f"s{n}", n + 1, row(0).body, source={"id": f"s{n}"}) for n in range(30)]
    run_to(out, server, iter(same), form=form, ordered=ordered, dedup=True)
    assert out.read_text().count("HELLO 0") == 30
    left = tmp_path / "left"
    died(left, result(1), form=form, dedup=True)
    equal = [row(0), *(type(row(0))(f"s{n}", n, row(1).body, source={}) for n in range(2, 5))]
    run_to(left, server, iter(equal), form=form, ordered=ordered, dedup=True, resume=True)
    assert left.read_text().count("HELLO 1") == 4
    assert server.asked == {"s0": 1, "r0": 1}


def test_a_journal_that_is_none_of_rows(tmp_path: Path) -> None:
    journal = Journal(tmp_path / ".out.journal")
    journal.append(b'{"a": 1}\n')
    journal.close()
    with pytest.raises(UsageError, match="no journal that this version"):
        opened(tmp_path / "out", MERGED, resume=True)

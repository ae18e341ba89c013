"""An output that is taken up again: torn, foreign, edited, changed, full.

The table of ids against a dict, and its size.
"""

from __future__ import annotations

import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.batch.batch_run import BatchRun
from ocx.batch.control import RunLimits
from ocx.batch.engine import RECHECK
from ocx.batch.finished_rows import IdTable, id_key
from ocx.batch.journal import Journal
from ocx.batch.output_files import Adoption
from ocx.batch.records import Dialect
from ocx.batch.row import Outcome
from ocx.batch.row_formats import BatchRows, MergedJson, MergedTable, RowFormat, TextLines
from ocx.errors import OcxError, UsageError
from tests.batch.fakes import (
    BAD,
    DOWN,
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
from tests.support.sizes import size


def test_without_resume_an_output_with_content_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("x")
    with pytest.raises(UsageError, match="is not empty"):
        run_to(out, Server(), rows(1))
    assert out.read_text() == "x"


def test_resume_without_an_output_starts_and_after_the_end_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is looked after in between."""
    monkeypatch.setattr("ocx.batch.batch_run._SKIPPED_AT_ONCE", 8)
    out, server = tmp_path / "out.jsonl", Server()
    assert run_to(out, server, rows(20), resume=True).summary.exit_code() == 0
    before = out.read_bytes()
    again = run_to(out, server, rows(20), resume=True, total=20)
    assert out.read_bytes() == before
    assert set(server.asked.values()) == {1}
    assert (again.summary.skipped, again.summary.exit_code()) == (20, 0)
    with closing(opened(out, BatchRows(URL), resume=True)) as store:
        run = BatchRun(rows(20), server.connect(), URL, output=store)
        assert [*run._remaining()] == [RECHECK] * 2


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


@pytest.mark.parametrize("content", ["id,answer\n1,2\n", '{"a": 1}', '{"a": 1}\n', "my only copy"])
def test_a_foreign_output_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text(content)
    with pytest.raises(UsageError, match="line 1, is no output row"):
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
    first = run_to(out, server, rows(4), settings=RunLimits(1, retries=0))
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


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (TextLines(), "HELLO 0\n\nHELLO 2\n"),
        (
            MergedJson(),
            '{"id":"r0","text":"hello","answer":"HELLO 0"}\n'
            '{"id":"r1","text":"hello","answer":null,"answer_error":"rejected: no such model"}\n'
            '{"id":"r2","text":"hello","answer":"HELLO 2"}\n',
        ),
        (
            MergedTable(["id", "text"], Dialect()),
            "id,text,answer,answer_error\n"
            "r0,hello,HELLO 0,\nr1,hello,,rejected: no such model\nr2,hello,HELLO 2,\n",
        ),
    ],
)
@pytest.mark.parametrize("cut", [0, 1, 20, 45, 60, None])
def test_outputs_without_ids_are_resumed_by_their_journal(
    tmp_path: Path, form: RowFormat, expected: str, cut: int | None
) -> None:
    out = tmp_path / "out"
    server = Server(lambda given: BAD if given.id == "r1" else reply_to(given))
    run_to(out, server, rows(3), ordered=True, form=form)
    assert out.read_text() == expected
    out.write_bytes(out.read_bytes()[:cut])
    run_to(out, server, rows(3), ordered=True, form=form, resume=True)
    assert out.read_text() == expected
    server.answer = reply_to
    run_to(out, server, rows(3), ordered=True, form=form, resume=True, retry="all")
    assert "HELLO 1" in out.read_text()
    assert out.read_text().count("\n") == expected.count("\n")
    assert out.read_text().index("HELLO 0") < out.read_text().index("HELLO 1")
    assert out.read_text().index("HELLO 1") < out.read_text().index("HELLO 2")
    before = out.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "it is complete"
    again = Adoption(lambda: rows(3), URL)
    run_to(out, server, rows(3), ordered=True, form=form, resume=True, adoption=again)
    assert out.read_bytes() == before


def test_an_output_that_was_edited_is_not_resumed(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    server = Server(lambda given: BAD if given.id == "r2" else reply_to(given))
    run_to(out, server, rows(3), ordered=True, form=TextLines())
    out.write_text(out.read_text().replace("HELLO 1", "HELLO X"))
    with pytest.raises(UsageError, match="was changed since"):
        run_to(out, Server(), rows(3), form=TextLines(), resume=True)
    (tmp_path / ".out.txt.journal").unlink()
    with pytest.raises(UsageError, match="has no journal"):
        run_to(out, Server(), rows(3), form=TextLines(), resume=True)


@pytest.mark.parametrize(
    ("form", "content", "reason"),
    [
        (MergedJson(), "[1]\n", "no JSON object"),
        (MergedJson(parse=True), '{"id":"r0","text":"hello"}\n', "no answer"),
        (MergedJson(), '{"id":"r0","text":"hello","answer":null}\n', "no answer"),
        (MergedJson(), '{"id":"r0","text":"hello","answer":"x","answer_error":5}\n', "no answer"),
        (MergedTable(["id", "text"], Dialect()), "id,text,answer,answer_error\n\n", "was changed"),
    ],
)
def test_lines_of_a_merged_output_that_are_no_rows(
    tmp_path: Path, form: RowFormat, content: str, reason: str
) -> None:
    (tmp_path / "out").write_text(content)
    again = Adoption(lambda: rows(1), URL)
    with pytest.raises(UsageError, match=reason):
        run_to(tmp_path / "out", Server(), rows(1), form=form, resume=True, adoption=again)


def test_rows_left_by_several_runs_that_died_are_added_up(tmp_path: Path) -> None:
    path = tmp_path / ".journal"
    for number in range(3):
        died = Journal(path, 7)
        assert died.unanswered.total() == 2 * number
        died.note_sent(1)
        died.note_sent(2 + number)
        died.note_sent(9)
        died.note_unpaid(9)
        died.close()
    told = Journal(path)
    assert (told.unanswered, told.base) == ({1: 3, 2: 1, 3: 1, 4: 1}, 7)
    told.answered_before(1)
    assert told.unanswered[1] == 2
    told.note_adopted()
    told.close()
    assert Journal(path).adopted


@pytest.mark.parametrize("content", ["mine", "mine\n", "ocx batch journal 0, output 0\n", "{}\n"])
def test_a_journal_of_another_version_is_refused_and_left_alone(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / ".out.journal").write_text(content)
    with pytest.raises(UsageError, match="no journal that this version"):
        run_to(tmp_path / "out", Server(), rows(2))
    assert (tmp_path / ".out.journal").read_text() == content


@pytest.mark.parametrize("form", [BatchRows(), TextLines()])
def test_a_link_beside_the_output_is_not_followed(tmp_path: Path, form: RowFormat) -> None:
    """In a folder that others may write to, it would be theirs, and lead to a file of ours."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".out.journal").symlink_to(precious)
    with pytest.raises(OcxError):
        run_to(tmp_path / "out", Server(), rows(2), form=form, ordered=True)
    assert precious.read_text() == "mine"


KEYS = st.integers(1, 2**64 - 1) | st.integers(1, 50)


@given(st.lists(st.tuples(KEYS, st.integers(0, 2**64 - 1))))
def test_it_is_a_dict(pairs: list[tuple[int, int]]) -> None:
    table, model = IdTable(), dict[int, int]()
    for key, value in pairs:
        assert table.get(key) == model.get(key)
        table.set(key, value)
        model[key] = value
    assert len(table) == len(model)
    assert all(table.get(key) == value for key, value in model.items())


def test_an_id_takes_some_bytes() -> None:
    """A million take 32 MiB, 48 while the table grows."""
    count = size(80_000, 40_000)
    tracemalloc.start()
    table = IdTable()
    for number in range(count):
        table.set(id_key(f"row-{number}"), number)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(table) == count
    assert peak < 60 * count

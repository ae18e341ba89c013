"""What is known before anything is sent, and what is said after the end."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ocx.api.prices import Price
from ocx.batch.control import RunLimits, Stop
from ocx.batch.execution import Estimate
from ocx.batch.finished_rows import FinishedRow, FinishedRows
from ocx.batch.input import Decide, FileInput, Selection
from ocx.batch.request_builder import RequestBuilder
from ocx.batch.row import Result, Row, RowAnswer, RowFailure, hash_request
from ocx.batch.summary import Summary, ending, summary_lines
from ocx.errors import (
    BelowError,
    InvalidAnswerError,
    OcxError,
    PartialError,
    RejectedError,
    ServerError,
    UsageError,
)
from tests.batch.fakes import URL, row


def decide_by(finished: FinishedRows) -> Decide:
    return lambda given: finished.decide(given, URL, "retryable")


def sha256(given: Row) -> str:
    return hash_request(given, URL)[0]


def source(tmp_path: Path, *lines: str, **options: Any) -> FileInput:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return FileInput(path, "jsonl", RequestBuilder({"model": "m"}), **options)


def prompts(count: int) -> list[str]:
    return [json.dumps({"id": f"r{number}", "prompt": "x"}) for number in range(count)]


def test_of_many_problems_the_first_are_told_and_all_are_counted(tmp_path: Path) -> None:
    distinct = ["[" + " " * length + "x" for length in range(100)]
    with pytest.raises(UsageError, match=r"line 20 .*; and 80 more"):
        source(tmp_path, *distinct).plan()


def test_a_fault_of_many_lines_is_told_once_with_the_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        source(tmp_path, *["[]"] * 1200, "{").plan()
    assert caught.value.message.startswith(
        f"{tmp_path / 'in.jsonl'}: line 1 is not a JSON object"
        " (the same in 1,199 more: 2, 3, 4, …); line 1201 is not JSON"
    )


def test_what_an_earlier_run_finished_is_skipped(tmp_path: Path) -> None:
    given = source(tmp_path, *prompts(4))
    finished = FinishedRows()
    for found in given.rows():
        assert isinstance(found, Row)
        kind = {"r0": "ok", "r1": "rejected", "r2": "server"}.get(found.id)
        if kind:
            finished.add(FinishedRow(found.id, kind, sha256(found), rerun_helps=kind == "server"))
    left: list[Row] = []
    plan = given.plan(decide_by(finished), left.append)
    assert (plan.total, [found.id for found in left]) == (4, ["r2", "r3"])


def test_an_input_that_changed_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    finished = FinishedRows()
    finished.add(FinishedRow("r0", "ok"))  # of another program, which does not tell its request
    finished.add(FinishedRow("r1", "ok", "f" * 64))
    with pytest.raises(UsageError, match="line 2 has another request for 'r1'"):
        source(tmp_path, *prompts(3)).plan(decide_by(finished))


@pytest.mark.parametrize("selection", [Selection(limit=3), Selection(sample=3, seed=1)])
def test_a_part_of_the_rows(tmp_path: Path, selection: Selection) -> None:
    seen: list[Row] = []
    plan = source(tmp_path, *prompts(9), selection=selection).plan(on_row=seen.append)
    assert (plan.of_shard >= 3, plan.total, len(seen)) == (True, 3, 3)


def test_the_hash_is_of_body_path_and_url_and_not_of_the_order() -> None:
    one = Row("a", 1, {"model": "m", "seed": 1})
    assert sha256(one) == sha256(Row("b", 2, {"seed": 1, "model": "m"}))
    others = [
        sha256(Row("a", 1, {"model": "n", "seed": 1})),
        sha256(Row("a", 1, {"model": "m", "seed": 1}, "/embeddings")),
        hash_request(one, "https://other.test/v1")[0],
    ]
    assert len({sha256(one), *others}) == 4


def result(error: OcxError | None = None, credits: str | None = "1") -> Result:
    outcome = RowFailure(error) if error else RowAnswer("x", {})
    amount = None if credits is None else Decimal(credits)
    return Result(row(0), outcome, "ab", 1, 0.1, amount)


OK, BAD = result(), result(RejectedError("no", status=400))
DOWN, WRONG = result(ServerError("no", status=500)), result(InvalidAnswerError("no"))


@pytest.mark.parametrize(
    ("results", "unsent", "stop", "code"),
    [
        ([OK], 0, None, 0),
        ([OK, DOWN], 0, None, 13),
        ([OK, DOWN, BAD], 0, None, 13),
        ([OK, BAD], 0, None, 7),
        ([OK, WRONG], 0, None, 14),
        ([BAD, WRONG, WRONG], 0, None, 14),
        ([BAD, WRONG], 0, None, 7),
        ([OK], 5, "failures", 13),
        ([BAD], 5, "failures", 7),
        ([BAD, DOWN], 5, "failures", 13),
        ([OK], 5, "auth", 4),
        ([], 5, "credits", 5),
        ([OK], 5, "rate_limit", 6),
        ([OK], 5, "network", 9),
        ([OK], 5, "interrupted", 130),
        ([OK], 5, "terminated", 143),
    ],
)
def test_the_exit_code_says_whether_a_rerun_helps(
    results: list[Result], unsent: int, stop: str | None, code: int
) -> None:
    summary = Summary(total=len(results) + unsent)
    for found in results:
        summary.add(found)
    summary.stop = Stop(stop) if stop else None
    assert summary.exit_code() == code
    assert summary.document()["exit_code"] == code
    json.dumps(summary.document())


@pytest.mark.parametrize(
    ("results", "hint"), [([OK, BAD], "--retry-errors all"), ([BAD, DOWN], "sends what is left")]
)
def test_the_next_step_after_failures(results: list[Result], hint: str) -> None:
    summary = Summary()
    for found in results:
        summary.add(found)
    end = ending(summary, to_file=True)
    assert hint in end.hint
    assert hint not in (ending(summary, to_file=False).hint or "")


@pytest.mark.parametrize(
    ("reason", "error", "code"),
    [
        ("balance", ServerError("no balance"), 8),
        ("min_balance", BelowError("the floor"), 12),
        ("max_credits", PartialError("used up"), 13),
        ("max_credits", BelowError("could not begin"), 12),
    ],
)
def test_the_end_of_a_budget_keeps_its_code(reason: str, error: OcxError, code: int) -> None:
    summary = Summary(seen=3, stop=Stop(reason, error))
    assert summary.exit_code() == code
    assert summary.document()["stopped"] == reason


def test_credits_that_nothing_tells_are_not_zero() -> None:
    summary = Summary(total=1)
    assert summary.document()["credits"] == 0, "nothing was sent"
    summary.add(replace(OK, credits=None))
    assert summary.document()["credits"] is None
    summary.credits_by_balance = Decimal(3)
    assert summary.document()["credits"] == 3


def test_failures_that_a_resumed_run_leaves_count_for_the_code() -> None:
    summary = Summary(total=2)
    finished = FinishedRows()
    finished.add(FinishedRow("r0", "rejected", "ab"))
    summary.skip(finished.get("r0"))
    summary.add(OK)
    assert summary.exit_code() == 7


def test_an_example_of_each_class() -> None:
    summary = Summary()
    for found in (BAD, result(RejectedError("another")), DOWN):
        summary.add(found)
    document = summary.document()["failures"]
    assert document["rejected"]["count"] == 2
    assert document["rejected"]["example"] == {"id": "r0", "line": 1, "message": "no"}
    assert document["server"]["retryable"] is True


PRICE = RunLimits(max_credits=Decimal(1), prices={"m": Price(Decimal(10), Decimal(20))})


def test_an_estimate_counts_four_bytes_a_token_and_the_worst_case() -> None:
    estimate = Estimate()
    given = Row("a", 1, {"model": "m", "max_tokens": 1000, "messages": [{"content": "x" * 400}]})
    estimate.add(given, PRICE)
    assert 100 <= estimate.prompt_tokens <= 115
    assert estimate.most_completion_tokens == 1000
    assert estimate.worst is not None
    assert Decimal("0.024") < estimate.worst < Decimal("0.025")
    assert not estimate.exceeds(PRICE, None)
    for _ in range(99):
        estimate.add(given, PRICE)
    assert estimate.exceeds(PRICE, None)


def test_a_sample_says_what_is_likely() -> None:
    estimate = Estimate(rows=100)
    estimate.measure([result(credits="0.001"), result(credits="0.003"), BAD])
    assert estimate.likely == Decimal("0.2")
    assert not estimate.exceeds(PRICE, None)
    assert estimate.exceeds(RunLimits(min_balance=Decimal(5)), Decimal("5.1"))
    estimate.likely = None
    estimate.measure([result(credits=None)])
    assert estimate.likely is None


def test_without_a_price_there_is_no_worst_case() -> None:
    estimate = Estimate()
    estimate.add(row(1), RunLimits())
    assert estimate.document()["worst_credits"] is None
    assert not estimate.exceeds(PRICE, None)


def unmet(number: int, **fields: object) -> Result:
    given = replace(row(number), line=number, expect={"contains": "x"})
    return Result(given, RowFailure(InvalidAnswerError(f"expected {number}")), **fields)  # type: ignore[arg-type]


def test_each_answer_that_is_not_as_expected_is_named_up_to_twenty() -> None:
    summary = Summary(total=23)
    for number in range(23, 0, -1):
        summary.add(unmet(number))
    lines = list(summary_lines(summary))
    assert lines[1] == "23 failed with invalid_answer (for good):"
    assert lines[2:-1] == [f"line {n}, r{n}: expected {n}" for n in range(4, 24)]
    assert lines[-1] == "and 3 more that are not as expected"


def test_the_end_counts_in_words() -> None:
    summary = Summary(total=1)
    summary.add(Result(row(0), RowAnswer("x", {"usage": {"prompt_tokens": 3}}), attempts=1))
    (line,) = summary_lines(summary)
    assert line.startswith(
        "1 row: 1 done, 0 failed; 0:00, 3+0 tokens, cost of 1 row unknown: set [prices]"
    )


def test_what_an_earlier_run_left_failed_is_told_apart() -> None:
    summary = Summary(total=3)
    for kind in ("ok", "rejected", "ok"):
        summary.skip(FinishedRow("x", kind))
    line, *_ = summary_lines(summary)
    assert line.startswith("3 rows: 0 done, 0 failed, 3 done before, 1 of them failed; ")


def test_a_cost_that_nothing_could_tell_is_not_spoken_of() -> None:
    summary = Summary(total=2)
    summary.add(Result(row(0), RowAnswer("x", {}), attempts=1))
    assert "cost" not in " ".join(summary_lines(summary))

"""Parquet in and out, where pyarrow is installed; what is said where it is not."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import answers
from tests.support.program import Ocx
from tests.support.row_server import RowServer

HOW = "no pyarrow: make test-data installs it"


def test_without_pyarrow_the_extra_is_named(ocx: Ocx, rows: RowServer) -> None:
    (ocx.work / "in.parquet").write_bytes(b"PAR1")
    (ocx.work / "pyarrow.py").write_text("raise ImportError")
    ocx.env["PYTHONPATH"] += f":{ocx.work}"
    run = ocx.fresh()("batch", "in.parquet", "x").has(2)
    assert "opencodex-cli[parquet]" in run.stderr


def table(path: Path, count: int) -> Any:
    pytest.importorskip("pyarrow", reason=HOW)
    import pyarrow
    import pyarrow.parquet

    day = datetime.date(2026, 1, 2)
    made = pyarrow.table(
        {
            "text": [f"row {number}" for number in range(count)],
            "n": pyarrow.array(range(count), pyarrow.int16()),
            "day": [day] * count,
            "tags": [["a", "b"]] * count,
        }
    )
    pyarrow.parquet.write_table(made, path, row_group_size=700)
    return made


def test_a_column_is_added_and_types_stay(ocx: Ocx, rows: RowServer) -> None:
    made = table(ocx.work / "in.parquet", 1500)
    import pyarrow.parquet

    args = ("batch", "in.parquet", "$text", "--merge", "--field", "mood", "-o", "out.parquet")
    rows.behave = lambda prompt, _: answers.error(400) if prompt == "row 3" else None
    ocx(*args).has(7)
    assert (ocx.work / ".out.parquet.journal").exists()
    rows.behave = lambda *_: None
    ocx(*args).has(2)
    ocx(*args, "--resume", "--retry-errors", "all").has(0)
    found = pyarrow.parquet.read_table(ocx.work / "out.parquet")
    assert found.drop_columns(["mood", "mood_error"]).equals(made)
    assert found["mood"].to_pylist() == [f"ROW {number}" for number in range(1500)]
    assert set(found["mood_error"].to_pylist()) == {None}
    assert rows.asked["row 3"] == 2
    assert sum(rows.asked.values()) == 1501
    table(ocx.work / "in.parquet", 1502)
    ocx(*args, "--resume").has(0)
    again = pyarrow.parquet.read_table(ocx.work / "out.parquet")
    assert again["mood"].to_pylist() == [f"ROW {number}" for number in range(1502)]
    assert sum(rows.asked.values()) == 1503, "the two that are new"
    assert not [path.name for path in ocx.work.iterdir() if path.name.startswith(".")]


def test_rows_of_parquet_as_batch_rows_and_values_in_prompts(ocx: Ocx, rows: RowServer) -> None:
    table(ocx.work / "in.parquet", 3)
    ocx("batch", "in.parquet", "$n $day $tags", "--limit", "2", "-o", "out.jsonl").has(0)
    assert sorted(rows.asked) == ['0 2026-01-02 ["a", "b"]', '1 2026-01-02 ["a", "b"]']
    refused = ocx("batch", "in.parquet", "$text", "-o", "out.parquet").has(2)
    assert "--merge" in refused.stderr
    (ocx.work / "bad.parquet").write_bytes(b"nothing")
    assert "cannot be read" in ocx("batch", "bad.parquet", "$text").has(2).stderr


def test_a_complete_output_with_nan_is_gone_on_with(ocx: Ocx, rows: RowServer) -> None:
    table(ocx.work / "in.parquet", 1)
    import pyarrow.parquet

    made = pyarrow.table({"text": ["a"], "n": [float("nan")]})
    pyarrow.parquet.write_table(made, ocx.work / "in.parquet")
    for out in ("out.parquet", "out.jsonl"):
        args = ("batch", "in.parquet", "$text", "--merge", "-o", out)
        ocx(*args).has(0)
        ocx(*args, "--resume").has(0)
    assert rows.asked["a"] == 2

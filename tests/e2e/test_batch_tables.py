"""A CSV of results, read by csv, DuckDB and pandas: `make test-data` installs the two."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import answers
from tests.support.program import Ocx
from tests.support.row_server import RowServer

CELLS = [
    "plain", "with, comma", 'with "quotes"', "two\nlines", "two\r\nlines", " blanks ", "", "00123",
    "宽字符 é 😀", "=1+1", "tab\there", "'", "NULL", "\u2028",
]  # fmt: skip


@pytest.fixture
def table(ocx: Ocx, rows: RowServer) -> Path:
    """Each cell beside the answer to it, which is the cell in capitals, and no error."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(
        [["id", "text"], *([f"r{n}", cell] for n, cell in enumerate(CELLS))]
    )
    (ocx.work / "in.csv").write_bytes(buffer.getvalue().encode())
    ocx("batch", "in.csv", "=$text", "--merge", "--ordered", "-o", "out.csv").has(0)
    return ocx.work / "out.csv"


def expected() -> list[tuple[str, ...]]:
    return [(f"r{n}", cell, "=" + cell.upper(), "") for n, cell in enumerate(CELLS)]


def test_csv(table: Path) -> None:
    with table.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["id", "text", "answer", "answer_error"]
    assert [tuple(row) for row in rows] == expected()


def test_duckdb(table: Path) -> None:
    duckdb: Any = pytest.importorskip("duckdb", reason="no duckdb: make test-data installs it")
    found = duckdb.sql(f"select * from read_csv('{table}', all_varchar=true)")
    assert [tuple(cell or "" for cell in row) for row in found.fetchall()] == expected()


def test_pandas(table: Path) -> None:
    pandas: Any = pytest.importorskip("pandas", reason="no pandas: make test-data installs it")
    frame = pandas.read_csv(table, dtype=str, keep_default_na=False)
    assert [tuple(row) for row in frame.itertuples(index=False)] == expected()


def answered(ocx: Ocx, name: str) -> list[list[str]]:
    with (ocx.work / name).open(newline="", encoding="utf-8") as file:
        return [row[:-1] for row in csv.reader(file)]


@pytest.mark.parametrize("ids", [True, False], ids=["an id column", "by position and values"])
def test_a_complete_table_goes_on_with_a_grown_input_in_its_order(
    ocx: Ocx, rows: RowServer, ids: bool
) -> None:
    def table(*texts: str) -> None:
        head, cells = (["id", "text"], [[f"i{t}", t] for t in texts])
        if not ids:
            head, cells = ["text"], [[text] for text in texts]
        with (ocx.work / "in.csv").open("w", newline="") as file:
            csv.writer(file).writerows([head, *cells])

    args = ("batch", "in.csv", "$text", "--merge", "-o", "out.csv", "-j", "4", "--resume")
    rows.behave = lambda prompt, times: answers.error(503) if (prompt, times) == ("b", 1) else None
    table("a", "b", "c\nd", "a2")
    ocx(*args).has(0)
    wanted = [[text, text.upper()] for text in ("a", "b", "c\nd", "a2")]
    assert [row[-2:] for row in answered(ocx, "out.csv")[1:]] == wanted, "in the input's order"
    assert not [path.name for path in ocx.work.iterdir() if path.name.startswith(".")]
    asked = dict(rows.asked)
    ocx(*args).has(0)
    assert rows.asked == asked
    grown = ("a", "b", "c\nd", "a2", "e") if not ids else ("new", "a", "b", "c\nd", "x", "a2", "e")
    table(*grown)
    ocx(*args).has(0)
    wanted = [[text, text.upper()] for text in grown]
    assert [row[-2:] for row in answered(ocx, "out.csv")[1:]] == wanted
    assert rows.asked == {**dict.fromkeys(grown, 1), "b": 2}
    assert not [path.name for path in ocx.work.iterdir() if path.name.startswith(".")]
    table("something", "else")
    refused = ocx(*args).has(2)
    assert "does not hold answers to this input" in refused.stderr
    assert [row[-2:] for row in answered(ocx, "out.csv")[1:]] == wanted
    assert not [path.name for path in ocx.work.iterdir() if path.name.startswith(".")]


def test_objects_with_their_answers_go_on_too_and_failures_keep_their_index(
    ocx: Ocx, rows: RowServer
) -> None:
    lines = [{"prompt": f"p{number}", "n": number} for number in range(5)]
    source = ocx.work / "in.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines[:4]))
    args = ("batch", "in.jsonl", "--merge", "-o", "out.jsonl", "--resume")
    rows.behave = lambda prompt, _: answers.error(400) if prompt == "p2" else None
    ocx(*args).has(7)
    assert (ocx.work / ".out.jsonl.journal").exists()
    rows.behave = lambda *_: None
    ocx(*args, "--retry-errors", "all").has(0)
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ocx(*args).has(0)
    out = [json.loads(line) for line in (ocx.work / "out.jsonl").read_text().splitlines()]
    assert out == [{**line, "answer": str(line["prompt"]).upper()} for line in lines]
    assert rows.asked == {"p0": 1, "p1": 1, "p2": 2, "p3": 1, "p4": 1}

"""A CSV of results, read by csv, DuckDB and pandas: `make test-data` installs the two."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

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

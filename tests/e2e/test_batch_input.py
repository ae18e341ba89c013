"""Inputs and outputs that are not what they should be: a clear error, nothing lost."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.support.program import Ocx
from tests.support.row_server import RowServer, read_rows, write_rows

LINE = b'{"prompt": "x"}\n'
BROKEN = {
    "empty": ("in.jsonl", b"", "holds no rows"),
    "header only": ("in.csv", b"prompt\n", "holds no rows"),
    "ragged": ("in.csv", b"prompt,b\nx,y\nz\n", "line 3 has 1 fields, the header has 2"),
    "open quote": ("in.csv", b'prompt\n"x\n', "line 2 a quoted field is not closed"),
    "twice a column": ("in.csv", b"prompt,prompt\nx,y\n", "line 1 has the column prompt twice"),
    "not JSON": ("in.jsonl", LINE + b"{nope}\n", "line 2 is not JSON"),
    "array": ("in.jsonl", LINE + b"[1]\n", "line 2 is not a JSON object"),
    "twice an id": ("in.jsonl", b'{"id":1,"prompt":"x"}\n' * 2, "line 2 has the id '1' of line 1"),
    "NUL": ("in.jsonl", LINE + b'{"prompt": "\x00"}\n', "line 2 holds a NUL byte at offset 12"),
    "not UTF-8": ("in.jsonl", LINE + b'{"prompt": "\xff"}\n', "line 2 is not UTF-8: byte 0xff"),
    "UTF-16": ("in.jsonl", LINE.decode().encode("utf-16"), "UTF-16"),
    "half a pair": ("in.jsonl", b'{"prompt": "\\ud800"}\n', "line 1 holds half a surrogate pair"),
    "half a gzip": ("in.jsonl.gz", gzip.compress(LINE * 500)[:-20], "in.jsonl.gz"),
    "no gzip": ("in.jsonl.gz", LINE, "in.jsonl.gz"),
    "10 MiB": (
        "in.jsonl",
        LINE + b'{"prompt": "' + b"x" * 10 * 2**20 + b'"}\n',
        "line 2 is longer",
    ),
    "no prompt": ("in.jsonl", b'{"word": "x"}\n', "line 1 holds no body, messages or prompt"),
    "a method": ("in.jsonl", b'{"method": "GET", "body": {}}\n', "line 1 has the method 'GET'"),
    "no suffix": ("rows", LINE, "cannot tell the format of rows"),
}


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_input_sends_nothing(ocx: Ocx, rows: RowServer, name: str) -> None:
    file, data, message = BROKEN[name]
    (ocx.work / file).write_bytes(data)
    run = ocx("batch", file, "-o", "out.jsonl").has(2)
    assert message in run.stderr
    assert len(run.stderr) < 500
    assert not rows.requests
    assert not (ocx.work / "out.jsonl").exists()


def test_all_that_is_wrong_is_told_at_once_or_kept_as_error_rows(ocx: Ocx, rows: RowServer) -> None:
    (ocx.work / "in.jsonl").write_bytes(LINE + b"{\n" + LINE + b"[]\n")
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl").has(2)
    assert "line 2 is not JSON" in run.stderr
    assert "line 4 is not a JSON object" in run.stderr
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--keep-going").has(2)
    out = {row["custom_id"]: row for row in read_rows(ocx.work / "out.jsonl")}
    assert {name: row["ocx"]["class"] for name, row in out.items()} == {
        "line-1": "ok",
        "line-2": "usage",
        "line-3": "ok",
        "line-4": "usage",
    }
    assert out["line-2"]["error"]["code"] == "usage"


@pytest.mark.parametrize(
    "data",
    [
        b'\xef\xbb\xbf{"prompt": "x"}\r\n\r\n{"prompt": "y"}',
        b'{"prompt": "x"}\n{"prompt": "y"}\n\n',
    ],
    ids=["BOM and CRLF", "empty lines"],
)
def test_what_is_no_error(ocx: Ocx, rows: RowServer, data: bytes) -> None:
    (ocx.work / "in.jsonl").write_bytes(data)
    ocx("batch", "in.jsonl", "-o", "out.jsonl").has(0)
    assert sorted(rows.asked) == ["x", "y"]


def test_a_torn_output_is_cut_off_and_a_foreign_one_refused(ocx: Ocx, rows: RowServer) -> None:
    write_rows(ocx.work / "in.jsonl", 5)
    out = ocx.work / "out.jsonl"
    ocx("batch", "in.jsonl", "-o", "out.jsonl").has(0)
    whole = out.read_bytes()
    out.write_bytes(whole[:-30])
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(0)
    assert len(read_rows(out)) == 5
    assert sorted(rows.asked.values()) == [1, 1, 1, 1, 2]
    out.write_bytes(b"shopping list\n" + whole)
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(2)
    assert "line 1, is no output row" in run.stderr
    assert out.read_bytes() == b"shopping list\n" + whole


def test_the_input_is_never_the_output(ocx: Ocx, rows: RowServer) -> None:
    given = ocx.work / "in.jsonl"
    given.write_text('{"custom_id": "a", "response": {"status_code": 200}, "prompt": "x"}\n')
    (ocx.work / "link.jsonl").hardlink_to(given)
    before = given.read_bytes()
    for out in ("in.jsonl", "link.jsonl"):
        run = ocx("batch", "in.jsonl", "-o", out, "--resume").has(2)
        assert f"-o {out} is the input itself" in run.stderr
    assert (given.read_bytes(), rows.asked) == (before, {})


def test_a_second_run_on_the_same_output_is_refused(ocx: Ocx, rows: RowServer) -> None:
    write_rows(ocx.work / "in.jsonl", 2)
    first = ocx.spawn("batch", "-", "--text", "-o", "out.jsonl", stdin=-1)
    first.send("hello\n")
    rows.wait_for_requests()
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(2)
    assert "another ocx is writing" in run.stderr
    first.end_input()
    first.finish().has(0)


def test_lines_of_text_of_a_sample_are_gone_on_with(ocx: Ocx, rows: RowServer) -> None:
    write_rows(ocx.work / "in.jsonl", 9)
    args = ("batch", "in.jsonl", "--format", "text", "-o", "out.txt")
    ocx(*args, "--sample", "3", "--seed", "1").has(0)
    ocx(*args, "--resume").has(0)
    sent = [json.loads(line)["prompt"] for line in (ocx.work / "in.jsonl").read_text().splitlines()]
    assert (ocx.work / "out.txt").read_text().splitlines() == [text.upper() for text in sent]
    assert rows.asked.total() == 9
    assert not (ocx.work / ".out.txt.journal").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("in.jsonl", "--resume"), "--resume goes on with a file"),
        (("in.jsonl", "--shard", "3/3"), "no shard 3 of 3"),
        (("in.jsonl", "--max-failures", "many"), "--max-failures takes"),
        (("in.jsonl", "--max-credits", "lots"), "--max-credits takes a number"),
        (("in.jsonl", "--merge", "--format", "text"), "exclude each other"),
        (("in.jsonl", "-o", "temperature"), "-o names the output file"),
        (("in.jsonl", "--json"), "--json prints the summary on stdout"),
        (("-", "--sample", "3"), "--sample needs a file"),
        (("-", "--estimate"), "--estimate needs a file"),
        (("-", "--schema", "-"), "stdin can be read once"),
        (("in.jsonl", "--format", "xml"), "--format takes jsonl or text"),
        (("in.jsonl", "-o", "out.parquet"), "a Parquet output is a Parquet input"),
        (("in.jsonl", "-p", "a=b"), "-p sets a parameter of a template"),
        (("in.jsonl", "-o", "none/out.jsonl"), "none/out.jsonl: No such file"),
        (("none.jsonl",), "cannot read none.jsonl"),
    ],
)
@pytest.mark.unmeasured
def test_wrong_options(ocx: Ocx, rows: RowServer, args: tuple[str, ...], message: str) -> None:
    write_rows(ocx.work / "in.jsonl", 2)
    run = ocx("batch", *args, input=b"").has(2)
    assert message in run.stderr
    assert not rows.requests


def test_a_price_that_is_none_is_told(ocx: Ocx, rows: RowServer) -> None:
    write_rows(ocx.work / "in.jsonl", 2)
    ocx.write_config('[prices."m"]\nprompt = 1\n')
    assert ":1: prices.m: completion is required" in ocx("batch", "in.jsonl").has(3).stderr
    assert not rows.requests


def test_red_prompt_tests_are_all_named(ocx: Ocx, rows: RowServer) -> None:
    cases = [
        {"id": f"case {n}", "prompt": f"number {n}", "expect": {"equals": "NUMBER 2"}}
        for n in range(4)
    ]
    (ocx.work / "in.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl").has(14)
    for n in (0, 1, 3):
        told = f"line {n + 1}, case {n}: expected equals 'NUMBER 2', got 'NUMBER {n}'"
        assert run.stderr.count(told) == 1


def test_the_sandbox_tells_what_a_run_took(ocx: Ocx) -> None:
    ocx.env["OCX_SANDBOX"] = "1"
    run = ocx("batch", "-", "--text", "--report", "r.json", input="one\ntwo\n").has(0)
    assert " credits" in run.stderr
    assert "unknown" not in run.stderr
    left = ocx("--sandbox", "balance", "--json").has(0).json["balance"]
    taken = json.loads((ocx.work / "r.json").read_text())["credits"]
    assert left == pytest.approx(500 - taken)
    assert taken > 0

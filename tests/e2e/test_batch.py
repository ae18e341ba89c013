"""`ocx batch` through the real program: rows in, rows out, what is told, what is sent again."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.support import answers
from tests.support.pages import PAGES
from tests.support.program import Ocx
from tests.support.row_server import RowServer, good, read_rows, text_of, write_rows

OPENAI = """\
{"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": \
"gpt-3.5-turbo-0125", "messages": [{"role": "system", "content": "You are a helpful assistant."},\
{"role": "user", "content": "Hello world!"}],"max_tokens": 1000}}
{"custom_id": "request-2", "method": "POST", "url": "/v1/chat/completions", "body": {"model": \
"gpt-3.5-turbo-0125", "messages": [{"role": "system", "content": "You are an unhelpful assistant."}\
,{"role": "user", "content": "Hello world!"}],"max_tokens": 1000}}
"""
"""platform.openai.com/docs/guides/batch, "Prepare your batch file"."""

VLLM = """\
{"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": \
"meta-llama/Meta-Llama-3-8B-Instruct", "messages": [{"role": "system", "content": \
"You are a helpful assistant."}, {"role": "user", "content": "Hello world!"}], \
"max_completion_tokens": 1000}}
{"custom_id": "request-2", "method": "POST", "url": "/v1/chat/completions", "body": {"model": \
"meta-llama/Meta-Llama-3-8B-Instruct", "messages": [{"role": "system", "content": \
"You are an unhelpful assistant."}, {"role": "user", "content": "Hello world!"}], \
"max_completion_tokens": 1000}}
"""
"""vllm: examples/offline_inference/openai_batch/openai_example_batch.jsonl."""


def put(ocx: Ocx, name: str, text: str | bytes) -> Path:
    path = ocx.work / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("text", [OPENAI, VLLM], ids=["openai", "vllm"])
def test_documented_input_files_run_unchanged(ocx: Ocx, rows: RowServer, text: str) -> None:
    put(ocx, "in.jsonl", text)
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--ordered", "--max-tokens", "5").has(0)
    out = read_rows(ocx.work / "out.jsonl")
    assert [row["custom_id"] for row in out] == ["request-1", "request-2"]
    assert [text_of(row) for row in out] == ["HELLO WORLD!", "HELLO WORLD!"]
    sent = [rows.body(request) for request in rows.requests]
    wanted = [json.loads(line)["body"] for line in text.splitlines()]
    assert sorted(sent, key=str) == sorted(wanted, key=str), "the file's own limit stays"
    assert all(row["error"] is None and row["id"].startswith("batch_req_") for row in out)
    assert out[0]["response"]["status_code"] == 200
    ocx("batch", "verify", "in.jsonl", "out.jsonl").has(0)


def test_a_table_with_a_prompt_gets_a_column(ocx: Ocx, rows: RowServer) -> None:
    put(ocx, "in.csv", 'name,text\r\na,"one\r\ntwo"\r\nb,"say ""hi"", please"\r\n')
    args = ("batch", "in.csv", "-m", "m1", "-s", "Short.", "$name: $text", "--merge")
    ocx(*args, "--field", "mood", "-o", "out.csv", "--ordered").has(0)
    found = list(
        csv.DictReader(io.StringIO((ocx.work / "out.csv").read_bytes().decode(), newline=""))
    )
    assert [(row["name"], row["text"]) for row in found] == [
        ("a", "one\r\ntwo"),
        ("b", 'say "hi", please'),
    ]
    assert [row["mood"] for row in found] == ["A: ONE\r\nTWO", 'B: SAY "HI", PLEASE']
    body = rows.body()
    assert (body["model"], body["messages"][0]["content"]) == ("m1", "Short.")


def test_a_schema_fills_a_column_for_each_property(ocx: Ocx, rows: RowServer) -> None:
    rows.behave = lambda prompt, _: good(prompt) if "bad" in prompt else json_answer(prompt)
    put(ocx, "in.tsv", "text\nfine\nbad\n")
    args = ("batch", "in.tsv", "$text", "--schema", "mood, score int", "--merge", "--ordered")
    ocx(*args, "-o", "out.tsv").has(14)
    header, *lines = (ocx.work / "out.tsv").read_text().splitlines()
    assert header == "text\tmood\tscore\tanswer_error"
    assert lines[0] == "fine\tglad\t3\t"
    assert lines[1].startswith("bad\t\t\tinvalid_answer: ")


def json_answer(_: str) -> bytes:
    return answers.answer(answers.completion('{"mood": "glad", "score": 3}'))


def test_lines_in_lines_out_in_a_pipe(ocx: Ocx, rows: RowServer) -> None:
    rows.behave = lambda prompt, _: good("x\ny") if prompt == "b" else None
    run = ocx("batch", "-", "--text", "--format", "text", input="a\nb\nc\n").has(0)
    assert run.text == "A\nX\\nY\nC\n"
    assert "3 done, 0 failed" in run.stderr


def test_rows_of_a_pipe_are_sent_as_they_come(ocx: Ocx, rows: RowServer) -> None:
    process = ocx.spawn("batch", "-", "--text", stdin=-1)
    process.send("first\n")
    assert process.stdout is not None
    assert b"FIRST" in process.stdout.until(b"\n")
    process.send("not\0text\n")
    process.end_input()
    run = process.finish().has(2)
    assert "holds a NUL byte" in run.text
    assert rows.prompts() == ["first"]


def test_gzip_objects_a_template_and_its_options(ocx: Ocx, rows: RowServer) -> None:
    folder = ocx.config / "templates"
    folder.mkdir(parents=True)
    text = 'model = "m2"\nsystem = "In $lang."\nprompt = "Translate: $word"\n'
    (folder / "t.toml").write_text(text + '[defaults]\nlang = "Malay"\n[options]\nseed = 7\n')
    put(ocx, "in.jsonl.gz", gzip.compress(b'{"word": "cat"}\n{"word": "dog", "lang": "Jawi"}\n'))
    ocx("batch", "in.jsonl.gz", "-t", "t", "-p", "lang=Iban", "-o", "out.jsonl").has(0)
    bodies = sorted((rows.body(request) for request in rows.requests), key=str)
    assert {(body["model"], body["seed"]) for body in bodies} == {("m2", 7)}
    systems = {body["messages"][-1]["content"]: body["messages"][0]["content"] for body in bodies}
    assert systems == {"Translate: cat": "In Iban.", "Translate: dog": "In Jawi."}
    ocx("batch", "in.jsonl.gz", "-t", "t", "-p", "long=x").has(2)


def test_expectations_make_a_prompt_test(ocx: Ocx, rows: RowServer) -> None:
    lines = [{"prompt": "a", "expect": {"equals": "A"}}, {"prompt": "b", "expect": {"regex": "z"}}]
    put(ocx, "in.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl").has(14)
    assert "expected regex 'z', got 'B'" in run.stderr
    again = ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(14)
    assert "1 done before" not in again.stderr
    assert rows.asked["b"] == 1, "a rerun cannot mend it"


def test_expectations_as_test_cases_of_a_ci_server(ocx: Ocx, rows: RowServer) -> None:
    """Read by a strict parser; the second run knows the rows of the first."""
    lines: list[dict[str, Any]] = [
        {"id": "good", "prompt": "a", "expect": {"equals": "A"}},
        {"id": 'b "<&>\x01', "prompt": "b", "expect": {"regex": "z"}},
        {"id": "lost", "prompt": "lost", "expect": {"equals": "LOST"}},
        {"id": "no case", "prompt": "c"},
    ]
    rows.behave = lambda prompt, _: answers.error(400) if prompt == "lost" else None
    put(ocx, "in.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--junit", "cases.xml")
    ocx(*args).has(7)
    for _ in range(2):
        suite = ElementTree.parse(ocx.work / "cases.xml").getroot()[0]
        assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
        found = {case.get("name"): [each.tag for each in case] for case in suite}
        assert found.keys() == {"good", 'b "<&>\ufffd', "lost"}
        assert (found['b "<&>\ufffd'], found["lost"]) == (["failure"], ["error"])
        ocx(*args, "--resume").has(7)
    ocx("batch", "in.jsonl", "-o", "x.jsonl", "--junit", "nowhere/cases.xml").has(2)
    assert not (ocx.work / "x.jsonl").exists()


def test_what_is_written_is_not_sent_again(ocx: Ocx, rows: RowServer) -> None:
    rows.behave = lambda prompt, _: answers.error(400) if prompt == "row 3" else None
    write_rows(ocx.work / "in.jsonl", 6)
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--limit", "4").has(7)
    assert "--resume" in ocx("batch", "in.jsonl", "-o", "out.jsonl").has(2).stderr
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(7)
    assert set(rows.asked.values()) == {1}
    rows.behave = lambda *_: None
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume", "--retry-errors", "all").has(0)
    assert rows.asked["row 3"] == 2
    assert ocx("batch", "verify", "in.jsonl", "out.jsonl", "--json").has(0).json["good"] == 6
    changed = ocx("batch", "in.jsonl", "-m", "x", "-o", "out.jsonl", "--resume").has(2)
    assert "line 1 has another request for 'r0' than was answered" in changed.stderr


def test_verify_finds_what_is_missing_failed_and_doubled(ocx: Ocx, rows: RowServer) -> None:
    rows.behave = lambda prompt, _: answers.error(400) if prompt == "row 1" else None
    put(ocx, "in.jsonl", '{"prompt": "row 0"}\n{"prompt": "row 1"}\n{"prompt": "row 2"}\n')
    ocx("batch", "in.jsonl", "--limit", "2", "-o", "a.jsonl").has(7)
    ocx("batch", "in.jsonl", "--limit", "1", "-o", "b.jsonl").has(0)
    run = ocx("batch", "verify", "in.jsonl", "a.jsonl", "b.jsonl").has(13)
    assert "1 missing (line-3); 1 failed (line-2); 1 doubled (line-1)" in run.stderr
    failed = ocx("batch", "verify", "in.jsonl", "a.jsonl", "--failed").has(13)
    rows.behave = lambda *_: None
    ocx("batch", "-", "-o", "c.jsonl", input=failed.stdout).has(0)
    assert {row["custom_id"] for row in read_rows(ocx.work / "c.jsonl")} == {"line-2", "line-3"}


def test_shards_share_nothing_and_miss_nothing(ocx: Ocx, rows: RowServer) -> None:
    write_rows(ocx.work / "in.jsonl", 20)
    ocx("batch", "in.jsonl", "--shard", "0/3", "-o", "out-{shard}.jsonl").has(0)
    slurm = {
        "SLURM_ARRAY_TASK_ID": "5",
        "SLURM_ARRAY_TASK_MIN": "4",
        "SLURM_ARRAY_TASK_COUNT": "3",
    }
    ocx("batch", "in.jsonl", "-o", "out-{shard}.jsonl", env=slurm).has(0)
    ocx("batch", "in.jsonl", "-o", "out-{shard}.jsonl", env=slurm).has(0)  # restarted: resumes
    assert "share the output" in ocx("batch", "in.jsonl", "-o", "x", env=slurm).has(2).stderr
    kubernetes = {"JOB_COMPLETION_INDEX": "2", "OCX_SHARDS": "3"}
    ocx("batch", "in.jsonl", "-o", "out-{shard}.jsonl", env=kubernetes).has(0)
    outs = [f"out-{shard}.jsonl" for shard in range(3)]
    ocx("batch", "verify", "in.jsonl", *outs).has(0)
    assert len(rows.asked) == 20
    assert set(rows.asked.values()) == {1}


def test_equal_requests_are_sent_once_and_on_resume_not_again(ocx: Ocx, rows: RowServer) -> None:
    lines = [json.dumps({"id": f"r{n}", "prompt": f"row {n % 3}"}) for n in range(12)]
    put(ocx, "in.jsonl", "\n".join(lines))
    ocx("batch", "in.jsonl", "--dedup", "--limit", "5", "-o", "out.jsonl").has(0)
    assert set(rows.asked.values()) == {1}
    ocx("batch", "in.jsonl", "--dedup", "--resume", "-o", "out.jsonl").has(0)
    assert set(rows.asked.values()) == {1}
    out = read_rows(ocx.work / "out.jsonl")
    assert len(out) == len({row["custom_id"] for row in out}) == 12
    assert {(row["custom_id"], text_of(row)) for row in out} == {
        (f"r{n}", f"ROW {n % 3}") for n in range(12)
    }


def test_the_summary_as_text_report_and_json(ocx: Ocx, rows: RowServer) -> None:
    rows.behave = lambda prompt, _: (
        answers.error(400, message="no \x1b[31m") if prompt == "row 1" else good(prompt, cost=0.5)
    )
    write_rows(ocx.work / "in.jsonl", 3)
    run = ocx("batch", "in.jsonl", "-o", "o.jsonl", "--report", "r.json", "--json").has(7)
    assert run.json == json.loads((ocx.work / "r.json").read_text())
    assert (run.json["done"], run.json["failed"], run.json["credits"]) == (2, 1, 1)
    assert run.json["failures"]["rejected"]["example"]["id"] == "r1"
    error = json.loads(run.stderr.splitlines()[-1])["error"]
    assert (error["type"], error["exit_code"]) == ("rejected", 7)
    assert "\x1b" not in run.stderr
    plain = ocx("batch", "in.jsonl", "-o", "p.jsonl").has(7)
    assert "\x1b" not in plain.stderr
    assert "ocx: 1 failed with rejected (for good); line 2, r1: HTTP 400: no" in plain.stderr


@pytest.mark.parametrize("form", ["plain", "json"])
def test_progress_for_logs_and_programs(ocx: Ocx, rows: RowServer, form: str) -> None:
    write_rows(ocx.work / "in.jsonl", 3)
    run = ocx("batch", "in.jsonl", "-o", "o.jsonl", "--progress", form).has(0)
    line = run.stderr.splitlines()[0]
    if form == "json":
        assert json.loads(line)["done"] == 3, "the last line is the end"
    else:
        assert line.startswith("ocx: 3/3 rows, 0 failed, ")


def test_a_bar_on_a_terminal(ocx: Ocx, rows: RowServer) -> None:
    write_rows(ocx.work / "in.jsonl", 40)
    rows.behave = lambda prompt, _: good(prompt, cost=1)
    process = ocx.in_terminal("batch", "in.jsonl", "-o", "o.jsonl", size=(24, 120))
    run = process.finish().has(0)
    assert "40/40 rows" in run.text
    assert "40 of ~40 credits" in run.text
    assert "100%" in run.text
    assert "40 rows: 40 done, 0 failed" in run.text
    assert "\x1b[K" in run.text


def test_an_estimate_sends_only_its_sample(ocx: Ocx, rows: RowServer) -> None:
    ocx.write_config('[prices."m"]\nprompt = 0\ncompletion = 1000\n')
    write_rows(ocx.work / "in.jsonl", 10)
    args = ("batch", "in.jsonl", "-m", "m", "--max-tokens", "1000", "--estimate")
    found = ocx(*args, "--json", "-o", "o.jsonl").has(0).json
    assert found == ocx(*args, "--json").has(0).json
    assert "takes the rows" in ocx(*args, "--json", "--sample", "1").has(2).stderr
    assert (found["rows"], found["worst_credits"], found["likely_credits"]) == (10, 10, None)
    again = ocx(*args, "--json", "--schema", "a", "--schema-retries", "2").has(0).json
    assert again["worst_credits"] == 30
    said = ocx(*args).has(0).text
    assert "four bytes a token; GPT-4-class tokenizers take up to twice that for Chinese" in said
    assert not rows.requests
    assert not (ocx.work / "o.jsonl").exists()
    put(ocx, "in.csv", "text\nrow 0\nrow 1\n")
    table = ("batch", "in.csv", "$text", "-m", "m", "--merge", "-o", "o.csv")
    for there in (False, True):
        assert (ocx.work / "o.csv").exists() == there
        assert ocx(*table, "--estimate", "--json").has(0).json["rows"] == 2
        put(ocx, "o.csv", "")  # as `mktemp` makes one
    rows.behave = lambda prompt, _: answers.error(400) if prompt == "row 1" else None
    ocx(*table).has(7)
    put(ocx, "o.csv", "")
    assert ocx(*table, "--resume", "--estimate", "--json").has(0).json["rows"] == 0, "the journal's"
    rows.asked.clear()
    rows.requests.clear()
    ocx(*args, "--max-credits", "9").has(12)
    rows.behave = lambda prompt, _: good(prompt, cost=0.25)
    found = ocx(*args, "--sample", "4", "--max-credits", "9", "-o", "o.jsonl", "--json").has(0).json
    assert found["likely_credits"] == 2.5
    assert len(rows.requests) - rows.prompts().count("") >= 4
    assert len(rows.asked) == 4
    ocx("batch", "in.jsonl", "-m", "m", "--max-tokens", "1000", "-o", "o.jsonl", "--resume").has(0)
    assert set(rows.asked.values()) == {1}
    rows.behave = lambda *_: answers.error(401)
    ocx(*args, "--sample", "4").has(4)


def test_help_of_both_and_a_file_before_options(ocx: Ocx, rows: RowServer) -> None:
    put(ocx, "in.jsonl", '{"prompt": "a"}\n')
    assert "verify" in ocx("batch", "--help").has(0).text
    assert "--failed" in ocx("batch", "verify", "--help").has(0).text
    assert "there are no rows" in ocx("batch").has(2).stderr
    assert ocx("batch", "--text", "verify", "in.jsonl").has(2).stderr
    ocx("batch", "-o", "o.jsonl", "in.jsonl", "--", "-1 $prompt").has(0)
    assert rows.prompts() == ["-1 a"]


def test_ctrl_c_drains_and_dies_by_it(ocx: Ocx, rows: RowServer) -> None:
    write_rows(ocx.work / "in.jsonl", 50)
    process = ocx.spawn("batch", "in.jsonl", "-o", "o.jsonl", "-j", "4")
    rows.wait_for_requests(10)
    process.signal(signal.SIGINT)
    run = process.finish().has(-signal.SIGINT)
    done = len(read_rows(ocx.work / "o.jsonl"))
    assert done == len(rows.asked), "what was sent has been awaited and written"
    assert f"{50 - done} unsent" in run.stderr
    ocx("batch", "in.jsonl", "-o", "o.jsonl", "--resume").has(0)
    assert set(rows.asked.values()) == {1}


EXAMPLES = re.findall(r"^(?:printf .*\| )?ocx batch .*", PAGES["batch"], re.M)


def test_the_examples_of_the_readme_run_in_their_order(ocx: Ocx, rows: RowServer) -> None:
    assert len(EXAMPLES) == 7
    write_rows(ocx.work / "requests.jsonl", 9)
    put(ocx, "reviews.csv", "text\nnice\n")
    put(ocx, "评论.csv", "编号,评论\n1,好吃\n")
    for line in EXAMPLES:
        script = f'program=("$0" "$@"); ocx() {{ "${{program[@]}}" "$@"; }}\n{line}\n'
        ocx.forked().spawn(prefix=("bash", "-c", script)).finish().has(0)
    assert (ocx.work / "moods.csv").read_text().splitlines()[0] == "text,mood,mood_error"
    assert "1,好吃,这条评论的语气，一个词：好吃," in (ocx.work / "语气.csv").read_text()

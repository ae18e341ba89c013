"""What an input holds, and what is wrong with it: every format, every problem with its line."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.batch import records
from ocx.batch.input import FileInput, build_rows
from ocx.batch.records import Dialect, Format, format_of, read_records
from ocx.batch.request_builder import RequestBuilder
from ocx.batch.row import BadRow, Row, check_expectation, read_expectation
from ocx.chat.templates import Template, parse_template
from ocx.errors import InvalidAnswerError, UsageError

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


def rows_of(
    data: bytes | str, form: Format = "jsonl", builder: RequestBuilder | None = None
) -> list[Row | BadRow]:
    data = data.encode() if isinstance(data, str) else data
    records = read_records(io.BytesIO(data), form, Dialect())
    return list(build_rows(builder or RequestBuilder({"model": "m"}), records))


def one(data: str, form: Format = "jsonl", builder: RequestBuilder | None = None) -> Row:
    (row,) = rows_of(data, form, builder)
    assert isinstance(row, Row), row
    return row


def problem(
    data: bytes | str, form: Format = "jsonl", builder: RequestBuilder | None = None
) -> BadRow:
    bad = [row for row in rows_of(data, form, builder) if isinstance(row, BadRow)]
    assert len(bad) == 1, bad
    return bad[0]


def template(prompt: str, **more: Any) -> Template:
    return parse_template(f"prompt = {json.dumps(prompt)}", "PROMPT")


def prompt_of(row: Row) -> Any:
    return row.body["messages"][-1]["content"]


def test_an_openai_batch_row_is_sent_as_it_is() -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    row = one(json.dumps(line))
    assert (row.id, row.line, row.path, row.body) == ("a", 1, "/chat/completions", body)


def test_the_url_is_below_the_base_url() -> None:
    row = one('{"custom_id": "a", "url": "/v1/embeddings", "body": {"input": "x"}}')
    assert (row.path, row.body) == ("/embeddings", {"model": "m", "input": "x"})


def test_a_bare_chat_body_is_a_row() -> None:
    row = one('{"id": 7, "messages": [{"role": "user", "content": "hi"}], "seed": 1}')
    assert row.id == "7"
    assert row.body == {"model": "m", "messages": [{"role": "user", "content": "hi"}], "seed": 1}


def test_a_prompt_is_a_row_and_may_set_fields_of_the_api() -> None:
    row = one('{"prompt": "hi", "system": "Be brief.", "temperature": 0.5, "lang": "en"}')
    assert row.id == "line-1"
    assert row.body == {
        "model": "m",
        "temperature": 0.5,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
        ],
    }


def test_fields_of_any_object_fill_the_prompt() -> None:
    builder = RequestBuilder({"model": "m"}, template=template("Translate $word to ${lang}: $n"))
    row = one('{"id": "x", "word": "kasih", "lang": "en", "n": [1, null]}', builder=builder)
    assert prompt_of(row) == "Translate kasih to en: [1, null]"


def test_values_are_never_expanded_again() -> None:
    builder = RequestBuilder(template=template("$a"))
    assert prompt_of(one('{"a": "$b", "b": "no"}', builder=builder)) == "$b"


def test_a_missing_field_is_named() -> None:
    builder = RequestBuilder(template=template("$word $lang"))
    assert "no field lang" in problem('{"word": "a"}', builder=builder).message


def test_a_table_fills_the_prompt_by_its_columns_quoted_newlines_too() -> None:
    builder = RequestBuilder(template=template("Sum up: $text"), id_column="key")
    rows = rows_of('key,text\n1,"two\nlines, ""quoted"""\n2,b\n', "csv", builder)
    assert [(row.id, row.line) for row in rows] == [("1", 2), ("2", 4)]
    assert isinstance(rows[0], Row)
    assert prompt_of(rows[0]) == 'Sum up: two\nlines, "quoted"'
    assert rows[0].source == {"key": "1", "text": 'two\nlines, "quoted"'}


def test_a_line_of_text_is_a_prompt_or_follows_one() -> None:
    assert [row.id for row in rows_of("a\n\nb", "text")] == ["line-1", "line-3"]
    row = one("kasih\n", "text", RequestBuilder(template=template("Translate:")))
    assert prompt_of(row) == "Translate:\n\nkasih"


def test_defaults_are_for_rows_that_do_not_set_them() -> None:
    builder = RequestBuilder({"model": "m", "temperature": 1, "max_tokens": 5}, system="S")
    row = one('{"prompt": "hi", "temperature": 0}', builder=builder)
    assert (row.body["temperature"], row.body["max_tokens"]) == (0, 5)
    assert row.body["messages"][0] == {"role": "system", "content": "S"}


@pytest.mark.parametrize("own", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("default", ["max_tokens", "max_completion_tokens"])
def test_a_row_with_a_limit_gets_no_other_limit(own: str, default: str) -> None:
    row = one(json.dumps({"prompt": "hi", own: 3}), builder=RequestBuilder({default: 5}))
    assert {name: row.body[name] for name in row.body if "max" in name} == {own: 3}


def test_a_row_with_a_system_message_keeps_it() -> None:
    body = '{"messages": [{"role": "developer", "content": "D"}, {"role": "user", "content": "h"}]}'
    assert len(one(body, builder=RequestBuilder(system="S")).body["messages"]) == 2


def test_stream_is_not_the_row_s_to_decide() -> None:
    row = one('{"messages": [{"role": "user", "content": "h"}], "stream": true}')
    assert "stream" not in row.body


def test_an_attachment_is_named_by_a_field(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("attached")
    builder = RequestBuilder(attach_field="file")
    row = one(json.dumps({"prompt": "Read", "file": str(tmp_path / "a.txt")}), builder=builder)
    assert prompt_of(row) == "Read\n\nattached"
    lost = problem(json.dumps({"prompt": "Read", "file": "/nowhere"}), builder=builder)
    assert "cannot read the attachment /nowhere" in lost.message


def test_an_expectation_is_kept_out_of_the_body() -> None:
    row = one('{"prompt": "hi", "expect": {"contains": "x"}}')
    assert row.expect == {"contains": "x"}
    assert "expect" not in row.body


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"prompt": }', "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"prompt": NaN}', "NaN is no JSON"),
        ('{"prompt": "a", "temperature": 1e999}', "the number 1e999 is too large"),
        ('{"prompt": ""}', "holds no body, messages or prompt"),
        ('{"a": 1}', "holds no body, messages or prompt"),
        ('{"messages": []}', "has no messages"),
        ('{"messages": ["x"]}', "a message that is not an object"),
        ('{"id": [1], "prompt": "x"}', "neither a text nor a whole number"),
        ('{"id": " ", "prompt": "x"}', "empty id"),
        ('{"prompt": "\\ud800"}', "half a surrogate pair"),
        ('{"body": {"messages": [{}]}, "method": "GET"}', "method"),
        ('{"body": {"messages": [{}]}, "url": "http://x/v1"}', "does not begin with /"),
        ('{"body": {"messages": [{}]}, "url": "/v1/../x"}', "not a plain path"),
        ('{"prompt": "x", "expect": {"regex": "("}}', "regex that is none"),
        ('{"prompt": "x", "expect": {"exactly": "("}}', "expects 'exactly'"),
        ('{"prompt": "x", "expect": {"schema": {"type": 3}}}', "schema that is none"),
        ("[" * 100_000, "nested too deeply"),
        (b'{"prompt": "\x00"}', "NUL byte at offset 12"),
        (b'{"prompt": "\xff"}', "is not UTF-8: byte 0xff at offset 12"),
        (b'\xff\xfe{"prompt": "x"}', "UTF-16"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(data: str | bytes, message: str) -> None:
    bad = problem(data)
    assert message in bad.message
    assert (bad.line, bad.id.startswith("line-") or bad.id == " ") == (1, True)


def test_good_rows_around_a_bad_one_are_read() -> None:
    rows = rows_of('{"prompt": "a"}\n{\n{"prompt": "b"}\n')
    assert [isinstance(row, Row) for row in rows] == [True, False, True]
    assert rows[1].line == 2


def test_a_second_row_of_an_id_is_a_problem_with_an_id_of_its_own() -> None:
    bad = problem('{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n')
    assert (bad.id, bad.line, bad.message) == ("line-2", 2, "has the id 'a' of line 1")


def test_bom_and_crlf_are_no_part_of_the_text() -> None:
    assert prompt_of(one("\ufeffa b\r\n", "text")) == "a b"
    row = one("\ufeffid,prompt\r\n7,x\r\n", "csv")
    assert (row.id, prompt_of(row)) == ("7", "x")


def test_a_line_of_ten_mebibytes_is_refused_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = b'{"prompt": "' + b"x" * records.LINE_LIMIT + b'"}\n'
    rows = rows_of(long + b'{"prompt": "b"}\n')
    assert isinstance(rows[0], BadRow)
    assert rows[0].message == "is longer than 10 MiB"
    assert (rows[1].line, isinstance(rows[1], Row)) == (2, True)


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        ("a,b\n1\n", 2, "has 1 fields, the header has 2"),
        ("a,b\n1,2,3\n", 2, "has 3 fields, the header has 2"),
        ('a,b\n1,"2\n3,4\n', 2, "a quoted field is not closed"),
        ('a,b\n1,"2"x\n', 2, "text after a closing quote"),
        ("a,a\n1,2\n", 1, "has the column a twice"),
        ("a,,b\n1,2,3\n", 1, "column 2 has no name"),
        ("a,b\n1,\x00\n", 2, "NUL byte"),
    ],
)
def test_what_is_wrong_with_a_table(data: str, line: int, message: str) -> None:
    bad = problem(data, "csv", RequestBuilder(template=template("$a")))
    assert (bad.line, message in bad.message) == (line, True), bad


def test_a_table_of_a_header_alone_holds_no_rows() -> None:
    assert rows_of("a,b\n", "csv") == []


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
def test_a_table_is_read_as_csv_wrote_it(cells: list[tuple[str, str]]) -> None:
    """Whatever the fields hold: quotes, separators, line ends, spaces."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["a", "b"])
    writer.writerows(cells)
    builder = RequestBuilder(template=template("[$a|$b]"))
    rows = [row for row in rows_of(file.getvalue(), "csv", builder) if isinstance(row, Row)]
    found = [(row.source["a"], row.source["b"]) for row in rows if row.source]
    assert found == cells


@given(st.lists(TEXTS.filter(str.strip)))
def test_json_lines_are_read_as_json_wrote_them(prompts: list[str]) -> None:
    data = "".join(json.dumps({"prompt": text}, ensure_ascii=False) + "\n" for text in prompts)
    assert [prompt_of(row) for row in rows_of(data) if isinstance(row, Row)] == prompts


@given(st.binary(max_size=200), st.sampled_from(["jsonl", "csv", "tsv", "text"]))
def test_no_bytes_are_a_surprise(data: bytes, form: Format) -> None:
    for row in rows_of(data, form):
        assert isinstance(row, Row | BadRow)
        assert row.line >= 1


def test_a_gzipped_file_is_read_by_its_suffix_and_a_cut_is_told(tmp_path: Path) -> None:
    data = b"".join(b'{"prompt": "%d"}\n' % number for number in range(5000))
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(data))
    source = FileInput(path, format_of(str(path)), RequestBuilder())
    assert sum(isinstance(row, Row) for row in source.rows()) == 5000
    path.write_bytes(gzip.compress(data)[:-2000])
    last = list(source.rows())[-1]
    assert isinstance(last, BadRow)
    assert last.message == "the gzip file is cut off here"
    assert 1 < last.line < 5001


@pytest.mark.parametrize("name", ["in.xlsx", "in", "in.gz"])
def test_a_name_without_a_format_is_an_error(name: str) -> None:
    with pytest.raises(UsageError, match="cannot tell the format"):
        format_of(name)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        list(FileInput(tmp_path / "x", "jsonl", RequestBuilder()).rows())
    with pytest.raises(UsageError, match="it is a folder"):
        list(FileInput(tmp_path, "jsonl", RequestBuilder()).rows())


AGE = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@pytest.mark.parametrize(
    ("expect", "good", "bad"),
    [
        ({"contains": "Paris"}, "It is Paris.", "It is Rome."),
        ({"contains": ["a", "b"]}, "ba", "a"),
        ({"regex": r"^\d+$"}, "42", "x"),
        ({"equals": "yes"}, " yes\n", "yes!"),
        ({"schema": AGE}, '{"age": 3}', '{"age": "3"}'),
        ({"contains": "a", "equals": "abc"}, "abc", "ab"),
    ],
)
def test_expectations(expect: dict[str, Any], good: str, bad: str) -> None:
    assert read_expectation({"expect": expect}) == expect
    check_expectation(expect, good)
    with pytest.raises(InvalidAnswerError, match="expected "):
        check_expectation(expect, bad)


@pytest.mark.parametrize(
    "expect", [{"contains": 3}, {"contains": [3]}, {"regex": 3}, {"schema": "x"}, {"regex": "["}]
)
def test_what_is_no_expectation(expect: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expects"):
        read_expectation({"expect": expect})


def test_an_answer_is_shown_short_in_the_error() -> None:
    with pytest.raises(InvalidAnswerError) as caught:
        check_expectation({"equals": "x"}, "long " * 1000)
    assert len(caught.value.message) < 150

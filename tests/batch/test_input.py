"""Which rows a run takes: shards, limits, samples; by property.

Columns: of any name, cut by any delimiter, and told once if they are not there.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.batch.input import FileInput, Selection, build_rows
from ocx.batch.options import RowsOut, Shard, find_shard
from ocx.batch.records import Dialect, Format, find_delimiter, read_records
from ocx.batch.request_builder import RequestBuilder, check_columns
from ocx.batch.row import BadRow, Row
from ocx.batch.row_formats import MergedTable
from ocx.chat.templates import Template
from ocx.errors import UsageError

SLURM = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_MIN": "5",
    "SLURM_ARRAY_TASK_MAX": "12",
    "SLURM_ARRAY_TASK_COUNT": "8",
}


def rows(count: int) -> list[Row | BadRow]:
    return [Row(f"r{number}", number + 1, {}) for number in range(count)]


@given(st.integers(1, 9), st.sets(st.text(), max_size=50))
def test_every_row_belongs_to_exactly_one_shard(count: int, ids: set[str]) -> None:
    shards = [Shard(index, count) for index in range(count)]
    for row_id in ids:
        assert sum(row_id in shard for shard in shards) == 1


def test_the_shard_of_an_id_is_fixed() -> None:
    """sha256("a") mod 8; a change would send rows of a started cluster job twice."""
    assert [index for index in range(8) if "a" in Shard(index, 8)] == [3]


@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 3))
def test_a_sample_is_the_same_for_a_seed_and_in_order(count: int, size: int, seed: int) -> None:
    selection = Selection(sample=size, seed=seed)
    taken = list(selection.of_file(count, rows(count)))
    assert taken == list(selection.of_file(count, rows(count)))
    assert len(taken) == min(size, count) == selection.size(count)
    assert [row.line for row in taken] == sorted({row.line for row in taken})


def test_a_limit_counts_the_rows_of_the_shard() -> None:
    shard = Shard(1, 2)
    taken = list(Selection(shard, limit=3).of_stream(rows(50)))
    assert len(taken) == 3
    assert all(row.id in shard for row in taken)


@pytest.mark.parametrize(
    ("flag", "env", "expected"),
    [
        (None, {}, None),
        ("2/8", SLURM, "2/8"),
        (None, SLURM, "2/8"),
        (None, {"JOB_COMPLETION_INDEX": "3", "OCX_SHARDS": "4"}, "3/4"),
        (None, {"AWS_BATCH_JOB_ARRAY_INDEX": "0", "OCX_SHARDS": "2"}, "0/2"),
        (None, {"JOB_COMPLETION_INDEX": "3"}, None),
        (None, {"OCX_SHARDS": "4"}, None),
    ],
)
def test_the_shard_is_the_flag_s_or_the_engine_s(
    flag: str | None, env: dict[str, str], expected: str | None
) -> None:
    found = find_shard(flag, env)
    assert (f"{found.index}/{found.count}" if found else None) == expected


@pytest.mark.parametrize(
    ("flag", "env", "message"),
    [
        ("8/8", {}, "no shard 8 of 8"),
        ("0/0", {}, "no shard"),
        ("x", {}, "takes I/N"),
        (None, {**SLURM, "SLURM_ARRAY_TASK_MAX": "20"}, "has gaps"),
        (None, {"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_MIN is not a whole number"),
        (None, {"JOB_COMPLETION_INDEX": "9", "OCX_SHARDS": "4"}, "no shard 9 of 4"),
    ],
)
def test_what_names_no_shard(flag: str | None, env: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_shard(flag, env)


def test_shards_never_share_an_output() -> None:
    def path(name: str, shard: Shard | None) -> Path | None:
        return RowsOut(output=name).path(shard)

    assert path("out-{shard}.jsonl", Shard(3, 8)) == Path("out-3.jsonl")
    assert path("out.jsonl", Shard(3, 8)) == Path("out.jsonl")
    with pytest.raises(UsageError, match="share the output"):
        path("out.jsonl", find_shard(None, SLURM))
    with pytest.raises(UsageError, match="no shard"):
        path("out-{shard}.jsonl", None)


def asked(
    data: bytes, prompt: str, form: Format = "csv", dialect: Dialect | None = None
) -> list[str]:
    records = read_records(io.BytesIO(data), form, dialect or Dialect())
    rows = list(build_rows(builder(prompt), records))
    return [
        row.body["messages"][-1]["content"] if isinstance(row, Row) else row.message for row in rows
    ]


def builder(prompt: str | None, **more: str) -> RequestBuilder:
    template = Template("PROMPT", prompt=prompt) if prompt is not None else None
    return RequestBuilder({"model": "m"}, template=template, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "following", "delimiter"),
    [
        ("id,note", "1,x", ","),
        ("nr;bericht", "1;x", ";"),
        ("nr\tbericht", "1\tx", "\t"),
        ("note", "x, y; z", ","),
        ('"a;b",c', "1,2", ","),
        ("id;Straße, Ort;text", "1;x;y", ";"),
        ("preis, netto;datum", "", ","),
        ('"say ""a;b;c""",d', "", ","),
        ("a;b,c,d", "1;2,3;4", ","),
    ],
)
def test_the_delimiter_is_found_in_the_header(header: str, following: str, delimiter: str) -> None:
    assert find_delimiter(header, following) == delimiter


@pytest.mark.parametrize(
    ("data", "given"),
    [
        (b"nr;satz\n1;a, b\n", None),
        (b"\xef\xbb\xbfnr;satz\r\n1;a, b\r\n", None),
        (b"nr\tsatz\n1\ta, b\n", None),
        (b"sep=|\r\nnr|satz\r\n1|a, b\r\n", None),
        (b"nr|satz\n1|a, b\n", "|"),
        (b"\nnr;satz\n1;a, b\n", None),
    ],
)
def test_a_table_is_cut_where_it_should_be(data: bytes, given: str | None) -> None:
    assert asked(data, "<$satz>", dialect=Dialect(given)) == ["<a, b>"]


def test_fields_of_objects_have_any_name_too() -> None:
    data = '{"意见": "差", "a b": 1}\n{"意见": "好"}\n'.encode()
    assert asked(data, "$意见了 ${a b}", "jsonl") == [
        "差了 1",
        "has no field a b; its fields: 意见",
    ]


@pytest.mark.parametrize(
    ("prompt", "columns", "message", "hint"),
    [
        ("$satz2", ["nr", "satz"], "t.csv has no column satz2; its columns: nr, satz", "$satz?"),
        (
            "${Note tex}",
            ["id", "Note text"],
            "has no column Note tex",
            "did you mean ${Note text}?",
        ),
        ("$语气 $b $nr", ["nr"], "has no columns 语气, b; its columns: nr", "$$ stands for"),
        ("hello", ["nr", "satz"], "the prompt names no column of t.csv", "'Summarize: $satz'"),
        ("cost: $$5", ["nr", "内容"], "the prompt names no column of t.csv", "${内容}"),
        (None, ["nr", "satz"], "t.csv has no column prompt, and there is no PROMPT", "$satz"),
        ("$stdin", ["nr"], "has no column prompt; its columns: nr", ""),
        ("$x0", [f"c{i}" for i in range(30)], "c19, and 10 more", ""),
    ],
)
def test_what_a_table_does_not_have(
    prompt: str | None, columns: list[str], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_columns(builder(prompt), columns, "t.csv")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("given", "columns"),
    [
        (builder("$satz"), ["nr", "satz"]),
        (builder("hello"), ["nr", "prompt"]),
        (builder(None), ["prompt"]),
        (builder("$stdin"), ["prompt"]),
        (builder("What is it?", attach_field="file"), ["nr", "file"]),
    ],
)
def test_what_can_be_asked(given: RequestBuilder, columns: list[str]) -> None:
    check_columns(given, columns, "t.csv")


@pytest.mark.parametrize("option", ["id_column", "attach_field"])
def test_a_column_that_an_option_names_is_told_too(option: str) -> None:
    with pytest.raises(UsageError, match="has no column fil; ") as caught:
        check_columns(builder("$satz", **{option: "fil"}), ["satz", "file"], "t.csv")
    assert caught.value.hint == "did you mean file?"


def test_a_line_that_is_not_in_its_encoding_is_told_with_its_number() -> None:
    data = "标题\n好\n".encode("gb18030") + b"\xff\xff\n" + "坏\n".encode("gb18030")
    assert asked(data, "$标题", dialect=Dialect(None, "gb18030")) == ["好", "is not gb18030", "坏"]


def test_wrong_lines_of_a_text_file_are_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes("这个很好\n那个不好\n还可以吧\n".encode("gbk"))
    messages = {row.message for row in FileInput(path, "text", builder(None)).rows()}  # type: ignore[union-attr]
    assert messages == {"is not UTF-8: it looks like GB18030; try --encoding gb18030"}


@given(
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
    st.booleans(),
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"))),
)
def test_a_merged_table_is_written_as_it_was_read(
    sign: str, bom: bool, crlf: bool, texts: list[str]
) -> None:
    end = "\r\n" if crlf else "\n"
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    lines = [f"nr{sign}text", *(f"{number}{sign}{cell}" for number, cell in enumerate(quoted))]
    data = ("\ufeff" * bom + end.join(lines) + end).encode()
    dialect = Dialect()
    rows = build_rows(RequestBuilder(), read_records(io.BytesIO(data), "csv", dialect))
    assert [row.source["text"] for row in rows if row.source] == texts
    header = MergedTable(["nr", "text"], dialect).header()
    added = f"nr{sign}text{sign}answer{sign}answer_error{end}"
    assert header == ("\ufeff" * bom + added).encode()

"""Texts of a prompt: joined by one rule, with values in their places; NAME=VALUE options."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.chat.options import check_output_name
from ocx.chat.placeholders import (
    fill,
    is_parameter,
    join,
    known_as,
    parse_fields,
    parse_options,
    place_names,
    written,
)
from ocx.decoding import check_claims, decode, read_file
from ocx.errors import UsageError


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        ([], ""),
        (["hi"], "hi"),
        (["hi\n"], "hi\n"),
        (["fix", "code\n"], "fix\n\ncode\n"),
        (["fix", "a\n", "b\n"], "fix\n\na\n\nb\n"),
        (["", "a\n"], "a\n"),
        (["fix", ""], "fix"),
        ([" a ", "\n b"], " a \n\n\n b"),
    ],
)
def test_each_part_follows_exactly_one_empty_line(parts: list[str], joined: str) -> None:
    assert join(parts) == joined


@given(st.lists(st.text(min_size=1)))
def test_every_part_is_in_the_prompt_unchanged(parts: list[str]) -> None:
    joined = join(parts)
    place = 0
    for part in parts:
        place = joined.index(part, place) + len(part)


def test_invalid_utf8_names_the_offset() -> None:
    with pytest.raises(UsageError, match="offset 3") as caught:
        decode(b"abc\xff", "stdin")
    assert caught.value.hint is not None


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_file(str(tmp_path / "none"), bytes)
    with pytest.raises(UsageError, match="cannot read"):
        read_file("a\0b", bytes)


def test_a_dash_is_stdin() -> None:
    assert read_file("-", lambda: b"piped") == "piped"


def test_stdin_is_read_by_one_only() -> None:
    check_claims(["-f -"])
    with pytest.raises(UsageError, match="-f - and --key-file -"):
        check_claims(["-f -", "--key-file -"])


NFD = normalize("NFD", "café")
"""As a Mac stores it."""


def test_a_column_is_found_however_it_is_composed() -> None:
    assert [known_as(name, ["id", NFD]) for name in ("café", NFD, "意")] == [NFD, NFD, None]


@pytest.mark.parametrize(
    ("text", "known", "names"),
    [
        ("$a and ${b}", [], ["a", "b"]),
        ("${客户 意见}, ${é-1}, ${a.b}", [], ["客户 意见", "é-1", "a.b"]),
        ("$summary很好", ["summary"], ["summary"]),
        ("$summary很好", ["summary很好"], ["summary很好"]),
        ("$summary很好", [], ["summary"]),
        ("$意见的语气", ["意见", "id"], ["意见"]),
        ("$意见的语气", ["意见", "意见的"], ["意见的"]),
        ("$意见的语气", [], ["意见的语气"]),
        ("$후기의 감정", ["후기"], ["후기"]),
        ("$感想の要点", ["感想"], ["感想"]),
        ("$prénom", ["prénom"], ["prénom"]),
        ("$prénom", [], ["pr"]),
        ("$5, $$a, $, ${}, ${a{b}}, $-x", [], []),
        ("${line\nend}", [], []),
        ("$ที่อยู่ครับ", ["ที่อยู่"], ["ที่อยู่"]),
        ("$पता और", ["पता"], ["पता"]),
        (f"${NFD} ${{{NFD}}}x", ["café"], ["café", "café"]),
        ("$cafés ${café}", [NFD], [NFD, NFD]),
        (f"${{{NFD}}}", [NFD, "café"], [NFD]),
        (f"${{{NFD}}}", [], ["café"]),
        ("$질문은", [normalize("NFD", "질문")], [normalize("NFD", "질문")]),
    ],
)
def test_names(text: str, known: list[str], names: list[str]) -> None:
    assert list(place_names(text, known)) == names


def test_a_value_is_put_in_and_what_follows_the_name_stays() -> None:
    values = {"意见": "$好", "a b": "${x}", "text": "T", NFD: "N"}
    assert fill("$意见的 ${a b}$$$text好 $5 $cafés", values) == "$好的 ${x}$T好 $5 Ns"


@given(st.text(st.characters(exclude_characters="{}\r\n"), min_size=1), st.text())
def test_any_name_is_reached_as_it_is_written(name: str, value: str) -> None:
    assert fill(f"a{written(name)}b" if "{" in written(name) else written(name), {name: value}) in {
        value,
        f"a{value}b",
    }


def test_names_of_parameters() -> None:
    assert all(map(is_parameter, ["a", "語言", "a b", "a-b", "1", "a$b"]))
    assert not any(map(is_parameter, ["", " a", "a ", "{a}", "a=b", "a\nb"]))


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("seed=7", {"seed": 7}),
        ("user=me", {"user": "me"}),
        ("user=a=b", {"user": "a=b"}),
        ("user=", {"user": ""}),
        ("logprobs=true", {"logprobs": True}),
        ('response_format={"type":"json_object"}', {"response_format": {"type": "json_object"}}),
        ("user=NaN", {"user": "NaN"}),
        ("user=1e999", {"user": "1e999"}),
        ("temperature=0.5", {"temperature": 0.5}),
    ],
)
def test_values_are_json_where_they_parse(word: str, fields: dict[str, Any]) -> None:
    assert parse_options([word], {}) == fields


@pytest.mark.parametrize("word", ["seed", "=7", "model=x", "messages=[]", "stream=true"])
def test_what_is_not_an_option_is_refused_with_a_hint(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_options([word], {})
    assert caught.value.hint


def test_a_field_is_not_set_twice() -> None:
    with pytest.raises(UsageError, match="set twice"):
        parse_options(["temperature=1"], {"temperature": 0.5})


def test_the_habit_of_llm_is_pointed_to_the_right_flag() -> None:
    with pytest.raises(UsageError) as caught:
        check_output_name("temperature")
    assert "-O temperature=" in str(caught.value.hint)
    check_output_name("answer.txt")
    check_output_name(None)


def test_fields() -> None:
    found = parse_fields(["a=1", "b=x=y", "c="], ["n=1", 'o={"p":[null]}'])
    assert found == {"a": "1", "b": "x=y", "c": "", "n": 1, "o": {"p": [None]}}


@pytest.mark.parametrize(
    ("texts", "documents"),
    [
        (["a"], []),
        (["=1"], []),
        ([], ["a=nope"]),
        ([], ["a=NaN"]),
        ([], ["a="]),
        (["a=1", "a=2"], []),
        (["a=1"], ["a=2"]),
        ([], ["a=" + "[" * 100_000]),
    ],
)
def test_what_is_no_field(texts: list[str], documents: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_fields(texts, documents)

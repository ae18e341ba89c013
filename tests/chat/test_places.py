"""What `$name` and `${any name}` stand for."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocx.chat.parameters import fill, is_parameter, place_names, written

NFD = normalize("NFD", "café")
"""As a Mac stores it."""


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
@settings(deadline=None)
def test_any_name_is_reached_as_it_is_written(name: str, value: str) -> None:
    assert fill(f"a{written(name)}b" if "{" in written(name) else written(name), {name: value}) in {
        value,
        f"a{value}b",
    }


@pytest.mark.parametrize("name", ["a", "語言", "a b", "a-b", "1", "a$b"])
def test_names_of_parameters(name: str) -> None:
    assert is_parameter(name)


@pytest.mark.parametrize("name", ["", " a", "a ", "{a}", "a=b", "a\nb"])
def test_no_names_of_parameters(name: str) -> None:
    assert not is_parameter(name)

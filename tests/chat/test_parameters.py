"""-O sets any field of the API that is not ours to set."""

from typing import Any

import pytest

from ocx.chat.options import check_output_name
from ocx.chat.parameters import parse_options
from ocx.errors import UsageError


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

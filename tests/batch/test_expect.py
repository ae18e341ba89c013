"""What is asked of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from ocx.batch.row import check_expectation, read_expectation
from ocx.errors import InvalidAnswerError, UsageError

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

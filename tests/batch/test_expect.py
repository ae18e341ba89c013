"""What is asked of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from ocx.answer.schema import Schema
from ocx.batch.expect import Checks, check_expectation, validate_expectation
from ocx.errors import InvalidAnswerError
from tests.batch.fakes import row

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
    assert validate_expectation(expect) is None
    check_expectation(expect, good)
    with pytest.raises(InvalidAnswerError, match="expected "):
        check_expectation(expect, bad)


@pytest.mark.parametrize(
    "expect", [{"contains": 3}, {"contains": [3]}, {"regex": 3}, {"schema": "x"}, {"regex": "["}]
)
def test_what_is_no_expectation(expect: dict[str, Any]) -> None:
    assert validate_expectation(expect) is not None


def test_code_is_extracted_then_checked() -> None:
    text = 'Here:\n```json\n{"age": 3}\n```\nand\n```\n4\n```\n'
    assert Checks(extract=True)(row(0), text) == '{"age": 3}\n'
    assert Checks(extract=True, last=True)(row(0, expect={"equals": "4"}), text) == "4\n"
    assert Checks(Schema(AGE), extract=True)(row(0), text) == '{"age": 3}'
    with pytest.raises(InvalidAnswerError):
        Checks(Schema(AGE))(row(0), text)


def test_an_answer_is_shown_short_in_the_error() -> None:
    with pytest.raises(InvalidAnswerError) as caught:
        check_expectation({"equals": "x"}, "long " * 1000)
    assert len(caught.value.message) < 150

from __future__ import annotations

from typing import Any

import pytest

from ocx.answer.schema import Schema, is_strict
from ocx.answer.shorthand import from_shorthand
from ocx.errors import UsageError

STRING, INTEGER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("name", {"name": STRING}),
        ("name, age int", {"name": STRING, "age": INTEGER}),
        (" name str ,age integer, ", {"name": STRING, "age": INTEGER}),
        ("a float, b number", {"a": {"type": "number"}, "b": {"type": "number"}}),
        ("ok bool, no boolean", {"ok": {"type": "boolean"}, "no": {"type": "boolean"}}),
        ("tags str[]", {"tags": {"type": "array", "items": STRING}}),
        (
            "grid int[][]",
            {"grid": {"type": "array", "items": {"type": "array", "items": INTEGER}}},
        ),
        ("age int: in years", {"age": {**INTEGER, "description": "in years"}}),
        (
            "name: first, then last\nage int\n",
            {"name": {**STRING, "description": "first, then last"}, "age": INTEGER},
        ),
        ("名前, umur int", {"名前": STRING, "umur": INTEGER}),
    ],
)
def test_short_form(text: str, properties: dict[str, Any]) -> None:
    assert from_shorthand(text) == {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def test_brackets_are_a_list_of_objects() -> None:
    """Not strict: OpenAI wants an object at the root. The answer is checked here all the same."""
    schema = from_shorthand(" [name, age int] ")
    assert schema == {"type": "array", "items": from_shorthand("name, age int")}
    assert Schema(schema).response_format()["json_schema"]["strict"] is False
    assert from_shorthand("[tags str[]]")["items"] == from_shorthand("tags str[]")


@pytest.mark.parametrize("text", ["name, age int", "a str[]", "x: y", "a\nb int: c, d"])
def test_every_short_form_is_a_strict_schema(text: str) -> None:
    """OpenAI's structured outputs accept it with strict: true."""
    assert is_strict(from_shorthand(text))
    assert Schema(from_shorthand(text)).response_format()["json_schema"]["strict"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (" , ", "empty"),
        ("a, a int", "twice"),
        ("age itn", "did you mean int"),
        ("age xyz", "unknown type 'xyz'"),
        ("age int years", "NAME [TYPE]"),
        (": no name", "NAME [TYPE]"),
        ("a []", "unknown type"),
        ("[a, b", "does not end with ]"),
        ("[]", "empty"),
    ],
)
def test_bad_short_forms_are_usage_errors(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_shorthand(text)
    assert message in caught.value.message

from __future__ import annotations

from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.chat.schema import Schema
from ocx.chat.shorthand import from_shorthand
from ocx.errors import InvalidAnswerError, UsageError

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
NESTED = from_shorthand("lat, lon: east or west")
ADDRESS = from_shorthand("城市，街道：门牌")


def choice(*values: str) -> dict[str, Any]:
    return {**STRING, "enum": list(values)} if values else STRING


def describe(text: str, *values: str) -> dict[str, Any]:
    return {**choice(*values), "description": text}


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
        ("الاسم، العمر int؛ ملاحظة", {"الاسم": STRING, "العمر": INTEGER, "ملاحظة": STRING}),
        (normalize("NFD", "가격 int, が"), {"가격": INTEGER, "が": STRING}),
        ("書名，頁數 int", {"書名": STRING, "頁數": INTEGER}),
        ("품명、수량 int；비고", {"품명": STRING, "수량": INTEGER, "비고": STRING}),
        ("城市：所在城市，人口\u3000int", {"城市": describe("所在城市"), "人口": INTEGER}),
        (
            "摘要：一句话，不超过二十字\n标签 str［］：几个词",
            {
                "摘要": describe("一句话，不超过二十字"),
                "标签": {"type": "array", "items": STRING, "description": "几个词"},
            },
        ),
        ("tone warm|cold|none", {"tone": choice("warm", "cold", "none")}),
        ("tone (warm|cold)", {"tone": choice("warm", "cold")}),
        ("语气 （热｜冷），n int", {"语气": choice("热", "冷"), "n": INTEGER}),
        ("级别 高（红）|低（绿）", {"级别": choice("高（红）", "低（绿）")}),
        ("level (a)|(b)", {"level": choice("(a)", "(b)")}),
        (
            "tone warm | very cold: of the text",
            {"tone": describe("of the text", "warm", "very cold")},
        ),
        ("语气 积极｜消极", {"语气": choice("积极", "消极")}),
        ("kind 'a b'|\"n/a\"", {"kind": choice("a b", "n/a")}),
        ("stars 1|2|-3", {"stars": {"type": "integer", "enum": [1, 2, -3]}}),
        ("v 1|2.0", {"v": choice("1", "2.0")}),
        ("age int|null", {"age": {"type": ["integer", "null"]}}),
        ("t a|null", {"t": {"type": ["string", "null"], "enum": ["a", None]}}),
        ("t a|b[]", {"t": {"type": "array", "items": choice("a", "b")}}),
        ("at {lat float, lon float}", {"at": from_shorthand("lat float, lon float")}),
        ("at{lat, lon: east or west}[]", {"at": {"type": "array", "items": NESTED}}),
        ("lines [sku, price float]", {"lines": from_shorthand("[sku, price float]")}),
        ("地址 ｛城市，街道：门牌｝：住处", {"地址": {**ADDRESS, "description": "住处"}}),
        ("a {\n  b int\n  c: x, y\n}\nd", {"a": from_shorthand("b int\nc: x, y"), "d": STRING}),
        ("a: see [1\nb: :-{", {"a": describe("see [1"), "b": describe(":-{")}),
    ],
)
def test_short_form(text: str, properties: dict[str, Any]) -> None:
    assert from_shorthand(text) == {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def test_an_optional_field_may_be_missing() -> None:
    """OpenAI's strict mode has no such fields; the answer is checked here all the same."""
    schema = from_shorthand("title, note?, tags? str[]: if any, 备注？")
    assert list(schema["properties"]) == ["title", "note", "tags", "备注"]
    assert schema["required"] == ["title"]
    checked = Schema(schema)
    assert checked.check('{"title": "x"}') == '{"title": "x"}'
    assert checked.response_format()["json_schema"]["strict"] is False
    with pytest.raises(InvalidAnswerError):
        checked.check('{"note": "x"}')


def test_brackets_are_a_list_of_objects() -> None:
    """Not strict: OpenAI wants an object at the root. The answer is checked here all the same."""
    schema = from_shorthand(" [name, age int] ")
    assert schema == {"type": "array", "items": from_shorthand("name, age int")}
    assert Schema(schema).response_format()["json_schema"]["strict"] is False
    assert from_shorthand("[tags str[]]")["items"] == from_shorthand("tags str[]")


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
        ("a {}", "empty"),
        ("a {b", "a bracket is not closed"),
        ("tone warm||cold", "an empty value"),
        ("tone warm|warm", "one twice"),
        ("a?, a", "twice"),
        ("?", "NAME [TYPE]"),
        ("{a}", "NAME [TYPE]"),
        ("a {b}c", "unknown type"),
        ("age:int", "type after a colon"),
        ("name, tags: str[]", "type after a colon"),
    ],
)
def test_bad_short_forms_are_usage_errors(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_shorthand(text)
    assert message in caught.value.message


def test_a_type_after_a_colon_is_told_where_it_goes() -> None:
    """Python and TypeScript write `age: int`; a description of one such word says nothing."""
    with pytest.raises(UsageError) as caught:
        from_shorthand("name, age: int")
    assert caught.value.hint == 'write "age int"'
    assert from_shorthand("age int: number")["properties"]["age"]["description"] == "number"


@given(st.text(alphabet="ab{}[]|?:,;\n\"' ，、：；｛｝［］｜？str"))
def test_any_words_are_a_schema_or_a_usage_error(text: str) -> None:
    try:
        schema = from_shorthand(text)
    except UsageError as error:
        assert error.message
    else:
        Schema(schema)

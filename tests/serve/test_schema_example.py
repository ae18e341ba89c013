"""Smallest instances: valid by jsonschema's judgement, and what is outside the subset is 400."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.serve.schema_example import SchemaError, smallest_instance
from tests.serve.conftest import Served, refused, said


def obj(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


TREE = obj(
    {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, ""),
        ({"type": "string", "minLength": 3}, "aaa"),
        ({"type": "string", "maxLength": 0}, ""),
        ({"type": "string", "format": "date"}, "1970-01-01"),
        ({"type": "string", "format": "uuid"}, "00000000-0000-0000-0000-000000000000"),
        ({"type": "string", "pattern": "^[A-Z]{2}$", "examples": ["QQ"]}, "QQ"),
        ({"type": "string", "pattern": "^[0-9]+$", "default": "12"}, "12"),
        ({"type": "integer"}, 0),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "number", "minimum": 0.5, "maximum": 0.75}, 0.5),
        ({"type": "number", "multipleOf": 0.5, "minimum": 0.1}, 0.5),
        ({"type": "number", "minimum": 1.2}, 2),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["string", "null"]}, ""),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"enum": ["long one", "b", "cc"]}, "b"),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"anyOf": [{"const": "xxxx"}, {"type": "integer"}]}, 0),
        (obj({}), {}),
        (obj({"a": obj({"b": {"type": "string"}})}), {"a": {"b": ""}}),
        (TREE, {"value": 0, "next": None}),
        (obj({"x": {"$ref": "#/$defs/y"}}, **{"$defs": {"y": {"const": 1}}}), {"x": 1}),
        (obj({"x": {"$ref": "#/$defs/a~1b~0"}}, **{"$defs": {"a/b~": {"const": 2}}}), {"x": 2}),
    ],
)
def test_the_smallest_instance(schema: dict[str, Any], value: Any) -> None:
    assert smallest_instance(schema) == value
    jsonschema.validate(value, schema)


def ranged(kind: str, low: str, high: str, least: int, more: int) -> st.SearchStrategy[Any]:
    numbers = st.tuples(st.integers(least, -least or 5), st.integers(more, 9))
    return numbers.map(lambda both: {"type": kind, low: both[0], high: sum(both)})


LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    ranged("string", "minLength", "maxLength", 0, 0),
    ranged("integer", "minimum", "maximum", -50, 0),
    ranged("number", "exclusiveMinimum", "maximum", -50, 1),
    st.builds(lambda values: {"enum": values}, st.lists(st.integers() | st.text(), min_size=1)),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.text(), inner, max_size=3).map(obj),
        st.builds(
            lambda item, few: {"type": "array", "items": item, "minItems": few},
            inner,
            st.integers(0, 3),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: {"anyOf": found}),
    ),
    max_leaves=8,
)


@given(SCHEMAS)
def test_every_instance_is_valid(schema: dict[str, Any]) -> None:
    jsonschema.validate(smallest_instance(schema), schema)


NAMES = [f"n{at}" for at in range(12)]
WIDE = {
    "$ref": "#/$defs/n0",
    "$defs": {name: {"anyOf": [{"$ref": f"#/$defs/{other}"} for other in NAMES]} for name in NAMES},
}
"""Every name leads to every other: nobody may make the server walk all the ways."""


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, "additi"),
        (obj({"a": {"type": "string"}}, required=[]), "required must name 'a'"),
        (obj({}, required=["a"]), "is no property"),
        ({**obj({}), "properties": 3}, "properties must be an object"),
        ({"oneOf": []}, "'oneOf' is not supported"),
        ({"type": "strin"}, "type must be one of"),
        ({}, "type must be one of"),
        ({"type": []}, "type must be one of"),
        ({"enum": []}, "must be an array that is not empty"),
        ({"anyOf": []}, "must be an array that is not empty"),
        ({"anyOf": [3]}, "must be an object"),
        ({"$ref": "#/$defs/x"}, "points to nothing"),
        ({"$ref": "http://x"}, "into the schema itself"),
        ({"$ref": "#"}, "without end"),
        (obj({"a": {"$ref": "#"}}), "without end"),
        ({"anyOf": [{"$ref": "#"}]}, "without end"),
        (WIDE, "too many branches"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no number is in its range"),
        ({"type": "integer", "minimum": "3"}, "must be a number"),
        ({"type": "integer", "minimum": float("inf")}, "must be a number below"),
        ({"type": "integer", "minimum": 10**4299, "multipleOf": 7}, "must be a number below"),
        ({"type": "integer", "multipleOf": 0}, "above 0"),
        ({"type": "string", "minLength": -1}, "whole number"),
        ({"type": "string", "minLength": 10**9}, "too large"),
        ({"type": "array", "minItems": 10**9}, "too large"),
        ({"type": "string", "format": "regex"}, "format must be one of"),
        ({"type": "string", "pattern": "^q{77}$"}, "pattern cannot be satisfied"),
        ({"type": "string", "format": "date", "maxLength": 3}, "format and lengths"),
        ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1}, "in its range"),
        ({"type": "object", "required": [[]]}, "must hold names"),
        (obj({"a": {"type": "null"}}, required=[{}]), "must hold names"),
        ({"type": "string", "format": ["date"]}, "format must be one of"),
        ({"type": "string", "format": {}}, "format must be one of"),
        ({"type": [["string"]]}, "type must be one of"),
        ({"$ref": "#" + "/a" * 5000}, "must point into"),
    ],
)
def test_what_is_outside_the_subset_is_refused(schema: dict[str, Any], word: str) -> None:
    with pytest.raises(SchemaError, match=word):
        smallest_instance(schema)


def test_without_strict_properties_may_be_optional() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "required": ["b", "c"],
    }
    assert smallest_instance(schema, strict=False) == {"b": "", "c": None}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, "a"),
        ({"properties": {"a": {}}, "required": ["a"]}, {"a": "a"}),
        ({"items": {}, "minItems": 1}, ["a"]),
        ({"type": "string", "maxLength": 0}, ""),
        ({"oneOf": [{"const": "long"}, {"const": 1}]}, 1),
        ({"type": "string", "format": "password"}, "a"),
    ],
)
def test_lenient_understands_more(schema: dict[str, Any], value: Any) -> None:
    assert smallest_instance(schema, strict=False, lenient=True) == value
    jsonschema.validate(value, schema)


def test_unique_items_are_not_made_up() -> None:
    schema = {"type": "array", "items": {}, "minItems": 2, "uniqueItems": True}
    with pytest.raises(SchemaError, match="uniqueItems"):
        smallest_instance(schema, strict=False, lenient=True)


def test_a_schema_is_answered(served: Served) -> None:
    named = {"name": "person", "strict": True, "schema": obj({"name": {"type": "string"}})}
    wanted = {"type": "json_schema", "json_schema": named}
    for stream in (False, True):
        assert said(served.ask(response_format=wanted, stream=stream)) == '{"name":""}'


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({}, ".type"),
        ({"type": "xml"}, ".type"),
        ({"type": "json_schema"}, ".json_schema"),
        ({"type": "json_schema", "json_schema": {"schema": 3}}, ".json_schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}}}, ".json_schema.name"),
        *(
            ({"type": "json_schema", "json_schema": {"name": "x", **more}}, ".json_schema.schema")
            for more in ({"schema": {}}, {"strict": True, "schema": {"type": "object"}})
        ),
    ],
)
def test_a_bad_format_is_400(served: Served, wanted: Any, param: str) -> None:
    refused(served, {"response_format": wanted}, f"response_format{param}")

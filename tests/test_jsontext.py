from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.text import TooDeep, compact, encoder, parse

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "", "[", "01"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|Extra"):
        parse(text)


@pytest.mark.parametrize(
    ("before", "after", "times"), [("[", "]", 500), ('{"a":', "}", 500), ('[{"a":', "}]", 250)]
)
def test_the_deepest_does_not_depend_on_the_version_of_python(
    before: str, after: str, times: int
) -> None:
    text = before * times + "1" + after * times
    assert json.dumps(parse(text), separators=(",", ":")) == text
    with pytest.raises(TooDeep):
        parse("[" + text + "]")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(parse("[" + ",".join(["[]"] * 1000) + "]")) == 1000


def test_what_is_written_is_json() -> None:
    value = {"a": [float("inf"), {"b": -float("inf")}], "c": (float("nan"), 1.5)}
    assert parse(compact(value)) == {"a": [None, {"b": None}], "c": [None, 1.5]}


@given(_VALUES, st.booleans())
def test_the_encoder_writes_what_json_writes(value: object, sort_keys: bool) -> None:
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    assert encoder(sort_keys=sort_keys)(value) == plain

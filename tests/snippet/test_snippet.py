from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocx.errors import UsageError
from ocx.snippet import (
    LANGUAGES,
    SnippetRequest,
    ascii_json_text,
    json_leaf,
    literal,
    snippet,
)
from tests.support.sizes import examples

URL = "https://opencodex.hk/api/v1/chat/completions"
TEXT = st.text(max_size=12) | st.sampled_from(["'@", "BODY", "KEY", '"""', "`", "\u2019", "\x7f"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=examples(150))
@given(VALUES)
def test_literals_read_back(value: Any) -> None:
    """JSON, ASCII JSON and Python literals all mean the value they were made of."""
    assert json.loads(literal(value, json_leaf)) == value
    assert json.loads(ascii_json_text(value)) == value
    assert ascii_json_text(value).isascii()
    assert eval(literal(value, repr)) == value


@settings(deadline=None, max_examples=examples(100))
@given(TEXT)
def test_nothing_invisible_is_left_raw(text: str) -> None:
    """A right-to-left override in a program would show a reviewer another program."""
    assert json_leaf(text).isprintable()


@settings(deadline=None, max_examples=examples(60))
@given(VALUES)
def test_no_line_of_a_body_ends_a_here_document(value: Any) -> None:
    lines = literal({"messages": value}, json_leaf).split("\n")
    assert all(line[0] in "{} " for line in lines)
    lines = ascii_json_text({"messages": value}).splitlines()
    assert all(line[0] in "{} " for line in lines)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("streams", [True, False])
def test_every_program_reads_the_key_from_the_environment(language: str, streams: bool) -> None:
    body = {"model": "m", "messages": [], "stream": streams}
    program = snippet(language, SnippetRequest(URL, body))
    assert "OPENCODEX_API_KEY" in program
    assert URL.removesuffix("/chat/completions") in program
    assert program.endswith("\n")
    assert "OPENCODEX_API_KEY" not in snippet(language, SnippetRequest(URL, body, with_key=False))


def test_unknown_language() -> None:
    with pytest.raises(UsageError, match="curl, powershell, python, node"):
        snippet("ruby", SnippetRequest(URL, {}))

"""The printed programs as texts; those of the official SDKs are run by tests/serve/test_sdk.py."""

from __future__ import annotations

import ast
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
from tests.support.program import Ocx
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


@settings(max_examples=examples(150))
@given(VALUES)
def test_literals_read_back(value: Any) -> None:
    """JSON, ASCII JSON and Python literals all mean the value they were made of."""
    assert json.loads(literal(value, json_leaf)) == value
    assert json.loads(ascii_json_text(value)) == value
    assert ascii_json_text(value).isascii()
    assert eval(literal(value, repr)) == value


@settings(max_examples=examples(100))
@given(TEXT)
def test_nothing_invisible_is_left_raw(text: str) -> None:
    """A right-to-left override in a program would show a reviewer another program."""
    assert json_leaf(text).isprintable()


@settings(max_examples=examples(60))
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


BODY = {
    "model": "deepseek-chat",
    "messages": [{"role": "user", "content": "Hello!"}],
    "stream": False,
}


def arguments(program: str, function: str) -> dict[str, Any]:
    """The literal keyword arguments of the one call of `function` in a Python program."""
    (call,) = [
        node
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(function)
    ]
    given = {word.arg: word.value for word in call.keywords}
    given.pop("api_key", None)
    return {str(name): ast.literal_eval(value) for name, value in given.items()}


def test_python_reads_as_the_provider_writes_it() -> None:
    program = snippet("openai-python", SnippetRequest(URL, BODY))
    assert program.startswith("import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(\n")
    assert 'api_key=os.environ["OPENCODEX_API_KEY"],' in program
    assert arguments(program, "OpenAI") == {"base_url": "https://opencodex.hk/api/v1"}
    assert arguments(program, "create") == BODY


def test_node_reads_as_the_provider_writes_it() -> None:
    program = snippet("openai-node", SnippetRequest(URL, BODY))
    assert 'import OpenAI from "openai";' in program
    assert "apiKey: process.env.OPENCODEX_API_KEY," in program
    assert 'baseURL: "https://opencodex.hk/api/v1",' in program
    begin, end = "completions.create(", ");\nconst message"
    assert json.loads(program[program.index(begin) + len(begin) : program.index(end)]) == BODY


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=3))
def test_fields_the_sdk_has_no_argument_for_go_in_extra_body(extra: dict[str, Any]) -> None:
    given = arguments(snippet("openai-python", SnippetRequest(URL, {**extra, **BODY})), "create")
    assert {**given.pop("extra_body", {}), **given} == {**extra, **BODY}


def test_numbers_that_javascript_would_round_are_sent_as_text() -> None:
    program = snippet("openai-node", SnippetRequest(URL, {**BODY, "seed": 2**60}))
    assert 'create(JSON.parse("' in program
    assert str(2**60) in program


@pytest.mark.parametrize("language", ["openai-python", "openai-node"])
def test_headers_and_no_key(language: str) -> None:
    call = SnippetRequest(
        "http://localhost:1/v1/chat/completions", BODY, {"X-Team": "a'b"}, with_key=False
    )
    program = snippet(language, call)
    assert "OPENCODEX_API_KEY" not in program
    assert '"none"' in program
    assert "X-Team" in program


def test_curl_asks_for_the_answer_whole_unless_a_stream_is_wanted(ocx: Ocx) -> None:
    """It prints what comes, and a person cannot read the events of a stream."""
    ask = ("chat", "hi", "--snippet")
    whole = ocx(*ask, "curl", "--log").has(0).text
    assert "stream" not in whole
    assert "jq -r '.choices[0].message.content'" in whole
    streamed = ocx(*ask, "curl", "--stream").has(0).text
    assert '"stream": true' in streamed
    assert "jq" not in streamed
    assert "'stream': True" in ocx(*ask, "python").has(0).text

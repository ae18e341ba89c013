"""The messages of --messages and the functions of --tools, in each form that people keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ocx.chat.messages import parse_messages, read_tools, tool_choice
from ocx.errors import UsageError

HI = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([HI], ([HI], {})),
        ([{**HI, "name": "ada", "x": [1]}], ([{**HI, "name": "ada", "x": [1]}], {})),
        ({"messages": [HI]}, ([HI], {})),
        (
            {"model": "m", "messages": [HI], "seed": 7, "stream": True},
            ([HI], {"model": "m", "seed": 7}),
        ),
        (
            {"custom_id": "a", "url": "/v1/chat/completions", "body": {"messages": [HI], "n": 1}},
            ([HI], {"n": 1}),
        ),
    ],
)
def test_forms(document: Any, expected: Any) -> None:
    """An array, a request, a row of a batch: what `history show --request` prints is read back."""
    assert parse_messages(json.dumps(document), "f") == expected


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": ""},
        {"role": "developer", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "assistant", "tool_calls": [{"id": "1"}]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ],
)
def test_messages_go_out_as_they_are(message: dict[str, Any]) -> None:
    assert parse_messages(json.dumps([message]), "f")[0] == [message]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("[", "not JSON"),
        ("[NaN]", "not JSON"),
        ("[1e999]", "the number 1e999 is too large"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "no message"),
        ("{}", "no array"),
        ('"hi"', "no array"),
        ('{"messages": "hi"}', "no array"),
        ('{"body": []}', "no array"),
        ('["hi"]', "message 1 is not an object"),
        ('[{"role": "user", "content": "a"}, {"content": "b"}]', "message 2 has the role None"),
        ('[{"role": "bot", "content": "a"}]', "'bot'"),
        ('[{"role": ["user"], "content": "a"}]', "has the role"),
        ('[{"role": "user"}]', "no content"),
        ('[{"role": "user", "content": 7}]', "no content"),
        ('[{"role": "user", "content": []}]', "no content"),
        ('[{"role": "user", "content": ["a"]}]', "no content"),
        ('[{"role": "assistant", "content": null}]', "no content"),
    ],
)
def test_mistakes_say_where(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_messages(text, "talk.json")
    assert problem in caught.value.message
    assert "talk.json" in caught.value.message


ADD: dict[str, Any] = {
    "name": "add",
    "description": "Add two numbers.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
}
NOW = {"name": "now"}
TOOL = {"type": "function", "function": ADD}


def read(given: str, stdin: bytes = b"") -> list[dict[str, Any]]:
    return read_tools(given, lambda: stdin)


@pytest.mark.parametrize(
    ("document", "names"),
    [
        (ADD, ["add"]),
        ([ADD, NOW], ["add", "now"]),
        ([TOOL], ["add"]),
        (TOOL, ["add"]),
        ([TOOL, NOW], ["add", "now"]),
        ({"tools": [TOOL]}, ["add"]),
    ],
)
def test_each_form_is_openai_s_array(document: object, names: list[str], tmp_path: Path) -> None:
    text = json.dumps(document)
    tools = read(text)
    assert [tool["function"]["name"] for tool in tools] == names
    assert all(tool["type"] == "function" for tool in tools)
    file = tmp_path / "tools.json"
    file.write_text(text)
    assert read(str(file)) == read("-", text.encode()) == tools


def test_fields_that_are_not_known_here_stay() -> None:
    strict = {"type": "function", "function": {**ADD, "strict": True}, "x": 1}
    assert read(json.dumps([strict])) == [strict]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no function"),
        ("{}", "entry 1 of its value has no function name"),
        ('[{"name": "a"}, 7]', "entry 2"),
        ('{"name": "a b"}', "'a b' is not a function name"),
        ('{"name": ""}', "is not a function name"),
        ('{"name": "a", "parameters": []}', "parameters of a"),
        ('[{"name": "a"}, {"name": "a"}]', "twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"name": NaN}', "is not JSON"),
        ("no-such-file.json", "cannot read no-such-file.json"),
    ],
)
def test_what_is_not_a_function_is_a_usage_error(given: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(given)
    assert message in caught.value.message


def test_choice() -> None:
    tools = read(json.dumps([ADD]))
    assert [tool_choice(word, tools) for word in ("auto", "none", "required")] == [
        "auto",
        "none",
        "required",
    ]
    assert tool_choice("add", tools) == {"type": "function", "function": {"name": "add"}}
    with pytest.raises(UsageError, match="not 'sub'") as caught:
        tool_choice("sub", tools)
    assert caught.value.hint == "--tools holds add"

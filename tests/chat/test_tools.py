"""The functions of `--tools`, in each form that people keep them in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ocx.chat.messages import read_tools, tool_choice
from ocx.errors import UsageError

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

"""Tool calls: which functions are called, with what, and how the calls travel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.serve import routing
from ocx.serve.builtin import Echo
from ocx.serve.request import read
from ocx.serve.tape_player import TapePlayer, to_completion
from ocx.serve.tool_calls import plan, quoted
from tests.serve.conftest import (
    Serve,
    Served,
    choice,
    events,
    recorded,
    refused,
    request,
    routed,
    said,
)
from tests.serve.test_schema_example import SCHEMAS, obj

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city", "days"],
}


def tool(name: str, parameters: Any = None, **given: Any) -> dict[str, Any]:
    function = {"name": name, "parameters": parameters, **given}
    return {"type": "function", "function": {k: v for k, v in function.items() if v is not None}}


def choosing(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


PARAMETERS = "tools[0].function.parameters"
TOOLS = [tool("get_weather", WEATHER), tool("add", obj({"a": {}, "b": {}})), tool("noop")]


def calls(text: str, **given: Any) -> list[tuple[str, Any]]:
    body = {"tools": TOOLS, **request(text), **given}
    planned = plan(read(json.dumps(body).encode()))
    return [(call.name, json.loads(call.arguments)) for call in planned]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", []),
        ("add (1, 2)", []),
        ("badd(1, 2) x-add(1) add.x(3)", []),
        ("add(1, 2)", [("add", {"a": 1, "b": 2})]),
        ('add(a=1, b="x, (y)")', [("add", {"a": 1, "b": "x, (y)"})]),
        (
            "add( b = 'it\\'s' , a = [1, {\"c\": null}] )",
            [("add", {"b": "it's", "a": [1, {"c": None}]})],
        ),
        ("add(True, None)", [("add", {"a": True, "b": None})]),
        ("add(a=true, b=-1.5e3)", [("add", {"a": True, "b": -1500.0})]),
        ("add(a=1, z=2)", [("add", {"b": "a", "a": 1, "z": 2})]),
        ("add(1, 2, 3)", [("add", {"a": "a", "b": "a"})]),
        ("add(some numbers)", [("add", {"a": "a", "b": "a"})]),
        ("add(", [("add", {"a": "a", "b": "a"})]),
        ("noop()", [("noop", {})]),
        ("noop(x=1)", [("noop", {"x": 1})]),
        ('get_weather(city="Paris")', [("get_weather", {"days": 1, "city": "Paris"})]),
        (
            "add(1, 2), then noop() and add(a=3, b=4)",
            [("add", {"a": 1, "b": 2}), ("noop", {}), ("add", {"a": 3, "b": 4})],
        ),
        ("the weather, please", [("get_weather", {"city": "a", "days": 1})]),
        ("Weather in 'Paris'?", [("get_weather", {"city": "Paris", "days": 1})]),
    ],
)
def test_a_prompt_names_the_calls(text: str, expected: list[Any]) -> None:
    assert calls(text) == expected


@pytest.mark.parametrize(
    ("choice", "text", "expected"),
    [
        ("none", "add(1, 2)", []),
        ("required", "hello", ["get_weather"]),
        ("required", "add(1, 2)", ["add"]),
        (choosing("noop"), "add(1, 2)", ["noop"]),
        (choosing("add"), "add(1, 2) noop()", ["add"]),
        (None, "noop()", ["noop"]),
    ],
)
def test_tool_choice_decides(choice: Any, text: str, expected: list[str]) -> None:
    assert [name for name, _ in calls(text, tool_choice=choice)] == expected


def test_calls_come_alone_without_parallel_tool_calls() -> None:
    assert calls("add(1, 2) noop()", parallel_tool_calls=False) == [("add", {"a": 1, "b": 2})]


def test_the_result_of_a_tool_is_answered_with_text(served: Served) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "add(1, 2)"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "it is 3, see add(1)"},
    ]
    found = served.ask(messages=messages, tools=TOOLS).json()["choices"][0]
    assert found["message"] == {"role": "assistant", "content": "it is 3, see add(1)"}
    assert found["finish_reason"] == "stop"
    forced = served.ask(messages=messages, tools=TOOLS, tool_choice="required").json()
    assert forced["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "get_weather"


@given(SCHEMAS, st.booleans())
def test_the_arguments_fit_the_schema(schema: dict[str, Any], strict: bool) -> None:
    parameters = obj({"value": schema})
    tools = [tool("f", parameters, strict=strict)]
    ((_, arguments),) = calls("f()", tools=tools)
    jsonschema.validate(arguments, parameters)


@given(st.text())
def test_any_prompt_can_be_read(text: str) -> None:
    assert [name for name, _ in calls(f"add({text}")][:1] == ["add"]


@pytest.mark.parametrize("text", ["add('" * 200_000, "add(a=" * 200_000, "add(" + "'\\" * 400_000])
def test_a_long_prompt_holds_nobody_up(text: str) -> None:
    assert len(calls(text)) <= 128


@given(st.text(st.characters(exclude_characters="'\"\n", exclude_categories=["Cs"]), min_size=1))
def test_what_is_quoted_is_found(text: str) -> None:
    assert quoted(f"say '{text}' or \"{text}\", don't you") == [text, text]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"tools": []}, "tools"),
        ({"tools": {}}, "tools"),
        ({"tools": ["x"]}, "tools[0].type"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [tool("a b")]}, "tools[0].function.name"),
        ({"tools": [tool("f", [])]}, PARAMETERS),
        ({"tools": [tool("f", {"allOf": []})], "tool_choice": "required"}, PARAMETERS),
        ({"tools": [tool("f", {"type": "null"})], "tool_choice": "required"}, PARAMETERS),
        ({"tools": [tool("f", {"required": [[]]})], "tool_choice": "required"}, PARAMETERS),
        ({"tools": [tool("f", WEATHER, strict=True)], "tool_choice": "required"}, PARAMETERS),
        ({"tools": TOOLS, "tool_choice": "some"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"tools": TOOLS, "tool_choice": choosing("x")}, "tool_choice.function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "parallel_tool_calls": 1}, "parallel_tool_calls"),
    ],
)
def test_what_cannot_be_called_is_refused(served: Served, change: Any, param: str) -> None:
    refused(served, {"messages": request("hello")["messages"], **change}, param)


def test_a_whole_answer_of_calls(served: Served) -> None:
    reply = served.ask('add(1, b="x") noop()', tools=TOOLS).json()
    (only,) = reply["choices"]
    assert only["finish_reason"] == "tool_calls"
    assert only["message"]["content"] is None
    found = only["message"]["tool_calls"]
    assert [call["type"] for call in found] == ["function", "function"]
    assert [call["function"] for call in found] == [
        {"name": "add", "arguments": '{"a":1,"b":"x"}'},
        {"name": "noop", "arguments": "{}"},
    ]
    assert len({call["id"] for call in found}) == 2


def test_a_stream_of_calls(served: Served) -> None:
    """As OpenAI sends it: id, type and name first, then the arguments in pieces, by index."""
    text = 'add(1, b="x") noop()'
    whole = served.ask(text, tools=TOOLS).json()
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, usage, done = events(served.ask(text, tools=TOOLS, **asked).text)
    assert done == "[DONE]"
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    first = deltas[0]["tool_calls"][0]
    assert deltas[0]["role"] == "assistant"
    assert deltas[0]["content"] is None
    assert first["function"] == {"name": "add", "arguments": ""}
    assert all("role" not in delta for delta in deltas[1:])
    fragments = [delta["tool_calls"] for delta in deltas[:-1]]
    assert [len(each) for each in fragments] == [1] * len(fragments)
    indexes = [each[0]["index"] for each in fragments]
    assert indexes == sorted(indexes)
    assert len(fragments) > 4
    assert chunks[-1]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    folded = to_completion([*chunks, usage])
    assert folded["choices"][0]["message"] == whole["choices"][0]["message"]
    # A token is a fragment, and is charged as one.
    assert usage["usage"] == whole["usage"]
    assert usage["usage"]["completion_tokens"] == len(fragments)
    assert len({charge[4] for charge in served.charges()}) == 1


@pytest.mark.parametrize(("model", "reasons"), [("deepseek-reasoner", True), ("lorem:5", False)])
def test_every_model_calls(served: Served, model: str, reasons: bool) -> None:
    found = choice(served.ask("noop()", model, tools=TOOLS))
    assert found["finish_reason"] == "tool_calls"
    assert found["message"]["tool_calls"][0]["function"]["name"] == "noop"
    assert bool(found["message"].get("reasoning_content")) == reasons


@pytest.mark.parametrize("stream", [True, False])
def test_max_tokens_cuts_calls(served: Served, stream: bool) -> None:
    reply = served.ask("add(1, 2)", tools=TOOLS, max_tokens=2, stream=stream)
    assert choice(reply)["finish_reason"] == "length"
    assert served.charges()[0][3] == 2


def test_faults_break_calls_off(served: Served) -> None:
    found = events(served.ask("add(1, 2)", "fault/error:2", tools=TOOLS, stream=True).text)
    assert [len(found), found[-1]["error"]["code"]] == [3, "internal"]


CALLING = """
[[rule]]
equals = "3"
answer = "The sum is 3."

[[rule]]
contains = "sum"
answer = "Let me add."
calls = [{name = "add", arguments = {a = 1, b = 2}}, {name = "noop"}]
"""


def test_a_script_calls(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "answers.toml").write_text(CALLING)
    served = routed(serve, routing.load(tmp_path / "answers.toml"))
    first = choice(served.ask("the sum", "scripted"))
    assert first["finish_reason"] == "tool_calls"
    assert first["message"]["content"] == "Let me add."
    found = [call["function"] for call in first["message"]["tool_calls"]]
    assert [json.loads(call["arguments"]) for call in found] == [{"a": 1, "b": 2}, {}]
    result = {"role": "tool", "content": "3", "tool_call_id": "x"}
    messages = [{"role": "user", "content": "the sum"}, first["message"], result]
    assert said(served.ask(model="scripted", messages=messages)) == "The sum is 3."


@pytest.mark.parametrize("stream", [True, False])
def test_a_tape_calls(serve: Serve, tmp_path: Path, stream: bool) -> None:
    asked = {"tools": TOOLS, "stream": stream}
    back = routed(serve, Echo())
    (first,) = recorded(tmp_path / "tape", back, request("add(1, 2)", "scripted", **asked))
    replay = routed(serve, TapePlayer(tmp_path / "tape"))
    assert replay.ask("add(1, 2)", "scripted", **asked).text == first.text
    whole = replay.ask("add(1, 2)", "scripted", tools=TOOLS).json()["choices"][0]
    assert whole["message"]["tool_calls"][0]["function"]["name"] == "add"
    assert whole["finish_reason"] == "tool_calls"

from __future__ import annotations

import json
from typing import Any

import pytest

from ocx.chat.messages import parse_messages
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

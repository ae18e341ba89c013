"""One chat.completion built from the chunks of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ocx.api.completion import CompletionBuilder, _is_plain, fault_in
from ocx.api.error_response import reports_failure
from tests.api.test_stream_state import chunk


def built(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    builder = CompletionBuilder()
    for each in chunks:
        builder.add(each)
    return builder.document()


def test_the_chunks_build_the_completion_that_was_not_streamed() -> None:
    call = {"index": 0, "id": "t", "function": {"name": "f", "arguments": '{"a"'}}
    chunks = [
        {**chunk(role="assistant", content=""), "object": "chat.completion.chunk", "created": 5},
        chunk(content="Hel", reasoning_content="hm"),
        chunk(content="lo", refusal=None),
        chunk(tool_calls=[call]),
        chunk("stop", tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}]),
        {"choices": [], "usage": {"total_tokens": 3}},
        {"choices": "none", "x": None},
    ]
    assert built(chunks) == {
        "id": "c-1", "object": "chat.completion", "model": "m", "created": 5,
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant", "content": "Hello", "reasoning_content": "hm",
                "tool_calls": [{
                    "index": 0, "type": "function", "id": "t",
                    "function": {"name": "f", "arguments": '{"a":1}'},
                }],
            },
            "finish_reason": "stop",
        }],
        "usage": {"total_tokens": 3},
    }  # fmt: skip


def test_a_built_document_of_tool_calls_alone_has_null_content() -> None:
    call = {"index": 0, "function": {"name": "f"}}
    chunks = [chunk(content=""), chunk("tool_calls", tool_calls=[call])]
    assert built(chunks)["choices"][0]["message"]["content"] is None


def test_a_built_document_keeps_the_choices_apart() -> None:
    chunks = [
        {"choices": [{"index": index, "delta": {"content": text}}, None]}
        for index, text in ((1, "b"), (0, "a"), (1, "B"))
    ]
    texts = [choice["message"]["content"] for choice in built(chunks)["choices"]]
    assert texts == ["a", "bB"]


@given(
    st.sampled_from(["stop", "length", "STOP", "content_filter", None, ""]),
    st.sampled_from(["Hi", "", None, ["x"]]),
    st.sampled_from([{}, {"refusal": None}, {"tool_calls": []}, {"reasoning": "x"}]),
    st.sampled_from([{}, {"error": None}, {"code": 500, "message": "no"}, {"success": False}]),
    st.sampled_from([{}, {"error": {"code": 502}}, {"logprobs": None}]),
)
def test_a_plain_answer_is_found_by_the_rules_for_all(
    reason: Any, content: Any, message: Any, top: Any, choice: Any
) -> None:
    """The short way is taken only where the long one finds nothing."""
    told = {"message": {"role": "assistant", "content": content, **message}, **choice}
    choices = [{"index": 0, "finish_reason": reason, **told}]
    document = {"object": "chat.completion", "choices": choices, **top}
    if _is_plain(document):
        assert reports_failure(document) is False
        assert fault_in(document) is None

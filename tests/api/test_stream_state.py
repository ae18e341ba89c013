"""Chunks of a streamed answer, one by one, and the chat.completion that they build."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocx.api.completion import CompletionBuilder, _is_plain, fault_in
from ocx.api.error_response import reports_failure
from ocx.api.message import readable_calls
from ocx.api.stream_state import NotJsonError, StreamState
from ocx.api.types import Delta
from ocx.errors import (
    IncompleteError,
    OcxError,
    RateLimitError,
    RejectedError,
    ServerError,
)
from tests.api.test_sse import DOCUMENTED


def chunk(finish: str | None = None, /, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c-1", "model": "m", "choices": [choice]}


def read(state: StreamState, document: Any) -> Delta:
    delta = state.read(document if isinstance(document, str) else json.dumps(document))
    assert delta is not None
    return delta


def test_the_documented_stream() -> None:
    state = StreamState()
    found = [state.read(line.removeprefix("data: ")) for line in DOCUMENTED.splitlines()]
    assert [delta.text for delta in found if delta] == ["Hello", "!", ""]
    assert found[3] is None
    assert (state.finish_reason, state.done, state.model) == ("stop", True, "deepseek-chat")
    assert state.final_error() is None


@pytest.mark.parametrize(
    ("delta", "text", "reasoning"),
    [
        ({"content": "a"}, "a", ""),
        ({"content": None}, "", ""),
        ({"content": ""}, "", ""),
        ({}, "", ""),
        ({"role": "assistant"}, "", ""),
        ({"content": 7}, "", ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "x"}, "b", {"text": "c"}]}, "ac", ""),
        ({"content": None, "reasoning_content": "r"}, "", "r"),
        ({"reasoning": "r"}, "", "r"),
        ({"reasoning": "r", "reasoning_content": "r"}, "", "r"),
        ({"reasoning_content": None, "reasoning": {"text": "r"}}, "", ""),
    ],
)
def test_what_a_delta_says(delta: dict[str, Any], text: str, reasoning: str) -> None:
    state = StreamState()
    found = read(state, chunk(**delta))
    assert (found.text, found.reasoning, found.finish_reason) == (text, reasoning, None)
    assert json.loads(found.data) == chunk(**delta)
    assert state.content_seen == bool(text)


def test_a_message_where_a_delta_belongs_is_read() -> None:
    """Some gateways send the whole completion as one event."""
    choice = {"index": 0, "message": {"content": "all"}, "finish_reason": "stop"}
    state = StreamState()
    assert read(state, {"choices": [choice]}).text == "all"
    assert state.finished


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (["one ", "two"], "one two"),
        (["one ", "one two", "one two"], "one two"),
        (["one ", "two", "one two"], "one two"),
        (["ha", "ha", ""], "haha"),
        (["一", "一二", "一二三"], "一二三"),
    ],
)
def test_messages_may_be_pieces_or_grow(messages: list[str], text: str) -> None:
    """DashScope's own streams repeat all that came before; nothing is shown twice."""
    state, whole = StreamState(), CompletionBuilder()
    shown = ""
    for place, content in enumerate(messages, 1):
        reason = "stop" if place == len(messages) else None
        choice = {"index": 0, "message": {"content": content}, "finish_reason": reason}
        shown += read(state, {"choices": [choice]}).text
        whole.add({"choices": [choice]})
    assert shown == text
    assert whole.document()["choices"][0]["message"]["content"] == text


def test_the_last_usage_that_is_not_null_is_kept() -> None:
    state = StreamState()
    for usage in (None, {"total_tokens": 1}, {"total_tokens": 2}, None, "much"):
        read(state, {**chunk(), "usage": usage})
    assert state.usage == {"total_tokens": 2}
    assert read(state, {"choices": [], "usage": {"total_tokens": 3}}).text == ""
    assert state.usage == {"total_tokens": 3}


def test_tool_calls_are_joined_by_index() -> None:
    state = StreamState()
    pieces: list[list[dict[str, Any]]] = [
        [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"x"'}}],
        [{"index": 4, "id": "b", "function": {"name": "g", "arguments": {"y": 2}}}],
        [{"index": 0, "function": {"arguments": ":1}"}}, {"index": 4, "function": None}],
    ]
    for piece in pieces:
        read(state, chunk(tool_calls=piece))
    read(state, chunk(tool_calls=None))
    read(state, chunk(tool_calls=["nonsense"]))
    assert [(c["id"], c["function"]) for c in state.tool_calls] == [
        ("a", {"name": "f", "arguments": '{"x":1}'}),
        ("b", {"name": "g", "arguments": '{"y": 2}'}),
    ]
    assert not state.content_seen


def test_of_several_choices_the_first_is_the_text_and_all_must_end() -> None:
    def choice(index: int, text: str, finish: str | None = None) -> dict[str, Any]:
        return {"index": index, "delta": {"content": text}, "finish_reason": finish}

    state = StreamState()
    assert read(state, {"choices": [choice(0, "a"), choice(1, "b")]}).text == "a"
    assert read(state, {"choices": [choice(1, "b")]}).text == ""
    assert read(state, {"choices": [choice(0, "", "stop")]}).finish_reason == "stop"
    assert not state.finished
    assert isinstance(state.final_error(), IncompleteError)
    read(state, {"choices": [choice(1, "", "stop")]})
    assert state.finished


@pytest.mark.parametrize("data", ["", " ", "\n", "[DONE]", " [DONE]\n"])
def test_no_delta(data: str) -> None:
    state = StreamState()
    assert state.read(data) is None
    assert state.done == ("DONE" in data)


def test_blanks_around_a_chunk_do_not_matter() -> None:
    state = StreamState()
    assert read(state, f"\n {json.dumps(chunk(content='a'))}\n").text == "a"
    assert read(state, json.dumps(chunk(content="b")) + " \n").text == "b"


@pytest.mark.parametrize(
    "data", ["{", '{"a":1}{"b":2}', "words", " words", "[" * 100_000, "9" * 5000, "{'a': 1}"]
)
def test_what_is_not_json_is_an_error(data: str) -> None:
    with pytest.raises(NotJsonError, match="not JSON"):
        StreamState().read(data)


@pytest.mark.parametrize("data", ["1", '"a"', "null", "[]", '[{"choices": []}]'])
def test_json_that_is_no_object_is_an_error(data: str) -> None:
    with pytest.raises(ServerError, match="no chunk"):
        StreamState().read(data)


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"error": {"message": "m", "code": 429}}, RateLimitError),
        ({"error": "overloaded"}, ServerError),
        ({"code": "InvalidParameter", "message": "m"}, RejectedError),
        ({"success": False}, ServerError),
        ({**chunk(content="a"), "error": {"message": "m", "code": 502}}, ServerError),
    ],
)
def test_an_error_in_the_stream(document: dict[str, Any], kind: type[OcxError]) -> None:
    """By its code while there is no content, incomplete after."""
    with pytest.raises(kind) as caught:
        StreamState().read(json.dumps(document))
    assert type(caught.value) is kind
    state = StreamState()
    read(state, chunk(content="a"))
    assert isinstance(state.as_incomplete(caught.value), IncompleteError)
    assert caught.value.message in state.as_incomplete(caught.value).message


@pytest.mark.parametrize("document", [chunk(), {"choices": [], "error": None}, {"object": "x"}])
def test_a_chunk_that_says_nothing_is_a_delta_without_text(document: dict[str, Any]) -> None:
    assert read(StreamState(), document)[:2] == ("", "")


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([], ServerError),
        (["[DONE]"], ServerError),
        ([chunk(reasoning="r")], ServerError),
        ([chunk(content="a")], IncompleteError),
        ([chunk(content="a"), "[DONE]"], IncompleteError),
        ([chunk("content_filter")], RejectedError),
        ([chunk(content="a"), chunk("content_filter")], IncompleteError),
        ([chunk("stop")], None),
        ([chunk("length", content="a")], None),
        ([chunk("stop", content="a"), "[DONE]"], None),
    ],
)
def test_what_the_end_means(chunks: list[Any], kind: type[OcxError] | None) -> None:
    """Only a finish_reason is success; `[DONE]` proves nothing."""
    state = StreamState()
    for each in chunks:
        state.read(each if isinstance(each, str) else json.dumps(each))
    assert type(state.final_error()) is (kind or type(None))


ATOMS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from([
    "choices", "delta", "message", "content", "index", "finish_reason", "usage", "error", "code",
    "tool_calls", "function", "arguments", "name", "reasoning", "id", "model", "type", "text",
])  # fmt: skip
TREES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5)
)


@given(st.lists(TREES | st.builds(lambda c: {"choices": c}, TREES), max_size=4))
@example([{"choices": [{"delta": {}}, None]}])
def test_whatever_json_comes_there_is_a_delta_or_an_error_of_ours(documents: list[Any]) -> None:
    state, builder = StreamState(), CompletionBuilder()
    for document in documents:
        try:
            delta = state.read(json.dumps(document))
        except OcxError:
            continue
        if isinstance(document, dict):
            builder.add(document)
        assert delta is None or isinstance(delta.text, str)
    json.dumps(builder.document())
    state.final_error()


_FRAGMENTS = st.fixed_dictionaries(
    {"function": st.fixed_dictionaries({}, optional={
        "name": st.sampled_from(["", "f", "g"]),
        "arguments": st.sampled_from(["", "{", "}", '"x":1', "{}", {"y": 2}]),
    })},
    optional={"id": st.sampled_from(["", None, "a", "b"]), "index": st.sampled_from([0, 1, None])},
)  # fmt: skip
_SPOKEN = st.fixed_dictionaries({}, optional={
    "content": st.sampled_from(["", None, "a", 'a"', "\\", '"content":"x"']) | st.text(max_size=3),
    "reasoning": st.sampled_from(["", "r"]),
    "tool_calls": st.lists(_FRAGMENTS, max_size=3),
    "images": st.lists(st.just({"type": "image_url"}), max_size=2),
})  # fmt: skip
_CHOICES = st.fixed_dictionaries({"index": st.just(0)}, optional={
    "delta": _SPOKEN | st.none(),
    "message": _SPOKEN,
    "finish_reason": st.sampled_from([None, "", "stop", "length", "error"]),
})  # fmt: skip
_CHUNKS = st.fixed_dictionaries(
    {"choices": st.lists(_CHOICES, min_size=1, max_size=2)},
    optional={"content": st.just("c"), "usage": st.sampled_from([None, {"total_tokens": 1}])},
)


@given(st.lists(st.tuples(_CHUNKS, st.booleans()), max_size=12))
def test_a_chunk_like_the_one_before_is_read_as_if_it_were_the_first(
    chunks: list[tuple[dict[str, Any], bool]],
) -> None:
    """The shortcut for chunks of which only the content changes."""
    quick, slow = StreamState(), StreamState()
    slow._templates_left = 0
    for document, ascii_only in chunks:
        data = json.dumps(document, ensure_ascii=ascii_only)
        assert quick.read(data) == slow.read(data)
    for name in ("finish_reason", "usage", "model", "content_seen", "tool_calls", "finished"):
        assert getattr(quick, name) == getattr(slow, name)


@pytest.mark.parametrize(
    "data",
    [
        '{"choices":[{"delta":{"content":"Hel"}}],"error":{"message":"no"}}',
        '{"choices":[{"delta":{"content":7}}]}',
        '{"choicez":[{"delta":{"content":"Hel"}}]}',
        '{"choices":[{"delta":{"content":"a","content":"b"}}]}',
        '{"choices":[{"delta":{"content":"a"}}]}x',
        '{"choices":[{"delta":{"content":"a',
        '{"choices":[{"delta":{"content":"a\n"}}]}',
    ],
)
def test_what_the_shortcut_is_not_for(data: str) -> None:
    state = StreamState()
    read(state, '{"choices":[{"delta":{"content":"Hel"}}]}')
    outcomes = []
    for each in (state, StreamState()):
        try:
            outcomes.append(each.read(data))
        except OcxError as error:
            outcomes.append((type(error), error.message))
    assert outcomes[0] == outcomes[1]


@given(st.lists(_CHOICES, min_size=1, max_size=8))
def test_what_is_shown_of_a_stream_is_what_a_whole_answer_would_hold(choices: list[Any]) -> None:
    """However deltas and messages mix: text, calls, images and the reason are the same."""
    state, builder = StreamState(), CompletionBuilder()
    shown = []
    for choice in choices:
        document = {"choices": [choice]}
        shown.append(read(state, document).text)
        builder.add(document)
    built = builder.document()["choices"][0]
    message = built["message"]
    assert "".join(shown) == (message.get("content") or "")
    assert state.finish_reason == built["finish_reason"]
    calls = readable_calls(message.get("tool_calls") or ())
    assert readable_calls(state.tool_calls) == calls
    assert len({call["id"] for call in calls}) == len(calls)
    assert state.media.get("image", 0) == len(message.get("images") or ())


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


def test_a_choice_without_an_index_is_the_first() -> None:
    choices = ({"delta": {"content": "a"}}, {"index": 0, "delta": {"content": "b"}})
    found = built([{"choices": [choice]} for choice in choices])["choices"]
    assert [choice["message"]["content"] for choice in found] == ["ab"]


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

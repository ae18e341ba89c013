"""Chunks of a streamed answer, one by one and folded; and halves of surrogate pairs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.stream_state import Fold, NotJsonError, Progress, SurrogateJoiner, fold
from ocx.api.types import Delta
from ocx.errors import (
    AuthError,
    CreditsError,
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


def read(progress: Progress, document: Any) -> Delta:
    delta = progress.read(document if isinstance(document, str) else json.dumps(document))
    assert delta is not None
    return delta


def test_the_documented_stream() -> None:
    progress = Progress()
    found = [progress.read(line.removeprefix("data: ")) for line in DOCUMENTED.splitlines()]
    assert [delta.text for delta in found if delta] == ["Hello", "!", ""]
    assert found[3] is None
    assert (progress.finish_reason, progress.done, progress.model, progress.id) == (
        "stop", True, "deepseek-chat", "chatcmpl-xxx",
    )  # fmt: skip
    assert progress.verdict() is None


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
    progress = Progress()
    found = read(progress, chunk(**delta))
    assert (found.text, found.reasoning, found.finish_reason) == (text, reasoning, None)
    assert json.loads(found.data) == chunk(**delta)
    assert progress.content_seen == bool(text)


def test_a_message_where_a_delta_belongs_is_read() -> None:
    """Some gateways send the whole completion as one event."""
    choice = {"index": 0, "message": {"content": "all"}, "finish_reason": "stop"}
    progress = Progress()
    assert read(progress, {"choices": [choice]}).text == "all"
    assert progress.finished


def test_the_last_usage_that_is_not_null_is_kept() -> None:
    progress = Progress()
    for usage in (None, {"total_tokens": 1}, {"total_tokens": 2}, None, "much"):
        read(progress, {**chunk(), "usage": usage})
    assert progress.usage == {"total_tokens": 2}
    assert read(progress, {"choices": [], "usage": {"total_tokens": 3}}).text == ""
    assert progress.usage == {"total_tokens": 3}


def test_an_unknown_finish_reason_passes_through() -> None:
    progress = Progress()
    assert read(progress, chunk("eos")).finish_reason == "eos"
    assert progress.verdict() is None


def test_tool_calls_are_joined_by_index() -> None:
    progress = Progress()
    pieces: list[list[dict[str, Any]]] = [
        [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"x"'}}],
        [{"index": 4, "id": "b", "function": {"name": "g", "arguments": {"y": 2}}}],
        [{"index": 0, "function": {"arguments": ":1}"}}, {"index": 4, "function": None}],
    ]
    for piece in pieces:
        read(progress, chunk(tool_calls=piece))
    read(progress, chunk(tool_calls=None))
    read(progress, chunk(tool_calls=["nonsense"]))
    assert [(c["id"], c["function"]) for c in progress.tool_calls] == [
        ("a", {"name": "f", "arguments": '{"x":1}'}),
        ("b", {"name": "g", "arguments": '{"y": 2}'}),
    ]
    assert not progress.content_seen


def test_of_several_choices_the_first_is_the_text_and_all_must_end() -> None:
    def choice(index: int, text: str, finish: str | None = None) -> dict[str, Any]:
        return {"index": index, "delta": {"content": text}, "finish_reason": finish}

    progress = Progress()
    assert read(progress, {"choices": [choice(0, "a"), choice(1, "b")]}).text == "a"
    assert read(progress, {"choices": [choice(1, "b")]}).text == ""
    assert read(progress, {"choices": [choice(0, "", "stop")]}).finish_reason == "stop"
    assert not progress.finished
    assert isinstance(progress.verdict(), IncompleteError)
    read(progress, {"choices": [choice(1, "", "stop")]})
    assert progress.finished


@pytest.mark.parametrize("data", ["", " ", "\n", "[DONE]", " [DONE]\n"])
def test_no_delta(data: str) -> None:
    progress = Progress()
    assert progress.read(data) is None
    assert progress.done == ("DONE" in data)


def test_blanks_around_a_chunk_do_not_matter() -> None:
    progress = Progress()
    assert read(progress, f"\n {json.dumps(chunk(content='a'))}\n").text == "a"
    assert read(progress, json.dumps(chunk(content="b")) + " \n").text == "b"


@pytest.mark.parametrize(
    "data", ["{", '{"a":1}{"b":2}', "words", " words", "[" * 100_000, "9" * 5000, "{'a': 1}"]
)
def test_what_is_not_json_is_an_error(data: str) -> None:
    with pytest.raises(NotJsonError, match="not JSON"):
        Progress().read(data)


@pytest.mark.parametrize("data", ["1", '"a"', "null", "[]", '[{"choices": []}]'])
def test_json_that_is_no_object_is_an_error(data: str) -> None:
    with pytest.raises(ServerError, match="no chunk"):
        Progress().read(data)


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"error": {"message": "m", "code": 429}}, RateLimitError),
        ({"error": {"message": "m", "type": "insufficient_quota"}}, CreditsError),
        ({"error": {"message": "m", "code": "invalid_api_key"}}, AuthError),
        ({"error": "overloaded"}, ServerError),
        ({"error": {"message": "m", "type": "invalid_request_error"}}, RejectedError),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, ServerError),
        ({"code": "InvalidParameter", "message": "m"}, RejectedError),
        ({"success": False}, ServerError),
        ({**chunk(content="a"), "error": {"message": "m", "code": 502}}, ServerError),
    ],
)
def test_an_error_in_the_stream(document: dict[str, Any], kind: type[OcxError]) -> None:
    """By its code while there is no content, incomplete after."""
    with pytest.raises(kind) as caught:
        Progress().read(json.dumps(document))
    assert type(caught.value) is kind
    progress = Progress()
    read(progress, chunk(content="a"))
    assert isinstance(progress.broken(caught.value), IncompleteError)
    assert caught.value.message in progress.broken(caught.value).message


@pytest.mark.parametrize("document", [chunk(), {"choices": [], "error": None}, {"object": "x"}])
def test_a_chunk_that_says_nothing_is_a_delta_without_text(document: dict[str, Any]) -> None:
    assert read(Progress(), document)[:2] == ("", "")


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
    progress = Progress()
    for each in chunks:
        progress.read(each if isinstance(each, str) else json.dumps(each))
    assert type(progress.verdict()) is (kind or type(None))


ATOMS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from([
    "choices", "delta", "message", "content", "index", "finish_reason", "usage", "error", "code",
    "tool_calls", "function", "arguments", "name", "reasoning", "id", "model", "type", "text",
])  # fmt: skip
TREES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5)
)


@given(st.lists(TREES | st.builds(lambda c: {"choices": c}, TREES), max_size=4))
def test_whatever_json_comes_there_is_a_delta_or_an_error_of_ours(documents: list[Any]) -> None:
    progress, folded = Progress(), Fold()
    for document in documents:
        try:
            delta = progress.read(json.dumps(document))
        except OcxError:
            continue
        if isinstance(document, dict):
            folded.add(document)
        assert delta is None or isinstance(delta.text, str)
    json.dumps(folded.document())
    progress.verdict()


def test_a_fold_is_the_completion_that_was_not_streamed() -> None:
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
    assert fold(chunks) == {
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


def test_a_fold_of_tool_calls_alone_has_null_content() -> None:
    call = {"index": 0, "function": {"name": "f"}}
    chunks = [chunk(content=""), chunk("tool_calls", tool_calls=[call])]
    assert fold(chunks)["choices"][0]["message"]["content"] is None


def test_a_fold_keeps_the_choices_apart() -> None:
    chunks = [
        {"choices": [{"index": index, "delta": {"content": text}}, None]}
        for index, text in ((1, "b"), (0, "a"), (1, "B"))
    ]
    texts = [choice["message"]["content"] for choice in fold(chunks)["choices"]]
    assert texts == ["a", "bB"]


UNITS = st.text(st.characters(categories=["Cs", "Ll", "So"]) | st.characters(), max_size=8)


@given(st.lists(UNITS, max_size=6))
def test_joined_text_is_the_text_of_the_whole_and_can_be_encoded(pieces: list[str]) -> None:
    joiner = SurrogateJoiner()
    joined = "".join([*map(joiner.feed, pieces), joiner.end()])
    whole = "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert joined == whole
    joined.encode()


@pytest.mark.parametrize(
    ("pieces", "texts"),
    [
        (["a\ud83d", "\ude00b"], ["a", "😀b", ""]),
        (["\ud83d", "", "\ude00"], ["", "", "😀", ""]),
        (["\ud83d", "x"], ["", "\ufffdx", ""]),
        (["\ud83d", "\ud83d", "\ude00"], ["", "\ufffd", "😀", ""]),
        (["\ude00"], ["\ufffd", ""]),
        (["a\ud83d"], ["a", "\ufffd"]),
        (["é"], ["é", ""]),
    ],
)
def test_half_a_pair_waits_for_its_partner(pieces: list[str], texts: list[str]) -> None:
    joiner = SurrogateJoiner()
    assert [*map(joiner.feed, pieces), joiner.end()] == texts

"""One value for every answer, whole, streamed or broken off."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.answer import joined, whole_answer
from ocx.api.types import Reply
from tests.support import answers


def reply(document: dict[str, Any]) -> Reply:
    return Reply(200, {}, b"", document, "req-1", 1.5, 2)


def test_a_whole_answer() -> None:
    document = answers.completion("Hello")
    document["choices"][0]["message"]["reasoning_content"] = "I think"
    answer = whole_answer(reply(document))
    assert (answer.text, answer.reasoning, answer.finish_reason) == ("Hello", "I think", "stop")
    assert (answer.request_id, answer.attempts, answer.seconds) == ("req-1", 2, 1.5)
    assert (answer.usage, answer.model) == (answers.tokens(), "deepseek-chat")
    assert answer.fields is document


@pytest.mark.parametrize("odd", [1, "x", [1], None, True])
def test_fields_of_another_type_are_not_there(odd: Any) -> None:
    document = answers.completion(None)
    document |= {"usage": odd, "model": [odd]}
    document["choices"][0]["finish_reason"] = [odd]
    document["choices"][0]["message"]["tool_calls"] = {"no": "list"}
    answer = whole_answer(reply(document))
    assert (answer.text, answer.usage, answer.model, answer.finish_reason) == ("", None, None, None)
    assert list(answer.tool_calls) == []


@given(st.text(), st.integers(1, 5))
def test_text_cut_anywhere_is_joined(text: str, size: int) -> None:
    """JSON escapes cut a surrogate pair in two; the text of both deltas together has it whole."""
    units = text.encode("utf-16-le")
    step = 2 * size
    cut = [units[at : at + step] for at in range(0, len(units), step)]
    pieces = [piece.decode("utf-16-le", "surrogatepass") for piece in cut]
    assert joined(pieces) == text


def test_half_a_pair_becomes_the_replacement_character() -> None:
    assert joined(["a\ud83d"]) == "a\ufffd"

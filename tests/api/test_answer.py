"""One value for every answer, and what its finish_reason means; halves of surrogate pairs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.answer import (
    SurrogateJoiner,
    ending_of,
    fault_of,
    later,
    reason_of,
    unknown_reason,
    whole_answer,
)
from ocx.api.types import Reply
from tests.support import answers, endings


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


TABLE = {
    **dict.fromkeys(endings.FINISHED, "finished"),
    **dict.fromkeys(endings.LENGTH, "length"),
    **dict.fromkeys(endings.FILTER, "filter"),
    **dict.fromkeys(endings.FAILURE, "failure"),
    **dict.fromkeys(endings.UNKNOWN, "unknown"),
}


@pytest.mark.parametrize("spelt", [str, str.upper, str.title, " {} ".format])
def test_every_reason_however_it_is_spelt(spelt: Any) -> None:
    assert {reason: ending_of(spelt(reason)) for reason in TABLE} == TABLE


@given(st.text())
def test_any_other_word_is_unknown_and_named(word: str) -> None:
    if word.strip().lower() not in TABLE:
        assert ending_of(word) == "unknown"
        assert fault_of(word, has_text=False) is None
        assert unknown_reason(word) is not None


def test_a_known_reason_needs_no_warning() -> None:
    assert [unknown_reason(reason) for reason in (*endings.FINISHED, "STOP", None)] == [None] * 12


@pytest.mark.parametrize("reason", [None, "", "null", "None", 0, False, [], {}])
def test_what_is_no_reason(reason: Any) -> None:
    assert reason_of({"finish_reason": reason}) is None
    assert reason_of({}) is None


@pytest.mark.parametrize("text", ["text", ""])
def test_what_an_answer_that_ended_so_comes_to(text: str) -> None:
    faults = {reason: fault_of(reason or None, has_text=bool(text)) for reason in endings.ALL}
    for reason, fault in faults.items():
        assert (fault.exit_code if fault else 0) == endings.exit_code(reason, text), reason
        if fault is not None and reason and reason != "content_filter":
            assert reason in fault.message


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        (None, "stop", "stop"),
        ("stop", None, "stop"),
        ("tool_calls", "stop", "stop"),
        ("stop", "error", "error"),
        ("error", "stop", "error"),
        ("length", "stop", "length"),
        ("SAFETY", "stop", "SAFETY"),
        ("length", "error", "error"),
        (None, None, None),
    ],
)
def test_a_plain_stop_does_not_mend_what_came_before_it(
    first: str | None, second: str | None, counts: str | None
) -> None:
    assert later(first, second) == counts


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

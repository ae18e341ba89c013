"""What a finish_reason means: the one table of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.answer import ending_of, fault_of, later, reason_of, unknown_reason
from tests.support import endings

TABLE = {
    **dict.fromkeys(endings.FINISHED, "finished"),
    **dict.fromkeys(endings.LENGTH, "length"),
    **dict.fromkeys(endings.FILTER, "filter"),
    **dict.fromkeys(endings.FAILURE, "failure"),
    **dict.fromkeys(endings.UNKNOWN, "unknown"),
}


@pytest.mark.parametrize("reason", TABLE)
@pytest.mark.parametrize("spelt", [str, str.upper, str.title, " {} ".format])
def test_every_reason_however_it_is_spelt(reason: str, spelt: Any) -> None:
    assert ending_of(spelt(reason)) == TABLE[reason]


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


@pytest.mark.parametrize("reason", endings.ALL)
@pytest.mark.parametrize("text", [True, False])
def test_what_an_answer_that_ended_so_comes_to(reason: str | None, text: bool) -> None:
    fault = fault_of(reason or None, has_text=text)
    code = 0 if fault is None else fault.exit_code
    assert code == endings.exit_code(reason, "text" if text else None)
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

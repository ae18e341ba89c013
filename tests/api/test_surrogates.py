"""Halves of surrogate pairs in the text of deltas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.answer import SurrogateJoiner

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

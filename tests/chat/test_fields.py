"""`-f` sends texts, `-F` JSON."""

from __future__ import annotations

import pytest

from ocx.chat.parameters import parse_fields
from ocx.errors import UsageError


def test_fields() -> None:
    found = parse_fields(["a=1", "b=x=y", "c="], ["n=1", 'o={"p":[null]}'])
    assert found == {"a": "1", "b": "x=y", "c": "", "n": 1, "o": {"p": [None]}}


@pytest.mark.parametrize(
    ("texts", "documents"),
    [
        (["a"], []),
        (["=1"], []),
        ([], ["a=nope"]),
        ([], ["a=NaN"]),
        ([], ["a="]),
        (["a=1", "a=2"], []),
        (["a=1"], ["a=2"]),
        ([], ["a=" + "[" * 100_000]),
    ],
)
def test_what_is_no_field(texts: list[str], documents: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_fields(texts, documents)

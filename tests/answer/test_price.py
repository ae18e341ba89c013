"""Credits by a price of the configuration."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ocx.answer.price import Price, prices_of

PRICE = Price(Decimal(5), Decimal(15))


@pytest.mark.parametrize(
    ("usage", "credits"),
    [
        ({"prompt_tokens": 2_000_000, "completion_tokens": 1_000_000}, "25"),
        ({"prompt_tokens": 1, "completion_tokens": 0}, "0.000005"),
        ({"prompt_tokens": 0, "completion_tokens": 1}, "0.000015"),
        ({"prompt_tokens": 1}, None),
        ({"completion_tokens": 1}, None),
        ({"prompt_tokens": -1, "completion_tokens": 1}, None),
        ({"prompt_tokens": "1", "completion_tokens": 1}, None),
        (None, None),
    ],
)
def test_of_usage(usage: dict[str, Any] | None, credits: str | None) -> None:
    assert PRICE.of_usage(usage) == (credits and Decimal(credits))


def test_the_worst_case_is_a_byte_a_token_and_the_whole_limit() -> None:
    body = {"messages": [{"role": "user", "content": "four"}], "max_tokens": 1_000_000}
    assert Decimal(15) < PRICE.worst(body) < Decimal("15.001")


def test_names_may_be_aliases() -> None:
    found = prices_of({"fast": (1, 2), "m": (0.1, 0)}, {"fast": "deepseek-chat"})
    assert found == {
        "deepseek-chat": Price(Decimal(1), Decimal(2)),
        "m": Price(Decimal("0.1"), Decimal(0)),
    }

"""Credits by a price of the configuration."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ocx.chat.credits import Price, prices_of

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


@pytest.mark.parametrize(
    ("details", "credits"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 500_000}}, "3"),
        ({"prompt_tokens_details": {"cached_tokens": 1_000_000}}, "1"),
        ({"prompt_tokens_details": {"cached_tokens": 1_000_001}}, "5"),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, "5"),
        ({"prompt_tokens_details": None}, "5"),
        ({"prompt_cache_hit_tokens": 500_000}, "3"),
        ({"cached_tokens": 500_000}, "3"),
    ],
)
def test_cached_tokens_have_a_price_of_their_own(details: dict[str, Any], credits: str) -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, **details}
    assert replace(PRICE, cached_prompt=Decimal(1)).of_usage(usage) == Decimal(credits)
    assert PRICE.of_usage(usage) == 5, "without one they count as all others"


def test_the_worst_case_is_a_cached_prompt_where_that_is_dearer() -> None:
    body = {"messages": [{"role": "user", "content": "four"}], "max_tokens": 1}
    assert replace(PRICE, cached_prompt=Decimal(50)).worst(body) > 5 * PRICE.worst(body)
    assert replace(PRICE, cached_prompt=Decimal(1)).worst(body) == PRICE.worst(body)


def test_the_worst_case_is_a_byte_a_token_and_the_whole_limit() -> None:
    body = {"messages": [{"role": "user", "content": "four"}], "max_tokens": 1_000_000}
    assert Decimal(15) < PRICE.worst(body) < Decimal("15.001")


def test_names_may_be_aliases() -> None:
    table = {
        "fast": {"prompt": 1, "completion": 2, "cached_prompt": 0.5},
        "m": {"prompt": 0.1, "completion": 0},
    }
    assert prices_of(table, {"fast": "deepseek-chat"}) == {
        "deepseek-chat": Price(Decimal(1), Decimal(2), Decimal("0.5")),
        "m": Price(Decimal("0.1"), Decimal(0)),
    }

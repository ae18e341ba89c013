"""Credits: by a price of the configuration, by the answer, by the balance."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ocx.api.prices import Cost, Price, cost_by_balance, cost_in_answer, prices_of

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
    assert PRICE._replace(cached_prompt=Decimal(1)).of_usage(usage) == Decimal(credits)
    assert PRICE.of_usage(usage) == 5, "without one they count as all others"


def test_the_worst_case_is_a_cached_prompt_where_that_is_dearer() -> None:
    body = {"messages": [{"role": "user", "content": "four"}], "max_tokens": 1}
    assert PRICE._replace(cached_prompt=Decimal(50)).worst(body) > 5 * PRICE.worst(body)
    assert PRICE._replace(cached_prompt=Decimal(1)).worst(body) == PRICE.worst(body)


def test_all_that_the_model_reads_counts() -> None:
    few = {"messages": [{"role": "user", "content": "four"}], "max_tokens": 1}
    for name in ("tools", "functions", "response_format"):
        assert PRICE.worst({**few, name: [{"name": "weather"}]}) > PRICE.worst(few)


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


@pytest.mark.parametrize(
    ("answer", "amount"),
    [
        ({"usage": {"cost": 0.00014}}, "0.00014"),
        ({"usage": {"cost": "0.5"}}, "0.5"),
        ({"usage": {"credits": 2}}, "2"),
        ({"usage": {"credits_used": 1.5}}, "1.5"),
        ({"usage": {"total_tokens": 3}, "credits_used": 4}, "4"),
        ({"usage": None, "cost": 1}, "1"),
        ({"usage": {"cost": 0}}, "0"),
        ({"usage": {"cost": True}}, None),
        ({"usage": {"cost": "NaN"}}, None),
        ({"usage": {"cost": float("inf")}}, None),
        ({"usage": {"cost": -1}}, None),
        ({"usage": {"cost": "1e9999999999"}}, None),
        ({"usage": {"cost": "1e-9999999999"}}, None),
        ({"usage": {"cost": "0e-9999999999"}}, None),
        ({"usage": {"cost": "1" * 5000}}, None),
        ({"usage": {"cost": 10**5000}}, None),
        ({"usage": {"cost": "1e-12"}}, "1E-12"),
        ({"usage": {"cost": {"total": 1}}}, None),
        ({"usage": {"cost": "much"}}, None),
        ({"credits": 499}, None),
        ({"usage": [1]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_cost_in_the_answer(answer: Any, amount: str | None) -> None:
    expected = None if amount is None else Cost(Decimal(amount), "response")
    assert cost_in_answer(answer) == expected


@pytest.mark.parametrize(
    ("before", "after", "credits", "reason"),
    [
        ("500", "499.5", "0.5", None),
        ("500", "500", None, "did not change"),
        ("500", "600", None, "rose"),
        (None, "1", None, "could not be read"),
        ("1", None, None, "could not be read"),
    ],
)
def test_cost_by_balance(
    before: str | None, after: str | None, credits: str | None, reason: str | None
) -> None:
    """Unknown is never 0."""
    cost = cost_by_balance(before and Decimal(before), after and Decimal(after))  # type: ignore[arg-type]
    assert cost.credits == (credits and Decimal(credits))
    assert cost.source == ("balance" if credits else "unknown")
    assert not cost.exact
    assert (reason or "") in (cost.reason or "")

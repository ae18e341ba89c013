from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ocx.api.usage import Cost, cost_by_balance, cost_in_answer, unknown


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


def test_only_the_answer_is_exact() -> None:
    assert Cost(Decimal(1), "response").exact
    assert unknown("why") == Cost(None, "unknown", "why")

"""Money is exact: micro-credits, rounded up once."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.serve import charge
from ocx.serve.charge import Price
from ocx.serve.routing import BUILT_IN

PRICES = st.decimals(0, 100_000, places=4)
TOKENS = st.integers(0, 100_000)


@given(PRICES, PRICES, TOKENS, TOKENS)
def test_a_cost_is_the_exact_sum_rounded_up(
    first: Decimal, second: Decimal, prompt: int, completion: int
) -> None:
    exact = Fraction(first) * prompt + Fraction(second) * completion
    assert Price(first, second).cost(prompt, completion) == ceil(exact)


@given(PRICES, PRICES, TOKENS, TOKENS)
def test_a_cached_part_has_its_price(
    first: Decimal, cached: Decimal, fresh: int, found: int
) -> None:
    price = Price(first, Decimal(7), cached)
    exact = Fraction(first) * fresh + Fraction(cached) * found + 7
    assert price.cost(fresh + found, 1, found) == ceil(exact)
    assert Price(first, Decimal(7)).cost(fresh + found, 1, found) == ceil(
        Fraction(first) * (fresh + found) + 7
    )


@given(PRICES, PRICES, TOKENS, st.integers(0, 10**9))
def test_what_fits_is_the_most_that_fits(
    first: Decimal, second: Decimal, prompt: int, available: int
) -> None:
    price = Price(first, second)
    fits = price.fitting(available, prompt)
    if fits >= 1:
        assert price.cost(prompt, fits) <= available or fits == charge.MOST
        assert fits == charge.MOST or price.cost(prompt, fits + 1) > available
    else:
        assert price.cost(prompt, 1) > available


def test_no_listed_model_holds_five_credits_for_a_default_request() -> None:
    """With a long prompt still: 4,096 tokens of answer and 1,000 of question."""
    assert all(model.price.cost(1000, 4096) < 5 * charge.MICRO for model in BUILT_IN)


@pytest.mark.parametrize(
    ("micro", "number", "text"),
    [
        (0, 0, "0"),
        (500_000_000, 500, "500"),
        (499_999_937, 499.999937, "499.999937"),
        (30_000, 0.03, "0.03"),
        (-1, -0.000001, "-0.000001"),
        (100_000_000_000, 100_000, "100000"),
    ],
)
def test_credits_are_shown_without_loss(micro: int, number: float, text: str) -> None:
    assert charge.credits_json(micro) == number
    assert charge.format_credits(micro) == text
    assert charge.parse_credits(text) == micro


@given(st.integers(-charge.MOST, charge.MOST))
def test_shown_credits_read_back(micro: int) -> None:
    assert charge.parse_credits(charge.format_credits(micro)) == micro
    assert Decimal(str(charge.credits_json(micro))) * charge.MICRO == micro or abs(micro) > 2**52


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "1e30", "0.0000001", "١٢,٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|range|decimals"):
        charge.parse_credits(text)

"""The small pure parts: tokens, keys, JSON, limits, and exact money."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.prices import Price
from ocx.secret import Secret
from ocx.serve import admission, answer, charge
from ocx.serve.admission import Limiter, RateLimitState
from ocx.serve.answer import text_tokens
from ocx.serve.charge import count_prompt, count_tokens, fitting, micro_cost
from ocx.serve.ledger import Key
from ocx.serve.openai_format import ApiError, dump
from ocx.serve.routing import BUILT_IN
from tests.support.waiting import Clock

ONE = Key(1, 1, "one", "")


@given(st.text(alphabet=" a\n\té\u2028"))
def test_a_token_is_a_word_and_the_space_after_it(text: str) -> None:
    for piece in list(text_tokens(text))[1:]:
        assert not piece[0].isspace()


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("é" * 4, 2), ("\ud800", 1)]
)
def test_four_bytes_are_a_token(text: str, count: int) -> None:
    assert count_tokens(text) == count


def test_a_prompt_counts_its_messages() -> None:
    assert count_prompt(["abcd", ""]) == 1 + 4 + 0 + 4 + 3


def test_a_minted_key_is_whole_and_a_changed_one_is_not() -> None:
    key = admission.mint().reveal()
    assert key.startswith("sk-live-local-")
    assert len(key) == len("sk-live-local-") + 43 + 6
    assert admission.is_whole(key)
    assert Secret(key).is_valid()
    other = "a" if key[20] != "a" else "b"
    assert not admission.is_whole(key[:20] + other + key[21:])
    assert not admission.is_whole(key[:-1])
    assert not admission.is_whole("sk-live-" + key[14:])


@given(st.recursive(st.text(st.characters()), lambda inner: st.lists(inner, max_size=3)))
def test_json_survives_any_text(value: object) -> None:
    """Lone surrogates too, which UTF-8 cannot hold."""
    assert json.loads(dump(value).decode()) == value


def test_a_minute_s_requests_may_come_at_once_and_no_more() -> None:
    clock = Clock()
    limiter = Limiter(3, 10, clock)
    remaining = []
    for _ in range(3):
        remaining.append(limiter.enter(ONE).remaining)
        limiter.leave(ONE)
    assert remaining == [2, 1, 0]
    with pytest.raises(ApiError) as refused:
        limiter.enter(ONE)
    assert refused.value.status == 429
    assert refused.value.headers == {"retry-after": "20", "retry-after-ms": "20000"}
    clock.now += 20
    assert limiter.enter(ONE).remaining == 0


def test_retry_after_never_promises_too_early() -> None:
    clock = Clock()
    limiter = Limiter(1, 10, clock)
    limiter.enter(ONE)
    limiter.leave(ONE)
    clock.now += 0.3
    with pytest.raises(ApiError) as refused:
        limiter.enter(ONE)
    clock.now += float(refused.value.headers["retry-after"])
    limiter.enter(ONE)


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=80))
def test_no_minute_holds_more_than_twice_the_limit(rpm: int, waits: list[float]) -> None:
    """GCRA: a full burst, and then one for each that became free."""
    clock = Clock()
    limiter = Limiter(rpm, 10, clock)
    passed: list[float] = []
    for wait in waits:
        clock.now += wait
        try:
            limiter.enter(ONE)
        except ApiError:
            continue
        limiter.leave(ONE)
        passed.append(clock.now)
    for at in passed:
        assert sum(at <= other < at + 60 for other in passed) <= 2 * rpm


def test_what_was_only_checked_counts_for_nothing() -> None:
    limiter = Limiter(1, 1, Clock())
    for _ in range(3):
        limiter.check(ONE)
    assert limiter.peek(ONE) == RateLimitState(1, 1, 0.0)


def test_running_requests_are_counted_per_key() -> None:
    limiter = Limiter(100, 1)
    limiter.enter(ONE)
    limiter.enter(replace(ONE, id=2))
    with pytest.raises(ApiError, match="at once"):
        limiter.enter(ONE)
    limiter.leave(ONE)
    limiter.enter(ONE)


def test_a_key_s_own_limits_replace_the_defaults() -> None:
    limiter = Limiter(100, 100, Clock())
    assert limiter.enter(replace(ONE, rpm=5, concurrency=1)).limit == 5
    with pytest.raises(ApiError, match="1 requests at once"):
        limiter.enter(replace(ONE, rpm=5, concurrency=1))


PRICES = st.decimals(0, 100_000, places=4)
TOKENS = st.integers(0, 100_000)


@given(PRICES, PRICES, TOKENS, TOKENS)
def test_a_cost_is_the_exact_sum_rounded_up(
    first: Decimal, second: Decimal, prompt: int, completion: int
) -> None:
    exact = Fraction(first) * prompt + Fraction(second) * completion
    assert micro_cost(Price(first, second), prompt, completion) == ceil(exact)


@given(PRICES, PRICES, TOKENS, TOKENS)
def test_a_cached_part_has_its_price(
    first: Decimal, cached: Decimal, fresh: int, found: int
) -> None:
    price = Price(first, Decimal(7), cached)
    exact = Fraction(first) * fresh + Fraction(cached) * found + 7
    assert micro_cost(price, fresh + found, 1, found) == ceil(exact)
    assert micro_cost(Price(first, Decimal(7)), fresh + found, 1, found) == ceil(
        Fraction(first) * (fresh + found) + 7
    )


@given(PRICES, PRICES, TOKENS, st.integers(0, 10**9))
def test_what_fits_is_the_most_that_fits(
    first: Decimal, second: Decimal, prompt: int, available: int
) -> None:
    price = Price(first, second)
    fits = fitting(price, available, prompt)
    if fits >= 1:
        assert micro_cost(price, prompt, fits) <= available or fits == charge.MOST
        assert fits == charge.MOST or micro_cost(price, prompt, fits + 1) > available
    else:
        assert micro_cost(price, prompt, 1) > available


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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("今天下雨", ["今", "天", "下", "雨"]),
        ("用 Python 写", ["用 ", "Python ", "写"]),
        ("GPT-4的价格", ["GPT-4", "的", "价", "格"]),
        ("안녕 하세요", ["안", "녕 ", "하", "세", "요"]),
        ("ラーメン、2杯", ["ラ", "ー", "メ", "ン", "、", "2", "杯"]),
        ("harga nasi lemak", ["harga ", "nasi ", "lemak"]),
        ("好。\n\n再见", ["好", "。\n\n", "再", "见"]),
        ("  早 ", ["  早 "]),
        ("か\u3099き", ["か\u3099", "き"]),
        ("中\u0301文a", ["中\u0301", "文", "a"]),
        ("go👍🏽ok", ["go", "👍🏽", "ok"]),
        ("👩\u200d🚀来", ["👩\u200d🚀", "来"]),
        ("ｶﾅ半角", ["ｶﾅ", "半", "角"]),
        ("Ａ１", ["Ａ", "１"]),
        ("\u3000全", ["\u3000全"]),
        ("ελληνικά καφές", ["ελληνικά ", "καφές"]),
        (" \u3000", [" \u3000"]),
    ],
)
def test_the_tokens_of_a_text(text: str, parts: list[str]) -> None:
    assert list(answer.text_tokens(text)) == parts


@given(st.text(alphabet="a \n中文、，한👍🏽\u0301\u200d\ufe0f\u3000\ud800"))
def test_tokens_join_to_their_text(text: str) -> None:
    for made in (list(answer.text_tokens(text)), list(answer.text_tokens(text, answer.JSON_WORD))):
        assert "".join(made) == text
        assert all(made)

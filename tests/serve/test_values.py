"""Tokens, keys, JSON: the small pure parts."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.secret import Secret
from ocx.serve import admission
from ocx.serve.admission import Limiter, RateLimitState, RequestRecord
from ocx.serve.answer import text_tokens
from ocx.serve.charge import count_prompt, count_tokens
from ocx.serve.ledger import Key
from ocx.serve.openai_format import ApiError, dump
from ocx.serve.routing import Router

ONE = Key(1, 1, "one", "")


@given(st.text())
def test_tokens_join_to_their_text(text: str) -> None:
    pieces = list(text_tokens(text))
    assert "".join(pieces) == text
    assert all(pieces)


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


def test_two_keys_differ() -> None:
    assert admission.mint() != admission.mint()


@given(st.recursive(st.text(st.characters()), lambda inner: st.lists(inner, max_size=3)))
def test_json_survives_any_text(value: object) -> None:
    """Lone surrogates too, which UTF-8 cannot hold."""
    assert json.loads(dump(value).decode()) == value


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


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


def test_what_was_refused_later_counts_for_nothing() -> None:
    limiter = Limiter(1, 1, Clock())
    for _ in range(3):
        limiter.enter(ONE)
        limiter.leave(ONE, uncount=True)
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


@pytest.mark.parametrize("name", ["script:x", "tape:x", "forward:x", "gpt-5", "", "lorem"])
def test_a_request_names_no_file_and_no_host(name: str) -> None:
    with pytest.raises(ApiError) as refused:
        Router().find(name)
    assert (refused.value.status, refused.value.code) == (404, "model_not_found")


def test_a_record_knows_how_long_it_took() -> None:
    assert RequestRecord("GET", "/", "req-1", RateLimitState(1, 1, 0.0)).milliseconds >= 0

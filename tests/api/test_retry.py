"""When to try again, after which wait and with which model, by what an error says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api import retry
from ocx.api.error_response import from_response
from ocx.api.retry import next_model
from ocx.errors import (
    AuthError,
    CreditsError,
    DeadlineError,
    IncompleteError,
    InvalidAnswerError,
    NetworkError,
    OcxError,
    Phase,
    RateLimitError,
    RejectedError,
    ServerError,
)

SERVER = ServerError("HTTP 503: busy", status=503, request_id="r")


def failed(status: int, code: str = "") -> OcxError:
    body = b'{"error":{"message":"m","code":"%s"}}' % code.encode()
    return from_response(status, {}, body)


def busy(asked: str) -> OcxError:
    headers = {"retry-after": asked, "x-request-id": "r"}
    return from_response(503, headers, b"busy")


POST = {429, 500, 502, 503, 522, 529}
GET = POST | {408, 504, 524}


@pytest.mark.parametrize(
    ("method", "again"), [("POST", POST), ("DELETE", POST), ("GET", GET), ("HEAD", GET)]
)
def test_which_statuses_are_tried_again(method: str, again: set[int]) -> None:
    """A POST costs money: only where the server says that it did not answer."""
    statuses = (*range(300, 600), 999)
    assert {each for each in statuses if retry.may_retry(method, failed(each))} == again


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_used_up_quota_is_never_tried_again(status: int) -> None:
    assert not retry.may_retry("GET", failed(status, "insufficient_quota"))


@pytest.mark.parametrize(
    ("phase", "post", "get"),
    [("connect", True, True), ("silent", False, True), (None, False, False)],
)
def test_what_failed_without_a_status(phase: Phase | None, post: bool, get: bool) -> None:
    failure = NetworkError("m", phase=phase)
    assert (retry.may_retry("POST", failure), retry.may_retry("GET", failure)) == (post, get)


@given(st.integers(1, 40), st.floats(-1, 600))
def test_without_a_wish_of_the_server_the_wait_doubles_with_jitter(
    attempt: int, left: float
) -> None:
    wait = retry.wait_before(attempt, SERVER, left)
    assert wait is None or 0 <= wait <= min(8.0, 0.5 * 2 ** (attempt - 1))
    assert wait is None or wait < left


@pytest.mark.parametrize(
    ("asked", "left", "wait"), [("7", 600, 7.0), ("60", 600, 60.0), ("0", 600, 0.0), ("9", 9.1, 9)]
)
@pytest.mark.parametrize("attempt", [1, 2, 5, 60])
def test_the_servers_wish_is_honoured_and_never_exactly(
    asked: str, left: float, wait: float, attempt: int
) -> None:
    """Many processes that are told the same do not return together, the less the more often."""
    waits = {retry.wait_before(attempt, busy(asked), left) or -1 for _ in range(50)}
    assert len(waits) > 40
    assert wait <= min(waits)
    assert max(waits) <= min(wait + min(8.0, 0.5 * 2 ** (attempt - 1)), left)
    spread = min(8.0, 0.5 * 2 ** (attempt - 1), (left - wait) / 2)
    assert max(waits) - min(waits) > spread / 2


def test_a_wait_that_only_the_body_names_is_one() -> None:
    error = ServerError("HTTP 503: busy", status=503, retry_after=5.0)
    assert 5 <= (retry.wait_before(1, error, 600) or 0) <= 5.5
    with pytest.raises(RateLimitError, match="more than is left"):
        retry.wait_before(1, error, 4)


@pytest.mark.parametrize(
    ("asked", "left", "says"),
    [
        ("61", 600, "61 s, more than the 60 s"),
        ("3600", 600, "3600 s"),
        ("999999999999", 600, "999999999999 s"),
        ("5", 4, "5 s, more than is left of --timeout (4 s)"),
        ("0.25", 0.2, "0.2 s, more than is left of --timeout (0.2 s)"),
        ("30", 29.5, "30 s, more than is left of --timeout (30 s)"),
        ("0", -1, "0 s, more than is left of --timeout (0 s)"),
    ],
)
def test_a_wish_beyond_the_cap_or_the_time_left_ends_it(asked: str, left: float, says: str) -> None:
    """At once, with the class of a rate limit, saying when."""
    with pytest.raises(RateLimitError) as caught:
        retry.wait_before(1, busy(asked), left)
    error = caught.value
    assert says in error.message
    assert SERVER.message in error.message
    assert (error.status, error.request_id, error.retry_after) == (503, "r", float(asked))
    assert error.hint.startswith("try again after 2")


LIMITED = RateLimitError("slow down", status=429)


@pytest.mark.parametrize(
    ("model", "fallbacks", "following"),
    [
        ("a", ["b", "c"], "b"),
        ("b", ["b", "c"], "c"),
        ("c", ["b", "c"], None),
        ("a", [], None),
    ],
)
def test_they_are_asked_in_turn(model: str, fallbacks: list[str], following: str | None) -> None:
    assert next_model(model, fallbacks, LIMITED) == following


@pytest.mark.parametrize(
    ("error", "falls"),
    [
        (LIMITED, True),
        (ServerError("x", status=503), True),
        (ServerError("engine overloaded"), True),
        (ServerError("moved", status=302), False),
        (RejectedError("x", status=404, api_code="model_not_found"), True),
        (RejectedError("Model tiny not found", status=400), True),
        (RejectedError("HTTP 400: Invalid model: tiny", status=400), True),
        (RejectedError("Invalid model name passed in model=tiny", status=400), True),
        (RejectedError("tiny is not a valid model ID", status=400), True),
        (RejectedError("Unknown model 'tiny'", status=422), True),
        (RejectedError("The model `x` does not exist or you cannot use it", status=404), True),
        (RejectedError("model 'x' could not be found", status=404), True),
        (RejectedError("The supported API model names are a or b, but you passed c", status=400),
         True),
        (RejectedError("模型不存在，请检查模型代码", status=400), True),
        (RejectedError("不支持的模型 tiny", status=400), True),
        (RejectedError("对于模型 tiny 无可用渠道", status=400), True),
        (RejectedError("Model tiny tidak wujud", status=400), True),
        (RejectedError("no such page", status=404), False),
        (RejectedError("bad temperature", status=400), False),
        (RejectedError("Unknown model parameter: foo", status=400), False),
        (RejectedError("the model input is no list: invalid JSON", status=400), False),
        (RejectedError("模型的输入过长", status=400), False),
        (CreditsError("x", status=429), False),
        (AuthError("x", status=401), False),
        (NetworkError("x"), False),
        (DeadlineError("x"), False),
        (IncompleteError("x"), False),
        (InvalidAnswerError("x"), False),
    ],
)  # fmt: skip
def test_after_which_errors(error: OcxError, falls: bool) -> None:
    assert (next_model("a", ["b"], error) == "b") is falls

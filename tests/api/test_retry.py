"""When to try again and how long to wait, as a table."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api import retry
from ocx.api.error_response import from_response
from ocx.api.retry import Failure, Phase
from ocx.errors import NetworkError, RateLimitError, ServerError

SERVER = ServerError("HTTP 503: busy", status=503, request_id="r")


def failed(status: int, code: str = "") -> Failure:
    body = b'{"error":{"message":"m","code":"%s"}}' % code.encode()
    return Failure(from_response(status, {}, body), "status", {})


POST = {429, 500, 502, 503, 522, 529}
GET = POST | {408, 504, 524}


@pytest.mark.parametrize("status", [*range(300, 600), 999])
def test_which_statuses_are_tried_again(status: int) -> None:
    """A POST costs money: only where the server says that it did not answer."""
    assert retry.may_retry("POST", failed(status)) == (status in POST)
    assert retry.may_retry("DELETE", failed(status)) == (status in POST)
    assert retry.may_retry("GET", failed(status)) == (status in GET)
    assert retry.may_retry("HEAD", failed(status)) == (status in GET)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_used_up_quota_is_never_tried_again(status: int) -> None:
    assert not retry.may_retry("GET", failed(status, "insufficient_quota"))


@pytest.mark.parametrize(
    ("phase", "post", "get"),
    [("connect", True, True), ("silent", False, True), ("final", False, False)],
)
def test_what_failed_without_a_status(phase: Phase, post: bool, get: bool) -> None:
    failure = Failure(NetworkError("m"), phase)
    assert (retry.may_retry("POST", failure), retry.may_retry("GET", failure)) == (post, get)


@given(st.integers(1, 40), st.floats(0.001, 600))
def test_without_a_wish_of_the_server_the_wait_doubles_with_jitter(
    attempt: int, left: float
) -> None:
    wait = retry.wait_before(attempt, Failure(SERVER), left)
    assert wait is None or 0 <= wait <= min(8.0, 0.5 * 2 ** (attempt - 1))
    assert wait is None or wait < left


def test_no_time_left_for_a_wait() -> None:
    assert all(retry.wait_before(1, Failure(SERVER), -1) is None for _ in range(20))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "7"}, 7.0),
        ({"retry-after": formatdate(1_700_000_030, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(1_699_999_000, usegmt=True)}, 0.0),
        ({"retry-after": "Tue, 14 Nov 2023 23:14:00 +0100"}, 40.0),
        ({"retry-after": "Tue, 99 Nov 2023 23:14:00 GMT"}, None),
        ({"retry-after": "Wed, 14 Nov 99999 23:14:00 GMT"}, None),
    ],
)
def test_how_long_the_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry.retry_after(headers, now=1_700_000_000) == seconds


def test_a_date_is_measured_against_the_clock() -> None:
    seconds = retry.retry_after({"retry-after": formatdate(time.time() + 100, usegmt=True)})
    assert seconds is not None
    assert 60 < seconds <= 101


@given(st.text(max_size=40), st.text(max_size=10))
def test_no_header_breaks_it(value: str, milliseconds: str) -> None:
    retry.retry_after({"retry-after": value, "retry-after-ms": milliseconds})


@pytest.mark.parametrize(
    ("asked", "left", "wait"), [("7", 600, 7.0), ("60", 600, 60.0), ("0", 600, 0.0), ("9", 9.1, 9)]
)
@pytest.mark.parametrize("attempt", [1, 2, 5, 60])
def test_the_servers_wish_is_honoured_and_never_exactly(
    asked: str, left: float, wait: float, attempt: int
) -> None:
    """Many processes that are told the same do not return together, the less the more often."""
    failure = Failure(SERVER, "status", {"retry-after": asked})
    waits = {retry.wait_before(attempt, failure, left) or -1 for _ in range(50)}
    assert len(waits) > 40
    assert wait <= min(waits)
    assert max(waits) <= min(wait + min(8.0, 0.5 * 2 ** (attempt - 1)), left)
    spread = min(8.0, 0.5 * 2 ** (attempt - 1), (left - wait) / 2)
    assert max(waits) - min(waits) > spread / 2


def test_a_wait_that_only_the_body_names_is_one() -> None:
    error = ServerError("HTTP 503: busy", status=503, retry_after=5.0)
    assert 5 <= (retry.wait_before(1, Failure(error, "status", {}), 600) or 0) <= 5.5
    first = retry.wait_before(1, Failure(error, "status", {"retry-after": "2"}), 600)
    assert 2 <= (first or 0) <= 2.5
    with pytest.raises(RateLimitError, match="more than is left"):
        retry.wait_before(1, Failure(error, "status", {}), 4)


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
        retry.wait_before(1, Failure(SERVER, "status", {"retry-after": asked}), left)
    error = caught.value
    assert says in error.message
    assert SERVER.message in error.message
    assert (error.status, error.request_id, error.retry_after) == (503, "r", float(asked))
    assert error.hint is not None
    assert error.hint.startswith("try again after 2")

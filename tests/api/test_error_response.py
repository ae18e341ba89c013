"""What a refusal means: every status, every common shape of body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api import error_response as failure
from ocx.errors import (
    AuthError,
    CreditsError,
    DeadlineError,
    IncompleteError,
    NetworkError,
    OcxError,
    RateLimitError,
    RejectedError,
    ServerError,
)
from ocx.secret import Secret

KEY = Secret("sk-live-0123456789abcdefghij")


def of(status: int, body: Any = b"", headers: dict[str, str] | None = None) -> OcxError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return failure.from_response(status, headers or {}, data, keys=(KEY,))


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (AuthError, (401, 403)),
        (CreditsError, (402,)),
        (NetworkError, (407,)),
        (DeadlineError, (408,)),
        (RateLimitError, (429,)),
        (RejectedError, (400, 404, 405, 409, 413, 415, 422, 451)),
        (ServerError, (101, 301, 302, 304, 307, 500, 502, 503, 504, 522, 529, 999)),
    ],
)
def test_the_class_of_a_status(kind: type[OcxError], statuses: tuple[int, ...]) -> None:
    for error in map(of, statuses):
        assert type(error) is kind, error.message
        assert error.message.startswith(f"HTTP {error.status}")
    assert tuple(of(status).status for status in statuses) == statuses
    assert (of(301).message, of(400).message) == ("HTTP 301: redirected", "HTTP 400")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"message": "m"}, "message": "other"}, "m"),
        ({"error": "m", "message": "other"}, "m"),
        ({"message": "m", "msg": "other"}, "m"),
        ({"msg": "m", "detail": "other"}, "m"),
        ({"detail": "m", "title": "other"}, "m"),
        ({"title": "m"}, "m"),
        ({"error": {"message": None}, "detail": "m"}, "m"),
        ({"error": {"message": "  "}, "detail": "m"}, "m"),
        ({"message": 5, "detail": "m"}, "m"),
        ({"detail": [{"loc": ["body"]}]}, '{"detail": [{"loc": ["body"]}]}'),
        ({"error": {"message": "a\r\nb\x1b[31mc\x07\u202ed\u2028e"}}, "a b [31mc d e"),
        ({"error": {"message": "x" * 900}}, "x" * 500),
        (b"plain\n words", "plain words"),
        (b"y" * 900, "y" * 200),
        (b"[" * 100_000, "[" * 200),
        (b"\xff\xfe\x00ok", "\ufffd\ufffd ok"),
        ([1, 2], "[1, 2]"),
        ([{"error": {"message": "m"}}, {"error": {"message": "other"}}], "m"),
        ([{"message": "m"}], "m"),
        (["m", "other"], "m"),
        ([[{"error": "m"}]], "m"),
        ({"error": [{"message": "m"}]}, "m"),
        ({"errors": [{"code": 10000, "message": "m"}]}, "m"),
        ({"errors": ["m", "other"]}, "m"),
        ({"detail": [{"loc": ["body", "model"], "msg": "m"}]}, "m"),
        ({"detail": {"message": "m"}}, "m"),
        ([], "[]"),
    ],
)
def test_the_words_of_a_body(body: Any, text: str) -> None:
    assert of(400, body).message == f"HTTP 400: {text}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"code": "c", "type": "t"}, "code": "d"}, "c"),
        ({"error": {"code": None, "type": "t"}, "code": "d"}, "t"),
        ({"error": {"code": "", "type": "t"}}, "t"),
        ({"error": "m", "code": 10012}, "10012"),
        ({"error": {"code": 0}}, "0"),
        ({"error": {"code": True}}, None),
        ({"error": {"code": {}}, "code": []}, None),
        ({"error": {"code": "a\nb"}}, "a b"),
        ([], None),
        ([{"error": {"code": "c"}}], "c"),
        ([{"code": 429, "message": "m"}], "429"),
        ({"errors": [{"code": 10000}]}, "10000"),
    ],
)
def test_the_code_of_a_body(body: Any, code: str | None) -> None:
    assert of(400, body).api_code == code


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-request-id": "a", "request-id": "b"}, "a"),
        ({"request-id": "b", "x-oneapi-request-id": "c"}, "b"),
        ({"x-oneapi-request-id": "c", "cf-ray": "d"}, "c"),
        ({"cf-ray": "d"}, "d"),
        ({"x-request-id": "", "cf-ray": "d"}, "d"),
        ({"x-request-id": "a\tb" + "x" * 900}, "a b" + "x" * 197),
        ({}, None),
    ],
)
def test_the_request_id(headers: dict[str, str], found: str | None) -> None:
    assert failure.request_id(headers, ()) == found
    assert of(500, headers=headers).request_id == found


def test_a_redirect_names_where_it_leads() -> None:
    error = of(302, b"<html>", {"location": "https://elsewhere.test/\x1b]0;x"})
    assert "https://elsewhere.test/ ]0;x" in error.message
    assert "base_url" in (error.hint or "")
    assert "not followed" in error.message


def test_a_key_that_the_server_repeats_is_masked() -> None:
    bodies: list[Any] = [
        {"error": {"message": f"Incorrect API key provided: {KEY.reveal()}."}},
        KEY.reveal().encode(),
        {"message": "Incorrect API key provided: sk-another-key-of-somebody"},
    ]
    for body in bodies:
        assert KEY.reveal() not in of(401, body).message
        assert "somebody" not in of(401, body).message
    plain = Secret("0123456789abcdefghijklmnopqrstuvwxyz")
    for words in (200, 500):  # where a text is cut, and with it a key that stands there
        text = " ".join(["no"] * (words // 3 - 5)) + f" bad key: {plain.reveal()} !"
        for body in (text.encode(), json.dumps({"detail": text}).encode()):
            error = failure.from_response(401, {}, body, keys=(plain,))
            assert plain.reveal()[:8] not in error.message
    told = failure.from_document({"error": KEY.reveal()}, {}, keys=(KEY,))
    assert KEY.reveal() not in told.message


@pytest.mark.parametrize(
    ("document", "failed"),
    [
        ({"error": {"message": "m"}}, True),
        ({"error": "m"}, True),
        ({"error": {}}, False),
        ({"error": None, "choices": []}, False),
        ({"error": ""}, False),
        ({"success": False}, True),
        ({"success": True}, False),
        ({"type": "error"}, True),
        ({"object": "error", "message": "m"}, True),
        ({"code": 500, "message": "m"}, True),
        ({"code": "InvalidParameter", "msg": "m"}, True),
        ({"code": 0, "message": "ok"}, False),
        ({"code": "Success", "message": "ok"}, False),
        ({"code": 500}, False),
        ({"message": "hello"}, False),
        ({"choices": [], "code": 1, "message": "m"}, False),
        ([], False),
        ([{"error": {"message": "m"}}], True),
        ([{"id": "gpt-4o"}], False),
        (["error"], False),
        (None, False),
        ("error", False),
    ],
)
def test_which_documents_report_a_failure(document: Any, failed: bool) -> None:
    assert failure.reports_failure(document) is failed
    assert (failure.from_document(document, {}) is not None) is failed


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 401}, AuthError),
        ({"code": "402"}, CreditsError),
        ({"code": 403, "message": "insufficient balance"}, CreditsError),
        ({"code": 429}, RateLimitError),
        ({"code": 408}, DeadlineError),
        ({"code": 404}, RejectedError),
        ({"code": 503}, ServerError),
        ({"code": "x", "status": 429}, RateLimitError),
        ({"code": "rate_limit_exceeded"}, RateLimitError),
        ({"code": "too_many_requests"}, RateLimitError),
        ({"type": "authentication_error"}, AuthError),
        ({"code": "invalid_api_key"}, AuthError),
        ({"type": "permission_denied"}, AuthError),
        ({"code": "billing_hard_limit_reached"}, CreditsError),
        ({"code": "model_not_found"}, RejectedError),
        ({"code": "context_length_exceeded"}, RejectedError),
        ({"type": "invalid_request_error"}, RejectedError),
        ({"code": "content_filter"}, RejectedError),
        ({"type": "upstream_timeout"}, DeadlineError),
        ({"type": "server_error"}, ServerError),
        ({"code": 7}, ServerError),
        ({"status": "RESOURCE_EXHAUSTED"}, RateLimitError),
        ({"status": "UNAUTHENTICATED"}, AuthError),
        ({"status": "INVALID_ARGUMENT"}, RejectedError),
        ({"status": "UNAVAILABLE"}, ServerError),
        ({"message": "m"}, ServerError),
    ],
)
def test_an_error_in_a_200_is_classed_by_its_code(
    error: dict[str, Any], kind: type[OcxError]
) -> None:
    found = failure.from_document({"error": error}, {"x-request-id": "r"})
    assert (type(found), found and found.status, found and found.request_id) == (kind, 200, "r")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (of(404), "ocx config get base_url"),
        (of(404, {"detail": "Not Found"}), "ocx doctor"),
        (of(404, {"error": 'model "llama9" not found'}), "ocx models"),
        (of(404, {"error": {"message": "the model differs", "code": "tape_miss"}}), "--record"),
        (of(400, {"error": {"code": "model_not_found"}}), "ocx models"),
        (of(401), "ocx keys"),
        (of(402), "ocx balance"),
        (of(429), "wait"),
        (of(407), "proxy"),
        (of(500), "support"),
    ],
)
def test_the_hint_is_a_next_step(error: OcxError, hint: str) -> None:
    assert hint in (error.hint or "")


def test_after_some_content_the_same_failure_is_incomplete() -> None:
    error = of(429, {"error": {"message": "slow down", "code": "x"}}, {"x-request-id": "r"})
    error.retry_after = 3.0
    found = failure.incomplete(error)
    assert isinstance(found, IncompleteError)
    assert "slow down" in found.message
    assert (found.status, found.api_code, found.request_id, found.retry_after) == (
        429, "x", "r", 3.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ServerError("m"), 200),
        (ServerError("m", status=502), 502),
        (NetworkError("m"), None),
        (DeadlineError("m"), None),
    ],
)
def test_an_error_learns_what_it_came_with(error: OcxError, status: int | None) -> None:
    with pytest.raises(type(error)), failure.described(200, "r"):
        raise error
    assert (error.status, error.request_id) == (status, "r")


@given(st.integers(100, 999), st.binary(max_size=300), st.text(max_size=30))
def test_whatever_comes_is_one_printable_line(status: int, body: bytes, location: str) -> None:
    error = failure.from_response(status, {"location": location, "cf-ray": location}, body)
    assert error.message.isprintable()
    assert (error.request_id or "").isprintable()
    assert len(error.message) < 600

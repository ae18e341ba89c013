"""Which model is asked next, and after which errors."""

from __future__ import annotations

import pytest

from ocx.api.fallback import next_model
from ocx.errors import (
    AuthError,
    CreditsError,
    DeadlineError,
    IncompleteError,
    InvalidAnswerError,
    NetworkError,
    OcxError,
    RateLimitError,
    RejectedError,
    ServerError,
)

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
        (RejectedError("no such page", status=404), False),
        (RejectedError("bad temperature", status=400), False),
        (CreditsError("x", status=429), False),
        (AuthError("x", status=401), False),
        (NetworkError("x"), False),
        (DeadlineError("x"), False),
        (IncompleteError("x"), False),
        (InvalidAnswerError("x"), False),
    ],
)
def test_after_which_errors(error: OcxError, falls: bool) -> None:
    assert (next_model("a", ["b"], error) == "b") is falls

"""Which model is asked next, and after which errors."""

from __future__ import annotations

import pytest

from ocx.api.retry import next_model
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

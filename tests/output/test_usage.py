"""The usage line says what the server counted and never makes up a number."""

from typing import Any

import pytest

from ocx.output.figures import usage_line


@pytest.mark.parametrize(
    ("usage", "first", "line"),
    [
        (None, None, "usage: tokens unknown (the server sent none), 2.00 s"),
        (
            {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
            0.5,
            "usage: 20 prompt + 10 completion = 30 tokens, first token after 0.50 s, 2.00 s,"
            " 5 tokens/s",
        ),
        (
            {
                "prompt_tokens": 20,
                "completion_tokens": 10,
                "total_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 15},
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            None,
            "usage: 20 prompt (15 cached) + 10 completion (4 reasoning) = 30 tokens, 2.00 s,"
            " 5 tokens/s",
        ),
        (
            {
                "prompt_tokens": 20,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": "\x1b[2J"},
            },
            None,
            "usage: 20 prompt + ? completion = ? tokens, 2.00 s",
        ),
        ({"prompt_tokens": 20}, None, "usage: 20 prompt + ? completion = ? tokens, 2.00 s"),
        (
            {"prompt_tokens": float("inf"), "completion_tokens": 10**400, "total_tokens": -1},
            None,
            "usage: ? prompt + ? completion = ? tokens, 2.00 s",
        ),
        (
            {"prompt_tokens": "\x1b[2J", "completion_tokens": True, "total_tokens": [1]},
            None,
            "usage: ? prompt + ? completion = ? tokens, 2.00 s",
        ),
    ],
)
def test_usage_line(usage: dict[str, Any] | None, first: float | None, line: str) -> None:
    assert usage_line(usage, 2.0, first) == line

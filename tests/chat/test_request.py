"""The body of a request: settings, then the options of -O."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocx.chat.request import Request
from ocx.config.settings import resolve
from ocx.errors import UsageError

Body = Callable[..., dict[str, Any]]


@pytest.fixture
def body(tmp_path: Path) -> Body:
    """The body for flags and options, with a limit in the profile."""
    (tmp_path / "ocx").mkdir()
    (tmp_path / "ocx/config.toml").write_text("[profiles.default]\nmax_tokens = 7\n")
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    def make(flags: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        return Request(resolve(flags or {}, env), (), None, False, False, options).body()

    return make


def test_a_limit_of_the_settings_is_sent(body: Body) -> None:
    assert body()["max_tokens"] == 7


def test_but_not_beside_its_successor_unless_a_flag_of_this_call_gave_it(body: Body) -> None:
    assert "max_tokens" not in body(max_completion_tokens=9)
    both = body(flags={"max_tokens": 5}, max_completion_tokens=9)
    assert (both["max_tokens"], both["max_completion_tokens"]) == (5, 9)


@pytest.mark.parametrize(
    "option",
    [
        {"temperature": 2.1},
        {"top_p": -0.1},
        {"max_tokens": 0},
        {"max_tokens": True},
        {"max_tokens": "9"},
    ],
)
def test_a_number_out_of_its_range(body: Body, option: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        body(**option)

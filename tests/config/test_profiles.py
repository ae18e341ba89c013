"""Tables of config.toml beside the profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocx.config.profiles import read
from ocx.errors import ConfigError


def test_prices_are_those_of_prompts_and_answers(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[prices."m"]\nprompt = 5\ncompletion = 0.5\n[prices.free]\nprompt = 0\ncompletion = 0\n'
    )
    assert read(path).prices() == {
        "m": {"prompt": 5, "completion": 0.5},
        "free": {"prompt": 0, "completion": 0},
    }
    path.write_text('[prices."m"]\nprompt = 5\ncompletion = 0.5\ncached_prompt = 1\n')
    assert read(path).prices() == {"m": {"prompt": 5, "completion": 0.5, "cached_prompt": 1}}


@pytest.mark.parametrize(
    "row",
    ["5", "{prompt = 5}", "{prompt = -1, completion = 1}", "{prompt = true, completion = 1}",
     "{prompt = nan, completion = 1}", '{prompt = "1", completion = 1}',
     "{prompt = 1, completion = 1, more = 1}", "{prompt = 1, cached_prompt = 1}",
     "{prompt = 1, completion = 1, cached_prompt = -1}"],
)  # fmt: skip
def test_prices_that_are_none(tmp_path: Path, row: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[prices]\nm = {row}\n")
    with pytest.raises(ConfigError, match="prices"):
        read(path).prices()

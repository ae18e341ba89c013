"""Ids one a line, filtered by a part of the name or a glob."""

import pytest

from ocx.commands.models import matching
from tests.support.program import Ocx

IDS = ["gpt-4o", "gpt-4", "openai/gpt-4:free", "Qwen-Plus"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (None, IDS),
        ("", IDS),
        ("gpt", ["gpt-4o", "gpt-4", "openai/gpt-4:free"]),
        ("QWEN", ["Qwen-Plus"]),
        ("gpt-*", ["gpt-4o", "gpt-4"]),
        ("*:free", ["openai/gpt-4:free"]),
        ("gpt-4?", ["gpt-4o"]),
        ("none", []),
    ],
)
def test_filter(pattern: str | None, found: list[str]) -> None:
    assert matching(IDS, pattern) == found


def test_the_list_the_cache_and_what_scripts_ask(ocx: Ocx) -> None:
    ids = ocx("--sandbox", "models").has(0).text.split()
    assert "deepseek-chat" in ids
    assert (ocx.cache / "models" / "sandbox.txt").read_text().split() == ids
    none = ocx("--sandbox", "models", "nothing-like-this").has(0)
    assert none.stdout == b""
    assert "no model matches" in none.stderr
    assert ocx("--sandbox", "models", "gpt-4o", "--exists").has(0).stdout == b""
    near = ocx("--sandbox", "models", "gpt-4x", "--exists").has(7)
    assert "did you mean gpt-4" in near.stderr
    ocx("--sandbox", "models", "--exists").has(2)
    filtered = ocx("--sandbox", "models", "gpt", "--json").has(0).json
    assert {model["id"] for model in filtered["data"]} == {"gpt-4o", "gpt-4"}


def test_an_alias_is_marked_and_exists(ocx: Ocx) -> None:
    ocx.write_config('[aliases]\nfast = "gpt-4o"\n')
    ocx("--sandbox", "models", "fast", "--exists").has(0)
    shown = ocx.in_terminal("--sandbox", "models", "gpt").finish().has(0).text
    assert "alias fast" in shown

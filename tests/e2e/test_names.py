"""Names in any script: of profiles, keys, templates and model aliases, through the program."""

from __future__ import annotations

import unicodedata

import pytest

from tests.support.chat_server import ChatServer
from tests.support.program import KEY, Ocx
from tests.support.sizes import some


@pytest.mark.parametrize("name", some(["ノート.2", "办公室", "회사", "สำนักงาน", "pejabat"], 2))
def test_a_profile_a_key_and_a_template(ocx: Ocx, chat_server: ChatServer, name: str) -> None:
    ocx("config", "set", "-P", name, "base_url", chat_server.base_url).has(0)
    ocx("config", "profiles", "use", unicodedata.normalize("NFD", name)).has(0)
    ocx("keys", "add", name, "--no-check", input=KEY).has(0)
    ocx("chat", "--save-template", name, "-s", "翻译", "x").has(0)
    ocx("chat", "-t", unicodedata.normalize("NFD", name), "hi").has(0)
    assert chat_server.requests[-1].header("authorization") == f"Bearer {KEY}"
    assert name in ocx("config", "profiles", "list").has(0).text
    assert name in ocx("config", "templates", "list").has(0).text
    for kind in ("profiles", "keys", "templates"):
        names = (ocx.cache / "names" / f"{kind}.txt").read_text("utf-8").split("\n")
        assert name in names, kind
    ocx("config", "profiles", "copy", name, f"{name}-2").has(0)
    ocx("config", "profiles", "rm", "-y", f"{name}-2").has(0)
    ocx("keys", "rm", "-y", name).has(0)


@pytest.mark.parametrize("name", [".办公", "-办公", "办/公", "办 公", "办\u2028公", "_办"])
def test_what_is_no_name(ocx: Ocx, name: str) -> None:
    for words in (("-P", name, "models"), ("keys", "add", "--", name)):
        run = ocx(*words, input=KEY).has(2)
        assert "letters of any script" in run.stderr


def test_a_short_name_of_a_model(ocx: Ocx) -> None:
    ocx("config", "set", "aliases.快", "gpt-4o").has(0)
    assert '"gpt-4o"' in ocx("--sandbox", "chat", "-m", "快", "--dry-run", "hi").has(0).text


def test_a_profile_written_by_hand_needs_quotes(ocx: Ocx) -> None:
    """TOML's bare keys are ASCII."""
    ocx.write_config('[profiles.办公室]\nmodel = "m"\n')
    assert "only in quotes" in ocx("config", "show", "-P", "办公室").has(3).stderr
    ocx.write_config('[profiles."办公室"]\nmodel = "m"\n')
    assert ocx("config", "get", "-P", "办公室", "model").has(0).text == "m\n"

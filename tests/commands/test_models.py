"""Ids one a line, filtered by a part of the name or a glob."""

import pytest

from ocx.commands.models import matching
from tests.support import answers
from tests.support.chat_server import MODELS, ChatServer
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


SAID = {
    "object": "list",
    "data": [
        {
            "id": "big",
            "owned_by": "lab\x1b[2J",
            "context_length": 131072,
            "pricing": {"prompt": "0.0000025", "completion": "0.00001"},
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "shutdown_date": "2026-12-27",
        },
        {"id": "small\tone", "max_model_len": 8192},
        {"id": "plain"},
    ],
}


@pytest.fixture
def told(online: Ocx, chat_server: ChatServer) -> Ocx:
    chat_server.answer(answers.answer(SAID), path=MODELS)
    return online


def test_a_pipe_gets_ids_and_columns_where_asked(told: Ocx) -> None:
    assert told("models").has(0).text == "big\nsmall one\nplain\n"
    rows = [line.split("\t") for line in told("models", "--columns").has(0).text.splitlines()]
    assert rows == [
        ["big", "131072", "2.5", "10", "lab\\x1b[2J", "text+image->text", "2026-12-27"],
        ["small one", "8192", "", "", "", "", ""],
        ["plain", "", "", "", "", "", ""],
    ]
    (row,) = told("models", "--columns", "big").has(0).text.splitlines()
    assert row.startswith("big\t131072\t")
    assert told("models", "--json").has(0).json == SAID
    told("models", "--json", "--columns").has(2)


def test_a_terminal_shows_what_any_model_has(told: Ocx, chat_server: ChatServer) -> None:
    shown = told.in_terminal("models", size=(24, 120)).finish().has(0).text
    for word in ("CONTEXT", "PRICE/M", "OWNER", "MODALITIES", "SHUTDOWN", "131072", "2.5 + 10"):
        assert word in shown
    assert "2026-12-27" in shown
    assert "\x1b[2J" not in shown
    chat_server.answer(answers.answer({"data": [{"id": "a"}, {"id": "b"}]}), path=MODELS)
    assert "CONTEXT" not in told.in_terminal("models").finish().has(0).text


def test_an_id_stays_whole_and_no_line_is_too_long(told: Ocx, chat_server: ChatServer) -> None:
    rows = [{**SAID["data"][0], "id": "a-lab/a-rather-long-model-name-2026-01"}]  # type: ignore[index]
    chat_server.answer(answers.answer({"data": rows}), path=MODELS)
    for width in (80, 30):
        process = told.in_terminal("models", size=(24, width), env={"NO_COLOR": "1"})
        shown = process.finish().has(0).text
        assert ("a-lab/a-rather-long-model-name-2026-01" in shown) is (width == 80)
        assert "owner, modalities" in " ".join(shown.split())
        table = [line for line in shown.splitlines() if not line.startswith(("ocx: ", "  "))]
        assert all(len(line) <= width for line in table), table

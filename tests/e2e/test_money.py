"""What calls cost, and how long the credits last, through the real program."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx
from tests.support.row_server import RowServer, good, read_rows

DETAILS = {
    "prompt_tokens": 20,
    "completion_tokens": 10,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 15},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
DEEPSEEK = {"prompt_tokens": 20, "completion_tokens": 10, "prompt_cache_hit_tokens": 15}


def streamed(usage: dict[str, Any]) -> bytes:
    chunk = {**answers.chunk(), "choices": [], "usage": usage}
    return (
        answers.STREAM_HEAD + answers.delta("Hello!") + answers.finish()
        + answers.event(chunk) + answers.event(answers.DONE) + answers.LAST_PIECE
    )  # fmt: skip


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_cached_and_reasoning_tokens_are_told_and_kept(
    online: Ocx, chat_server: ChatServer, how: str
) -> None:
    whole = answers.answer({**answers.completion("Hello!"), "usage": DETAILS})
    chat_server.answer(streamed(DETAILS) if how == "--stream" else whole, path=CHAT)
    said = online("chat", how, "-u", "--log", "hi").has(0).stderr
    assert "20 prompt (15 cached) + 10 completion (4 reasoning) = 30 tokens" in said
    assert "20+10 (15 cached, 4 reasoning)" in online("history", "show", "1").has(0).text
    assert online("history", "show", "1", "--json").has(0).json["usage"] == DETAILS


@pytest.mark.parametrize("usage", [DETAILS, DEEPSEEK])
def test_a_batch_counts_cached_tokens_by_their_price(
    ocx: Ocx, rows: RowServer, usage: dict[str, Any]
) -> None:
    prices = "prompt = 10_000\ncompletion = 100_000\ncached_prompt = 1_000\n"
    ocx.write_config(f'[prices."m"]\n{prices}')
    rows.behave = lambda prompt, _: good(prompt, **usage)
    (ocx.work / "in.jsonl").write_text('{"id": "a", "prompt": "one"}\n')
    ocx("batch", "in.jsonl", "-m", "m", "-o", "o.jsonl", "--report", "r.json").has(0)
    (row,) = read_rows(ocx.work / "o.jsonl")
    assert row["ocx"]["credits"] == 1.065  # (5 x 10,000 + 15 x 1,000 + 10 x 100,000) / 1,000,000
    assert {name: row["ocx"]["usage"][name] for name in usage} == usage
    report = json.loads((ocx.work / "r.json").read_text())
    assert report["cached_tokens"] == 15
    assert report["reasoning_tokens"] == (4 if usage is DETAILS else 0)

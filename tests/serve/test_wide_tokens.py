"""A wide character is a token of a built-in answer: paced, cut, limited and charged like a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.serve import answer, script
from ocx.serve.routing import BUILT_IN, Model, Router
from tests.serve.conftest import Served, events, request
from tests.support.program import Ocx


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("今天下雨", ["今", "天", "下", "雨"]),
        ("用 Python 写", ["用 ", "Python ", "写"]),
        ("GPT-4的价格", ["GPT-4", "的", "价", "格"]),
        ("안녕 하세요", ["안", "녕 ", "하", "세", "요"]),
        ("ラーメン、2杯", ["ラ", "ー", "メ", "ン", "、", "2", "杯"]),
        ("harga nasi lemak", ["harga ", "nasi ", "lemak"]),
        ("好。\n\n再见", ["好", "。\n\n", "再", "见"]),
        ("  早 ", ["  早 "]),
        ("か\u3099き", ["か\u3099", "き"]),
        ("中\u0301文a", ["中\u0301", "文", "a"]),
        ("go👍🏽ok", ["go", "👍🏽", "ok"]),
        ("👩\u200d🚀来", ["👩\u200d🚀", "来"]),
        ("ｶﾅ半角", ["ｶﾅ", "半", "角"]),
        ("Ａ１", ["Ａ", "１"]),
        ("\u3000全", ["\u3000全"]),
        ("ελληνικά καφές", ["ελληνικά ", "καφές"]),
        (" \u3000", [" \u3000"]),
    ],
)
def test_the_tokens_of_a_text(text: str, parts: list[str]) -> None:
    assert list(answer.text_tokens(text)) == parts


@given(st.text(alphabet="a \n中文、，한👍🏽\u0301\u200d\ufe0f\u3000\ud800"))
def test_tokens_join_to_their_text(text: str) -> None:
    for made in (list(answer.text_tokens(text)), list(answer.json_tokens(text))):
        assert "".join(made) == text
        assert all(made)


def spoken(served: Served, text: str, model: str, **given: Any) -> list[str]:
    """The text of each event of a stream."""
    body = request(text, model, stream=True, **given)
    found = events(served.http.post("/chat/completions", json=body).text)
    deltas = [each["choices"][0]["delta"] for each in found if isinstance(each, dict)]
    return [delta["content"] for delta in deltas if delta.get("content")]


@pytest.fixture
def paced(serve: Callable[..., Served], tmp_path: Path) -> Served:
    path = tmp_path / "answers.toml"
    path.write_text('[[rule]]\nanswer = "槟城的天气 sangat panas。"\ntps = 10000\n', "utf-8")
    model = Model("scripted", "me", BUILT_IN[0].price, "x")
    return serve(router=Router([*BUILT_IN, model], {"scripted": script.load(path)}))


def test_a_pace_is_of_characters(paced: Served) -> None:
    expected = ["槟", "城", "的", "天", "气 ", "sangat ", "panas", "。"]
    assert spoken(paced, "说说", "scripted") == expected
    assert paced.charges()[0][3] == 8


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_cut_is_after_so_many_characters(ocx: Ocx, count: int) -> None:
    """Six tokens: a cut after the last is before the finish."""
    run = ocx("--sandbox", "chat", "-m", f"fault/cut:{count}", "四川菜很辣。")
    assert run.status == 11
    assert run.text.strip() == "四川菜很辣。"[:count]


def test_a_limit_and_the_charge_count_characters(served: Served) -> None:
    body = served.ask("我们去吃饭吧", "gpt-4o", max_tokens=3).json()
    assert body["choices"][0]["message"]["content"] == "我们去"
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 3
    prompt = -(-18 // 4) + 4 + 3
    assert served.charges() == [("settled", "finished", prompt, 3, prompt * 40 + 3 * 160)]


def test_the_arguments_of_a_call_are_tokens_too(served: Served) -> None:
    tool = {"name": "note", "parameters": {"type": "object"}}
    whole = {"tools": [{"type": "function", "function": tool}], "tool_choice": "required"}
    reply = served.ask('note(text="明天开会")', "gpt-4o", **whole).json()
    assert "明天开会" in reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert reply["usage"]["completion_tokens"] >= 5

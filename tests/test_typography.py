"""Widths and line breaks: as UAX #14 has them beside wide characters, at spaces elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wcwidth import wcwidth

from ocx.typography import cells, cut, folds, is_cjk, shortened
from ocx.wrapping import Wrapper, for_person, wrapped
from tests.support.prose import SENTENCES, paragraphs, wrong_breaks
from tests.support.sizes import examples


@pytest.mark.parametrize("language", SENTENCES)
def test_no_line_of_real_text_begins_or_ends_wrongly(language: str) -> None:
    """A thousand lines of each language, widths from 30 to 100."""
    count = 0
    for seed, width in enumerate(range(30, 101, 10)):
        for text in paragraphs(language, 30, seed):
            lines = wrapped(text, width)
            assert max(map(cells, lines)) <= width
            assert wrong_breaks(lines) == []
            count += len(lines)
    assert count > 1000


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("他说你好。”再见", 8, ["他说你", "好。”再", "见"]),
        ("看「重点」的字", 5, ["看", "「重", "点」", "的字"]),
        ("用百分之百％的力", 10, ["用百分之", "百％的力"]),
        ("等等……好吧", 5, ["等", "等……", "好吧"]),
        ("一甲——乙", 5, ["一", "甲——", "乙"]),
        ("もうちょっと", 8, ["もう", "ちょっと"]),
        ("価は￥980だ", 6, ["価は", "￥980", "だ"]),
        ("中文, english", 6, ["中文,", "englis", "h"]),
        ("안녕하세요. 반갑습니다.", 12, ["안녕하세요.", "반갑습니다."]),
        ("这是 ，和（ 那", 6, ["这", "是 ，", "和", "（ 那"]),
        ("ﾌﾟﾛｸﾞﾗﾑｶﾞ", 5, ["ﾌﾟﾛｸﾞ", "ﾗﾑｶﾞ"]),
        ("说“好”吧", 4, ["说", "“好”", "吧"]),
        ("用 .bashrc 和 --flag", 6, ["用", ".bashr", "c 和", "--flag"]),
        ("100\u00a0km weit", 8, ["100\u00a0km", "weit"]),
        ("a\u200bb c", 3, ["a\u200bb", "c"]),
    ],
)
def test_lines(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines


@pytest.mark.parametrize(
    "whole",
    ["👨‍👩‍👧", "🇲🇾", "👍🏽", "⚠️", "1️⃣", "か\u3099", "e\u0301", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "葛󠄀", "❤️‍🔥"],
)
@pytest.mark.parametrize("prose", [True, False])
def test_what_is_one_character_is_never_parted(whole: str, prose: bool) -> None:
    text = (whole + "文") * 9 if prose else whole * 9
    for width in range(1, 12):
        for line in wrapped(text, width):
            assert not line.replace(whole, "").strip("文"), f"{line!a} at {width}"


PIECES = st.lists(
    st.sampled_from([*"ab (。，「」“”…—·,.)%￥$1っー한글ｶﾞ漢字\n\t \u0301\u200d\ufe0f👨🇲🇾"]),
    max_size=40,
)


@given(PIECES, st.lists(st.integers(0, 40), max_size=8), st.integers(1, 12))
@example(["a", " ", ")", "a"], [], 3)
@example(["\u0301", " a"], [], 3)
@settings(max_examples=examples(300))
def test_no_cut_changes_a_line(pieces: list[str], places: list[int], width: int) -> None:
    """A character and what changes its width come together, as they do in an answer."""
    wrapper: Wrapper[None] = Wrapper(width)
    for place, piece in enumerate(pieces):
        if place in places:
            wrapper = wrapper.copy()
        wrapper.feed(piece, None)
    lines = ["".join(text for text, _ in line) for line in wrapper.finish()]
    text = "".join(pieces)
    assert (lines or [""]) == wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(PIECES.map("".join), st.integers(2, 12))
@example("aa。", 2)
@example("aa\ufe0f##\ufe0f\n(🇲🇾", 2)
@settings(max_examples=examples(300))
def test_no_line_is_too_wide(text: str, width: int) -> None:
    """But for one character, with all that is joined to it, on a line of its own."""
    for line in wrapped(text, width):
        assert cells(line) <= width or not folds(line, 1, prose=False)


def test_what_is_not_folded_stands_alone() -> None:
    assert wrapped("see https://example.org/a/long/path now", 10, fold=False) == [
        "see",
        "https://example.org/a/long/path",
        "now",
    ]


RANGES = [
    (0x20, 0x7E), (0xA1, 0x2FF), (0x370, 0x3FF), (0x2E80, 0x33FF), (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3), (0xFF01, 0xFF60), (0x1F300, 0x1F5FF),
]  # fmt: skip


def test_widths_are_those_of_a_terminal() -> None:
    """Of all characters that Python knows, but for marks that some terminals give a cell."""
    for first, last in RANGES:
        for code in range(first, last + 1):
            character = chr(code)
            if character.isprintable() and code != 0x3164:
                assert cells(character) == wcwidth(character), hex(code)
    assert cells("⚠️") == cells("⭐️") == cells("🇲🇾") == cells("1️⃣") == cells("aa\ufe0f") == 2
    assert cells("e\u0301") == 1
    assert cells("\U0001faea\U0003134f") == 4  # newer than the tables of Python 3.11


def test_shortened_and_cut_never_part_a_character() -> None:
    assert shortened("漢字かな", 5) == "漢字…"
    assert shortened("漢字", 4) == "漢字"
    assert shortened("漢字", 2) == "…"
    assert cut("👨‍👩‍👧家", 3) == "👨‍👩‍👧"
    assert cut("ab", 5) == "ab"


def test_what_is_cjk() -> None:
    assert all(map(is_cjk, "漢かナ한ㄅ，。「」！（）ｱ𠮷々"))
    assert not any(map(is_cjk, "aé1*“”—…🚀 Ж"))


WORDS = st.lists(
    st.sampled_from(
        ["ocx: ", "hint: ", "a ", "longer ", "https://example.org/a/b?c=d ", "  ", "说明，"]
    ),
    max_size=12,
)


@given(WORDS.map("".join), st.integers(20, 60))
@settings(max_examples=examples(100))
def test_a_message_loses_nothing_and_no_word_is_parted(text: str, width: int) -> None:
    shown = for_person(text, width, color=False)
    assert "".join(shown.split()) == "".join(text.split())
    assert shown.count("https://example.org/a/b?c=d") == text.count("https://example.org/a/b?c=d")
    for line in shown.split("\n"):
        assert cells(line) <= width or len(line.split()) <= 2

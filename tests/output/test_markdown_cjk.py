"""Markdown beside Chinese, Japanese and Korean; everywhere else it is what CommonMark says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from rich.style import Style

from ocx.output.markdown import parser as inline
from ocx.output.markdown.document import Document
from ocx.output.markdown.layout import AnsiRenderer, style_of
from ocx.output.markdown.parser import inline_spans
from tests.support.drawn import cut, rendered
from tests.support.prose import SENTENCES, paragraphs
from tests.support.sizes import examples

EXAMPLES = json.loads(Path(__file__).with_name("commonmark_emphasis.json").read_text("utf-8"))


def marked(text: str) -> str:
    """Its emphasis in tags."""
    tags = {style_of("strong"): "b", style_of("em"): "i", style_of("s"): "s"}

    def tag(style: Style) -> str:
        return "".join(name for its, name in tags.items() if style + its == style and style)

    parts: list[tuple[str, str]] = []
    for piece, style in inline_spans(text):
        if parts and parts[-1][1] == tag(style):
            parts[-1] = (parts[-1][0] + piece, tag(style))
        else:
            parts.append((piece, tag(style)))
    return "".join(f"<{name}>{piece}</{name}>" if name else piece for piece, name in parts)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**提示：**先保存", "<b>提示：</b>先保存"),
        ("请用**《指南》**里的**（附录）**吧", "请用<b>《指南》</b>里的<b>（附录）</b>吧"),
        ("涨了**8.5%**之后", "涨了<b>8.5%</b>之后"),
        ("**字段（可选）**说明", "<b>字段（可选）</b>说明"),
        ("**`x=1`**は変数", "<b>x=1</b>は変数"),
        ("**필수(기본값)**입니다", "<b>필수(기본값)</b>입니다"),
        ("*“斜体”*的", "<i>“斜体”</i>的"),
        ("***「全部」***を", "<bi>「全部」</bi>を"),
        ("~~旧版。~~新版", "<s>旧版。</s>新版"),
        ("これは**「例」です。**はい", "これは<b>「例」です。</b>はい"),
        ("**𠮷！**野", "<b>𠮷！</b>野"),
        ("甲 ** 乙 ** 丙", "甲 ** 乙 ** 丙"),
        ("2 * 3 * 4 等于 24", "2 * 3 * 4 等于 24"),
        ("变量user_name_和_tmp_x", "变量user_name_和_tmp_x"),
        ("（_重_）和 _轻_ 。", "（<i>重</i>）和 <i>轻</i> 。"),
        ("a**\"b\"**c", "a**\"b\"**c"),
    ],
)  # fmt: skip
def test_emphasis_beside_wide_characters(text: str, shown: str) -> None:
    assert marked(text) == shown


def tokens_of(text: str, state: type[StateInline], parser: MarkdownIt) -> list[str]:
    made = state(text, parser, {}, [])
    parser.inline.tokenize(made)
    for rule in parser.inline.ruler2.getRules(""):
        rule(made)
    return [f"{token.type} {token.content}" for token in made.tokens]


@pytest.mark.parametrize("text", EXAMPLES["examples"])
def test_the_examples_of_the_specification_are_what_they_were(text: str) -> None:
    parser = inline.PARSER
    assert tokens_of(text, inline._State, parser) == tokens_of(text, StateInline, parser)


@given(st.lists(st.sampled_from([*"ab1 *_~`\"'(.,:)%£“”—é\n", "**", "~~", "Ж", "🚀"])).map("".join))
@settings(max_examples=examples(300))
def test_so_is_everything_without_such_a_character(text: str) -> None:
    parser = inline.PARSER
    assert tokens_of(text, inline._State, parser) == tokens_of(text, StateInline, parser)


WORDS = st.sampled_from(
    [
        "**", "*", "`", "~~", "[", "](https://例.测试/路)", "<https://例.jp/道>", "\n", "  \n",
        "\n\n- ", *"。，「」（）“”…—％", "中文", "かな", "한글 ", "word ", "1", "👨‍👩‍👧", "🇲🇾",
    ]
)  # fmt: skip
CUTS = st.lists(st.integers(0, 200), max_size=12)


@given(st.lists(WORDS, max_size=40).map("".join), CUTS, st.integers(20, 60))
@settings(max_examples=examples(200))
def test_any_cut_gives_the_same_lines(text: str, places: list[int], width: int) -> None:
    assert rendered(*cut(text, places), width=width) == rendered(text, width=width)


@pytest.mark.parametrize("language", SENTENCES)
def test_real_text_streamed_character_by_character(language: str) -> None:
    text = "\n\n".join(f"**{p[:9]}：**{p}" for p in paragraphs(language, 3))
    for width in (30, 47, 80):
        assert rendered(*text, width=width) == rendered(text, width=width)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("上一行\n下一行", "上一行下一行"),
        ("上一行。\n“下”", "上一行。“下”"),
        ("**粗**\n`码`的", "粗码的"),
        ("上一行\nnext", "上一行 next"),
        ("word\n下一行", "word 下一行"),
        ("첫 줄\n둘째 줄", "첫 줄 둘째 줄"),
        ("好🚀\n🚀好", "好🚀 🚀好"),
        ("one\n“two”", "one “two”"),
    ],
)
def test_a_line_break_in_the_source(text: str, shown: str) -> None:
    assert rendered(text) == [shown]
    assert rendered(*text) == [shown]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[说明](https://文档.例子/第一章?名=值)", "说明 (https://文档.例子/第一章?名=值)"),
        ("<https://文档.例子/第一章>", "https://文档.例子/第一章"),
        ("<https://example.org/a%20b>", "https://example.org/a%20b"),
        ("[https://日本.jp](https://日本.jp)", "https://日本.jp"),
        ("<me@example.org>", "me@example.org"),
        ("[x](</a b>)", "x (/a b)"),
        ("看\n[https://a.b](https://a.b)", "看 https://a.b"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
    ],
)
def test_a_link_is_shown_as_it_was_written_and_once(text: str, shown: str) -> None:
    assert rendered(text) == [shown]


def test_inline_code_has_no_background() -> None:
    [line] = rendered("a `b` c", color=True)
    codes = [code for part in line.split("\x1b[")[1:] for code in part.split("m")[0].split(";")]
    assert codes
    assert not any((code[:1] == "4" and len(code) == 2) or code[:2] == "10" for code in codes)


LONG = st.lists(
    st.sampled_from(["x = 1; ", "\t", "打印（）", "👨‍👩‍👧", "  ", "“"]), min_size=300, max_size=900
)


@given(LONG.map("".join), st.lists(st.integers(0, 4000), max_size=12), st.sampled_from([20, 33]))
@settings(max_examples=examples(40))
def test_a_long_line_of_code_is_shown_row_by_row_and_whole(
    text: str, places: list[int], width: int
) -> None:
    code = f"- a\n  ```py\n  {text}\n  b\n  ```\nc"
    whole = rendered(code, width=width)
    assert rendered(*cut(code, places), width=width) == whole
    assert "".join("".join(whole).split()) == "•a" + "".join(text.split()) + "bc"


def test_a_long_line_of_code_is_final_before_it_ends() -> None:
    document = Document(40, AnsiRenderer(color=False))
    document.feed("```\n" + "0123456789" * 150)
    lines = document.finished()
    assert len(lines) == 1500 // 38
    assert "".join(line[1:] for line in [*lines, *document.tail()]) == "0123456789" * 150

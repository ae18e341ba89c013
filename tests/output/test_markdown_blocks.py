"""The blocks of an answer: what each looks like, and that they are the same in any pieces.

Code is highlighted line by line as a lexer would highlight it whole.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pygments.lexer import RegexLexer
from pygments.lexers import get_lexer_by_name

from ocx.output.markdown.document import Document
from ocx.output.markdown.highlight import State, highlight, lexer_of
from ocx.output.markdown.layout import PLAIN, AnsiRenderer, Span
from ocx.output.markdown.parser import HEADING, REACH, settled
from tests.support.drawn import WIDTH, cut, rendered
from tests.support.sizes import examples

PARTS = st.sampled_from(
    [
        "word ", "a", "*", "**b**", "`c`", "[x](u)", "- ", "\\", "\n", "\n", "\n\n", "  \n", "# h",
        "\n# ",
        "\n\nTitle\n---\n", "\n===\n", "\n```py\n", "```", "\n```\n", "~~~\n", "\n- ", "\n  - ",
        "\n1. ", "\n2) ", "\n> ", "> ", "\n>", "\n    ", "  ", "   ", " ", "\t", "| 1 | 2 |\n",
        "\n| a | b |\n|--|--|\n", "86. x\n", "\n* b", "\n+ c", "\n10. d", "\n***\n",
    ]
)  # fmt: skip


@given(st.lists(PARTS, max_size=14).map("".join), st.lists(st.integers(0, 200), max_size=8))
@settings(max_examples=examples(400))
@example("- > *\n-\n  > x", [7, 9])
@example("-\n  >\n\nTitle", [4, 6, 7])
@example("-  ~~~\n\n  - x", [7, 8])
@example("1. \n\n\n\n86. x", [4, 5, 6, 7])
@example("1.    \u3000x\n    b\n\nc", [14, 15])
@example("> > a\n> > \n> - b\n>   c", [6, 11, 17])
@example("    a\n\n\n\n    b", [6, 7, 8, 9])
def test_any_cut_gives_the_same_lines(text: str, places: list[int]) -> None:
    """At once it is parsed as a whole; in pieces only the end of it is, again and again."""
    whole = rendered(text, width=30)
    assert rendered(*cut(text, places), width=30) == whole
    assert rendered(*text, width=30) == whole


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("- a\n- b", [" • a", " • b"]),
        ("- a\n\n- b", [" • a", "", " • b"]),
        ("- a\n+ b", [" • a", "", " • b"]),
        ("- a\n\n  b\n  > c", [" • a", "", "   b", "   ▌ c"]),
        ("8. a\n8. b\n1. c", [" 8 a", " 9 b", " 10 c"]),
        ("> a\n>\n> b", ["▌ a", "▌", "▌ b"]),
        ("-\n- b\n-", [" •", " • b", " •"]),
        (">\n\nx", ["▌", "", "x"]),
        ("a\nb\n---\nc", ["a b", "", "c"]),
        ("- a\n  b\n  ===", [" • a b"]),
        ("a | b\n-|-\nc", ["a  b", "────", "c"]),
        ("x\na | b\n-|-", ["x", "", "a  b", "────"]),
        ("# a | b\n-|-", ["a | b", "", "-|-"]),
        ("- a | b\n-|-", [" • a | b -|-"]),
        ("~~~a|b\nc\n-|-", [" c", " -|-"]),
        ("```\n\n\na\n\n\n```\nb", ["", "", " a", "", "b"]),
        ("# a #\n## ##\n# b#", ["a", "", "", "", "b#"]),
        ("- " * 40 + "x", None),
        ("> " * 40 + "x", None),
    ],
)
def test_blocks_look_so(text: str, lines: list[str] | None) -> None:
    shown = rendered(text)
    assert lines is None or shown == lines == rendered(*text)
    assert "x" not in text or "x" in shown[0] or lines


def test_a_long_paragraph_is_no_heading() -> None:
    """What is printed already cannot become one; the line below it is a rule."""
    assert rendered("a " * HEADING + "\nb\n---")[-2:] == ["", "-" * WIDTH]


def test_a_long_code_line_is_folded_and_no_space_is_lost() -> None:
    shown = rendered("```\n" + "a  " * 10 + "c\n```", width=22)
    assert [line[1:] for line in shown] == ["a  " * 6 + "a", " a  a  a  c"]


def test_what_no_line_can_hold_begins_on_a_line_of_its_own() -> None:
    assert rendered("ab " + "x" * 25 + " c", width=10) == ["ab", "x" * 10, "x" * 10, "xxxxx c"]


def test_wide_characters_may_be_parted_but_no_line_begins_with_a_full_stop() -> None:
    assert rendered("ab 宽字符在。终端", width=9) == ["ab 宽字符", "在。终端"]
    assert rendered("宽" * 3, width=1) == ["宽"] * 3


def test_an_open_mark_is_text_after_a_while() -> None:
    """So that a paragraph longer than the screen is final line by line."""
    document = Document(80, AnsiRenderer(color=False))
    document.feed("an *open mark " + "and more words " * 200)
    lines = document.finished()
    assert lines[0].startswith("an *open mark and")
    assert len(lines) * 80 > 15 * 200 - 2 * REACH


def test_nothing_but_marks_is_not_parted_before_the_reach_of_one() -> None:
    assert settled("a" * 3000 + "." * 900, 3000, 3000, 3900) == (3000, 3000)


def test_a_long_paragraph_is_final_up_to_its_last_words() -> None:
    document = Document(40, AnsiRenderer(color=False))
    document.feed("Some **bold** words with `code` in them. " * 20)
    assert len(document.finished()) > 15
    assert len(document.tail()) < 8


def test_code_is_final_line_by_line() -> None:
    document = Document(40, AnsiRenderer(color=False))
    document.feed("1. Do this:\n\n   ```sh\n   one\n   two\n   thr")
    assert document.finished() == [" 1 Do this:", "", "    one", "    two"]
    assert document.tail() == ["    thr"]


def test_an_item_is_final_with_the_next_one() -> None:
    document = Document(40, AnsiRenderer(color=False))
    document.feed("- one\n- two\n- thr")
    assert document.finished() == [" • one"]
    assert document.tail() == [" • two", " • thr"]


def test_a_table_is_as_wide_as_its_widest_cells_and_final_at_its_end() -> None:
    document = Document(40, AnsiRenderer(color=False))
    document.feed("| a | b |\n|:-:|--:|\n| x | 1 |\n| wide | 100 |\n")
    assert document.finished() == []
    assert document.tail() == [" a      b", "─────────", " x      1", "wide  100"]
    assert document.tail(1)[-1] == "wide  100"
    document.feed("\n")
    assert document.finished()[-1] == "wide  100"


def test_a_table_that_is_too_wide_folds_its_widest_cells() -> None:
    shown = rendered(f"| a | b |\n|--|--|\n| {'x' * 30} | {'y' * 5} |", width=20)
    assert max(map(len, shown)) <= 20
    assert "".join(shown).count("x") == 30
    assert "y" * 5 in shown[2]
    many = rendered("|" + "a|" * 30 + "\n|" + "-|" * 30, width=20)
    assert "".join(many).count("a") == 30


CODE = {
    "python": 'def f(x):\n    """doc\n    of two lines"""\n    return f"{x}" + \'a\'  # comment\n',
    "js": "/* a\n   b */ const x = `t ${y}\n  z`; // c\nfunction f() { return 1 }\n",
    "c": "/* a\n   b */\nint main(void) { return 0; } // x\nchar *s = \"/*\";\n",
    "bash": 'for f in *.txt; do\n  echo "$f and\n  more"\ndone # x\n',
    "html": "<p class=\"a\">\n<!-- a\n b --> x</p>\n",
    "go": "package main\n\nvar s = `raw\ntext` // c\n",
    "rust": "/* a\n b */ fn main() { println!(\"x\"); }\n",
    "sql": "SELECT *\nFROM a /* b\n c */ WHERE x = 'y';\n",
}  # fmt: skip


def by_lines(language: str, code: str) -> list[list[Span]]:
    lexer, state, lines = lexer_of(language), State(), []
    for line in code.split("\n"):
        runs, state = highlight(lexer, line, state)
        lines.append(runs)
    return lines


def characters(lines: list[list[Span]]) -> list[tuple[str, str]]:
    """Each that can be seen, with its style."""
    return [(c, str(style)) for line in lines for text, style in line for c in text if c.strip()]


@pytest.mark.parametrize("language", CODE)
def test_line_by_line_looks_as_the_whole(language: str) -> None:
    from ocx.output.markdown.highlight import _THEME

    tokens = get_lexer_by_name(language).get_tokens(CODE[language])
    whole = [[(text, _THEME.get_style_for_token(kind)) for kind, text in tokens]]
    assert characters(by_lines(language, CODE[language])) == characters(whole)


@pytest.mark.parametrize("language", ["", "no-such-language", "html+jinja", "pycon"])
def test_what_no_lexer_takes_line_by_line_is_plain(language: str) -> None:
    assert lexer_of(language) is None
    assert by_lines(language, "a\nb") == [[("a", PLAIN)], [("b", PLAIN)]]


def test_a_very_long_line_is_plain() -> None:
    assert by_lines("python", "if " * 500) == [[("if " * 500, PLAIN)]]


def test_a_lexer_that_fails_leaves_the_line_plain() -> None:
    class Failing(RegexLexer):
        tokens: ClassVar = {"root": [(r"a", lambda _lexer, _match: 1 / 0)]}

    assert highlight(Failing(), "ba", State()) == ([("ba", PLAIN)], State())


def test_pygments_still_keeps_the_rules_of_a_lexer_where_we_look_for_them() -> None:
    """Our loop is that of RegexLexer.get_tokens_unprocessed, over the same table."""
    lexer = lexer_of("python")
    assert isinstance(lexer, RegexLexer)
    match_at, action, new_state = lexer._tokens["root"][0]
    assert callable(match_at)
    assert action is None or callable(action) or str(action).startswith("Token")
    assert new_state is None or isinstance(new_state, str | int | tuple)

"""Code is highlighted line by line as a lexer would highlight it whole."""

from __future__ import annotations

from typing import ClassVar

import pytest
from pygments.lexer import RegexLexer
from pygments.lexers import get_lexer_by_name

from ocx.output.markdown.highlight import State, highlight, lexer_of
from ocx.output.markdown.layout import PLAIN, Span

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

"""PowerShell is parsed by its grammar, not run: no PowerShell is to be had here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocx.snippet import SnippetRequest, snippet

tree_sitter = pytest.importorskip("tree_sitter", reason="tree-sitter parses PowerShell")
grammar = pytest.importorskip("tree_sitter_powershell", reason="the grammar of PowerShell")

URL = "https://opencodex.hk/api/v1/chat/completions"
PROMPTS = [
    'it\'s "quoted" \u2018\u2019 \'@ "@',
    "a\n'@\n\"@\nb\r\n'@",
    "$env:PATH $(id) `n `$x",
    "🙂 世界",
    "x'@\n" * 20_000,
    "-rf",
    "\x00\x7f",
]


def parse(program: str) -> Any:
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    return parser.parse(program.encode()).root_node


def bodies(node: Any) -> list[str]:
    """The texts of all literal here-strings."""
    if node.type == "verbatim_here_string_characters":
        text = node.text.decode()
        return [text.removeprefix("@'\n").removesuffix("\n'@")]
    return [text for child in node.children for text in bodies(child)]


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("prompt", PROMPTS, ids=range(len(PROMPTS)))
def test_the_program_is_powershell_and_holds_the_body(prompt: str, streams: bool) -> None:
    """No syntax error, and the one literal here-string is the request."""
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": streams}
    headers = {"X-Team": "it's \u2019 $x"}
    program = snippet("powershell", SnippetRequest(URL + "?it's", body, headers))
    root = parse(program)
    assert not root.has_error
    (text,) = bodies(root)
    assert json.loads(text) == body


def test_the_grammar_sees_errors() -> None:
    """Else the test above would prove nothing."""
    assert parse("if (").has_error
    assert parse("$x = 'a' 'b").has_error

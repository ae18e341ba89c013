"""The fenced-code examples of the CommonMark specification 0.31, as facts.

Each is (number of the example, input, what the fenced blocks of its output hold); the inputs
are written with `\\n` at the end of every line.
Source: spec.commonmark.org/0.31.2/#fenced-code-blocks.
"""

from __future__ import annotations

import pytest

from ocx.chat.extract import fenced_blocks

EXAMPLES: list[tuple[int, str, list[str]]] = [
    (119, "```\n<\n >\n```\n", ["<\n >\n"]),
    (120, "~~~\n<\n >\n~~~\n", ["<\n >\n"]),
    (121, "``\nfoo\n``\n", []),
    (122, "```\naaa\n~~~\n```\n", ["aaa\n~~~\n"]),
    (123, "~~~\naaa\n```\n~~~\n", ["aaa\n```\n"]),
    (124, "````\naaa\n```\n``````\n", ["aaa\n```\n"]),
    (125, "~~~~\naaa\n~~~\n~~~~\n", ["aaa\n~~~\n"]),
    (126, "```\n", [""]),
    (127, "`````\n\n```\naaa\n", ["\n```\naaa\n"]),
    (128, "> ```\n> aaa\n\nbbb\n", ["aaa\n"]),
    (129, "```\n\n  \n```\n", ["\n  \n"]),
    (130, "```\n```\n", [""]),
    (131, " ```\n aaa\naaa\n```\n", ["aaa\naaa\n"]),
    (132, "  ```\naaa\n  aaa\naaa\n  ```\n", ["aaa\naaa\naaa\n"]),
    (133, "   ```\n   aaa\n    aaa\n  aaa\n   ```\n", ["aaa\n aaa\naaa\n"]),
    (134, "    ```\n    aaa\n    ```\n", []),
    (135, "```\naaa\n  ```\n", ["aaa\n"]),
    (136, "   ```\naaa\n  ```\n", ["aaa\n"]),
    (137, "```\naaa\n    ```\n", ["aaa\n    ```\n"]),
    (138, "``` ```\naaa\n", []),
    (139, "~~~~~~\naaa\n~~~ ~~\n", ["aaa\n~~~ ~~\n"]),
    (140, "foo\n```\nbar\n```\nbaz\n", ["bar\n"]),
    (141, "foo\n---\n~~~\nbar\n~~~\n# baz\n", ["bar\n"]),
    (142, "```ruby\ndef foo(x)\n  return 3\nend\n```\n", ["def foo(x)\n  return 3\nend\n"]),
    (
        143,
        "~~~~    ruby startline=3 $%@#$\ndef foo(x)\n  return 3\nend\n~~~~~~~\n",
        ["def foo(x)\n  return 3\nend\n"],
    ),
    (144, "````;\n````\n", [""]),
    (145, "``` aa ```\nfoo\n", []),
    (146, "~~~ aa ``` ~~~\nfoo\n~~~\n", ["foo\n"]),
    (147, "```\n``` aaa\n```\n", ["``` aaa\n"]),
]


@pytest.mark.parametrize(("number", "text", "contents"), EXAMPLES)
def test_every_fenced_code_example_of_commonmark(
    number: int, text: str, contents: list[str]
) -> None:
    """Section 4.5 of CommonMark 0.31, example by example."""
    assert fenced_blocks(text) == contents, number


@pytest.mark.parametrize(("number", "text", "contents"), EXAMPLES)
def test_the_examples_hold_with_crlf(number: int, text: str, contents: list[str]) -> None:
    """Line ends come out as they stood in the answer."""
    blocks = fenced_blocks(text.replace("\n", "\r\n"))
    assert blocks == [c.replace("\n", "\r\n") for c in contents], number


def test_all_examples_are_there() -> None:
    assert [number for number, _, _ in EXAMPLES] == list(range(119, 148))

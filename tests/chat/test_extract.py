"""Fenced blocks, by the examples of CommonMark 0.31 and as models write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocx.chat.think_and_fences import extract, fenced_blocks, only_block
from tests.support.sizes import examples


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```c++\nint x;\n```", ["int x;\n"]),
        ('``` c++ title="a b" \nx\n```', ["x\n"]),
        ("~~~sh\n```\n~~~", ["```\n"]),
        ("no code", []),
        ("", []),
        ("inline ```code``` only", []),
        ("```sh\necho 1", ["echo 1"]),
        (
            "- a\n  - b\n\n    ```py\n    if x:\n        y\n    ```\n",
            ["if x:\n    y\n"],
        ),
        ("1. one\n   ```\n   unclosed\nafter", ["unclosed\n"]),
        ("> - ```\n>   deep\n>   ```\n", ["deep\n"]),
        ("```a\n1\n```\n```b\n2\n```", ["1\n", "2\n"]),
        ("```\r\nx\ny\r```\r", ["x\ny\r"]),
        ("```\na\u2028b\x0bc\n```", ["a\u2028b\x0bc\n"]),
        ("```\n\ttab\n```", ["\ttab\n"]),
    ],
)
def test_blocks_of_answers(text: str, blocks: list[str]) -> None:
    assert fenced_blocks(text) == blocks


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("```json\n{}\n```", "{}\n"),
        ("```\n{}", "{}"),
        ("{}", None),
        ("```\n{}\n```\nand more", None),
        ("so: ```\n{}\n```", None),
        ("- ```\n  {}\n  ```", None),
    ],
)
def test_only_block(text: str, content: str | None) -> None:
    assert only_block(text) == content


@settings(max_examples=examples(60))
@given(
    code=st.text(
        st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"]), max_size=60
    ),
    before=st.sampled_from(["", "text\n", "# head\n\n", "- item\n\n\n"]),
)
def test_code_in_a_fence_longer_than_any_inside_comes_out_unchanged(code: str, before: str) -> None:
    """Whatever a model fences properly is what -x prints."""
    fence = "`" * (3 + code.count("`"))
    assert extract(f"{before}{fence}any\n{code}\n{fence}\n", last=False) == code + "\n"


@settings(max_examples=examples(100))
@given(st.text("`~ \n\r\t>-1.ab", max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    for block in fenced_blocks(text):
        assert len(block) <= len(text) * 4 + 1


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
    """Section 4.5 of CommonMark 0.31, example by example; line ends come out as they stood."""
    assert fenced_blocks(text) == contents, number
    blocks = fenced_blocks(text.replace("\n", "\r\n"))
    assert blocks == [c.replace("\n", "\r\n") for c in contents], number


def test_all_examples_are_there() -> None:
    assert [number for number, _, _ in EXAMPLES] == list(range(119, 148))

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocx.chat.extract import extract, fenced_blocks, only_block
from ocx.errors import InvalidAnswerError
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


def test_first_and_last() -> None:
    text = "```\none\n```\nand\n~~~\ntwo\n~~~\n"
    assert extract(text) == "one\n"
    assert extract(text, last=True) == "two\n"


@pytest.mark.parametrize("last", [False, True])
def test_no_block_is_an_invalid_answer(last: bool) -> None:
    with pytest.raises(InvalidAnswerError) as caught:
        extract("only\n\n    indented code\n", last=last)
    assert caught.value.exit_code == 14
    assert caught.value.hint


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


@settings(deadline=None, max_examples=examples(60))
@given(
    code=st.text(
        st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"]), max_size=60
    ),
    before=st.sampled_from(["", "text\n", "# head\n\n", "- item\n\n\n"]),
)
def test_code_in_a_fence_longer_than_any_inside_comes_out_unchanged(code: str, before: str) -> None:
    """Whatever a model fences properly is what -x prints."""
    fence = "`" * (3 + code.count("`"))
    assert extract(f"{before}{fence}any\n{code}\n{fence}\n") == code + "\n"


@settings(deadline=None, max_examples=examples(100))
@given(st.text("`~ \n\r\t>-1.ab", max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    for block in fenced_blocks(text):
        assert len(block) <= len(text) * 4 + 1

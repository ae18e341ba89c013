"""What a model or a server sends is shown, never obeyed."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocx.text import escape_control, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("bell\x07", "bell\\x07"),
        ("\x7f", "\\x7f"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("a\u061cb", "a\\u061cb"),
        ("日本 🎉 é", "日本 🎉 é"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert escape_control(text) == shown


def test_one_line_has_no_line_break() -> None:
    assert one_line("a\nb\tc\u2028d\r") == "a b c d\\x0d"


@given(st.text())
@settings(deadline=None)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", escape_control(text))

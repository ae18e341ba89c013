"""Reasoning on a terminal: lines end between words, whatever pieces it comes in."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st

from ocx.output.live_stderr import ReasoningLines
from ocx.secret import Secret
from ocx.terminal import FdWriter, RedactingStderr, Terminal
from tests.support.drawn import cut
from tests.support.emulator import Emulator, trimmed

TEXT = (
    "The user wants a well-known answer.\n\n  - first indented item, which goes on and on\n"
    "  - 先看一下题目（很重要），再回答：不要着急。\n\nSo, supercalifragilisticexpialidocious!"
)


def drawn(text: str, columns: int, places: list[int], *keys: str) -> list[str]:
    stream = io.StringIO()
    stderr = RedactingStderr(stream)
    for key in keys:
        stderr.hide(Secret(key))
    terminal = Terminal(None, FdWriter(io.BytesIO()), stderr, width=columns)
    lines = ReasoningLines(terminal)
    for piece in cut(text, places):
        lines.write(piece)
    lines.finish()
    terminal.stderr.write("answer")
    screen = Emulator(columns, 40)
    screen.write(stream.getvalue().replace("\n", "\r\n").encode())
    return trimmed(screen.lines())


def test_words_are_whole_and_indents_stay() -> None:
    assert drawn(TEXT, 30, []) == [
        "The user wants a well-known",
        "answer.",
        "",
        "  - first indented item, which",
        "goes on and on",
        "  - 先看一下题目（很重要），再",
        "回答：不要着急。",
        "",
        "So,",
        "supercalifragilisticexpialidoc",
        "ious!",
        "",
        "answer",
    ]


@given(st.integers(20, 60), st.lists(st.integers(0, len(TEXT)), max_size=40))
@settings(deadline=None)
def test_any_pieces_give_the_same_lines(columns: int, places: list[int]) -> None:
    assert drawn(TEXT, columns, sorted(places)) == drawn(TEXT, columns, [])


@given(st.integers(20, 60), st.lists(st.integers(0, 60), max_size=9))
@settings(deadline=None)
def test_no_key_is_shown_in_parts(columns: int, places: list[int]) -> None:
    key = "sk-live-Te5t-Key0-0000-0000-a1b2"
    text = f"the key in here is {key}, I think\n"
    shown = "".join(drawn(text, columns, sorted(places), key))
    assert "Te5t" not in shown
    assert "…a1b2" in shown

"""What is twice as long takes twice the work, whatever a hostile answer is made of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from ocx.chat import think_and_fences
from ocx.output.markdown.document import Document
from ocx.output.markdown.layout import AnsiRenderer
from ocx.wrapping import wrapped
from tests.support.sizes import some

SIZE = 4000
LINES = {
    "code": ("```\n", "x = [1, 2] # "),
    "highlighted code": ("```python\n", "x = 'a' + \\"),
    "code in a list": ("- a\n\n  ~~~\n  ", "let\tit = be; "),
    "Chinese code": ("```\n", "打印（“好”）。"),
    "indented code": ("a\n\n    ", "x = [1, 2] # "),
    "a heading": ("# ", "some words and *more* "),
    "a row of a table": ("| a |\n|--|\n| ", "`b` and c "),
    "prose": ("", "some **words** and a 中文，"),
    "a word": ("", "xxxxxxxxxx"),
    "a Chinese word": ("", "——————、、"),
    "nothing but marks": ("", "*_`[("),
    "a line that may be a rule": ("", "- - -"),
}


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python run in `work` and all that it calls; a turn of a loop is one.

    They are counted, since a clock would depend on the machine.
    """
    count = 0

    def trace(_frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def drawn(start: str, text: str, size: int, piece: int) -> None:
    """Fed in pieces, and looked at as often as a screen is drawn."""
    document = Document(40, AnsiRenderer(color=False))
    document.feed(start)
    text = text * (size // len(text))
    for place in range(0, size, piece):
        document.feed(text[place : place + piece])
        document.finished()
        if place // piece % 20 == 0:
            document.tail(24)
    document.end()
    document.finished()


@pytest.mark.parametrize("kind", [kind for kind in LINES if kind != "nothing but marks"])
def test_a_long_line_that_comes_at_once(kind: str) -> None:
    start, text = LINES[kind]
    once, twice = (steps(lambda n=n: drawn(start, text, n, n)) for n in (SIZE, 2 * SIZE))
    assert twice < 2.6 * once


@pytest.mark.parametrize("kind", some(LINES, 4))
def test_a_long_line_that_comes_in_pieces(kind: str) -> None:
    start, text = LINES[kind]
    once, twice = (steps(lambda n=n: drawn(start, text, n, 100)) for n in (2 * SIZE, 4 * SIZE))
    assert twice < 2.6 * once


@pytest.mark.parametrize("text", ["word ", "漢字、", "……", "x", "“好” ", "👩‍👩‍👧"])
def test_wrapping(text: str) -> None:
    once, twice = (steps(lambda n=n: wrapped(text * n, 40)) for n in (500, 1000))
    assert twice < 2.2 * once


class Counted(list[str]):
    """Counts what is copied out of it."""

    copied = 0

    def __getitem__(self, place):
        found = super().__getitem__(place)
        Counted.copied += len(found) if isinstance(place, slice) else 1
        return found


@pytest.mark.parametrize(
    "fences", ["```py\nx\n```\n", "~~~\nx\n~~~\n```\ny\n```\n", "> ```\n- ~~~\n", "- ```\n  a\n"]
)
def test_extracting_from_many_blocks(monkeypatch: pytest.MonkeyPatch, fences: str) -> None:
    """The copies of a list are no lines of Python, so they are counted apart."""
    line_ends = think_and_fences._line_ends
    monkeypatch.setattr(think_and_fences, "_line_ends", lambda text: Counted(line_ends(text)))
    counts = []
    for blocks in (100, 200):
        Counted.copied = 0
        taken = steps(lambda blocks=blocks: think_and_fences.fenced_blocks(fences * blocks))
        counts.append(taken + Counted.copied)
    assert counts[1] < 2.2 * counts[0]
    assert Counted.copied <= 2 * len((fences * 200).split("\n"))

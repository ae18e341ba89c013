"""What is twice as long takes twice the work, whatever a hostile answer is made of.

What an answer in Markdown looks like, and that nothing of it is lost on the way.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from ocx.chat import think_and_fences
from ocx.output.markdown import MarkdownWriter
from ocx.output.markdown.document import Document
from ocx.output.markdown.layout import AnsiRenderer
from ocx.terminal import FdWriter, RedactingStderr, Terminal
from ocx.text import CONTROL
from ocx.wrapping import wrapped
from tests.support.memory import MemoryRaw
from tests.support.sizes import size, some

SIZE = size(4000, 1600)
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
    find = think_and_fences._LINE.findall
    counting = SimpleNamespace(findall=lambda text: Counted(find(text)))
    monkeypatch.setattr(think_and_fences, "_LINE", counting)
    counts = []
    for blocks in (100, 200):
        Counted.copied = 0
        taken = steps(lambda blocks=blocks: think_and_fences.fenced_blocks(fences * blocks))
        counts.append(taken + Counted.copied)
    assert counts[1] < 2.2 * counts[0]
    assert Counted.copied <= 2 * len((fences * 200).split("\n"))


def render(*pieces: str, width: int = 40) -> str:
    raw = MemoryRaw()
    terminal = Terminal(None, FdWriter(raw), RedactingStderr(None), width=width, stdout_tty=True)
    writer = MarkdownWriter(terminal.stdout, terminal, color=False)
    for piece in pieces:
        writer.write(piece)
    writer.finish(complete=True)
    return raw.text()


def test_renders_blocks_with_one_empty_line_between() -> None:
    shown = render("Some *text*.\n\n- a\n- b\n\nEnd.\n")
    assert shown == "Some text.\n\n • a\n • b\n\nEnd.\n"


def test_terminal_codes_of_the_model_are_text() -> None:
    shown = render("a \x1b]0;owned\x07 b\n\n```\n\x1b[2J\n```\n")
    assert "\x1b" not in shown
    assert "\\x1b]0;owned\\x07" in shown


@pytest.mark.parametrize(
    "text",
    [
        "<https://a.example/%1b]52;c;cm0=%1b%5c>\n",
        "<a%1b@b.example>\n",
        "| <https://a.example/%1b[2J> |\n|--|\n| <a%9b@b.example> |\n",
        "<https://a.example/%E2%80%AEgpj.exe>\n",
        "left &#x202e;thgir&#x2066; *&#x200f;*\n",
        "![&#x202e;](x)\n",
    ],
)
def test_what_markdown_decodes_is_text_too(text: str) -> None:
    """A link shown as text has its %1b decoded, and entities name what was never sent."""
    shown = render(text, width=80)
    assert not re.search(CONTROL, shown.replace("\n", "")), repr(shown)


def test_a_link_shows_where_it_leads() -> None:
    assert "https://example.org/x" in render("[harmless](https://example.org/x)\n", width=80)


@pytest.mark.parametrize(
    "text",
    [
        "The <select> element, <b>bold</b> and Vec<T>.",
        "<div>block</div>",
        "<!-- a comment -->",
        "[1]: https://example.org/x",
    ],
)
def test_what_no_terminal_can_render_is_shown_as_it_came(text: str) -> None:
    """HTML, and the target of a link that stands in another block."""
    assert render(f"before\n\n{text}\n\nafter\n", width=80) == f"before\n\n{text}\n\nafter\n"


def test_a_picture_shows_where_it_is() -> None:
    shown = render("See ![a chart](https://example.org/c.png)\n", width=80)
    assert "a chart (https://example.org/c.png)" in shown


def test_a_table_folds_what_does_not_fit_and_stands_between_single_empty_lines() -> None:
    path = "/".join("abcdefghijklmnopqrst")
    shown = render(f"before\n\n| a | b |\n|--|--|\n| x | {path} |\n\nafter\n", width=20)
    assert shown.startswith("before\n\na  b\n")
    assert "…" not in shown
    assert "".join(shown.split()).replace("x", "", 1).count(path[-8:]) == 1
    assert "\n\n\n" not in shown


def test_an_ordered_list_in_pieces_keeps_its_numbers() -> None:
    shown = render("1. one\n\n2. two\n\n", "3. three\n")
    assert [line.split()[0] for line in shown.split("\n") if line.strip()] == ["1", "2", "3"]

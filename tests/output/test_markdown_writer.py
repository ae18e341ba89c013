"""What an answer in Markdown looks like, and that nothing of it is lost on the way."""

import re

import pytest

from ocx.output.markdown import MarkdownWriter
from ocx.terminal import FdWriter, RedactingStderr, Terminal
from ocx.text import CONTROL
from tests.support.memory import MemoryRaw


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

"""`-x/--extract`: the fenced code blocks of an answer, by CommonMark 0.31 section 4.5."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ocx.errors import InvalidAnswerError

_LINE = re.compile(r"[^\r\n]*(\r\n|\r|\n|$)")


def fenced_blocks(text: str) -> list[str]:
    """The contents of every fenced block in the order of the text, nested ones too.

    The lines keep the ends that the answer had. Indented code is not a fenced block. An unclosed
    one ends with the block or text around it.
    """
    ends = _line_ends(text)
    return [_content(token, ends) for token in _blocks(text) if token.type == "fence"]


def only_block(text: str) -> str | None:
    """The content of the fenced block that is all of `text`, None if there is anything else."""
    tokens = _blocks(text)
    if len(tokens) != 1 or tokens[0].type != "fence":
        return None
    return fenced_blocks(text)[0]


def extract(text: str, *, last: bool = False) -> str:
    """The content of the first (or last) fenced block.

    Raises:
        InvalidAnswerError: the answer has none.
    """
    blocks = fenced_blocks(text)
    if not blocks:
        raise InvalidAnswerError(
            "the answer has no fenced code block",
            hint="ask for one in the prompt, or leave out -x to see the answer",
        )
    return blocks[-1 if last else 0]


def _line_ends(text: str) -> list[str]:
    return [match.group(1) for match in _LINE.finditer(text)]


def _blocks(text: str) -> list[Token]:
    # Inline text is of no interest, and parsing it is where Markdown parsers get slow.
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser.parse(text)


def _content(token: Token, ends: list[str]) -> str:
    """The block's content with the line ends of the source: the parser turns every one into LF."""
    first = token.map[0] + 1 if token.map else 0
    lines = token.content.split("\n")
    # No more of `ends` than the block has: an answer of many blocks would copy all for each.
    its_ends = ends[first : first + len(lines)]
    rejoined = "".join(line + end for line, end in zip(lines[:-1], its_ends, strict=False))
    return rejoined + lines[-1]

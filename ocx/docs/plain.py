"""A page as plain text: for a pipe, and if there is no man."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from ocx.docs.page import Block, Example, Heading, Page, Paragraph, Synopsis, Terms

_INDENT = " " * 4
_REFERENCE = re.compile(r"`([^`]+)`(?=\(\d\))")


def plain(page: Page, width: int = 80) -> str:
    """The page in lines of at most `width` columns, but for examples and long words."""
    width = max(40, min(width, 100))
    lines = [f"{page.name} - {page.summary}"]
    for section in page.sections:
        lines += ["", section.title]
        gap = False
        for block in section.blocks:
            lines += [*([""] if gap else []), *_block(block, width)]
            gap = not isinstance(block, Heading)
    # In running text the backticks tell what is typed; elsewhere everything is.
    return _REFERENCE.sub(r"\1", "\n".join(lines))


def _block(block: Block, width: int) -> Iterator[str]:
    match block:
        case Heading(text):
            yield _INDENT[:2] + text
        case Paragraph(text):
            yield from _wrapped(text, _INDENT, width)
        case Terms(rows):
            for term, text in rows:
                yield _INDENT + term.replace("`", "")
                yield from _wrapped(text, _INDENT * 2, width)
        case Synopsis(literal, rest):
            yield from _wrapped(f"{literal} {rest}", _INDENT, width)
        case Example(code):
            yield from (f"{_INDENT * 2}{line}".rstrip() for line in code.splitlines())


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )

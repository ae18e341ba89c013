"""The guides of `ocx help zh` and `ocx help ms`: Markdown files, and how they look as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from ocx.typography import is_break_dropped
from ocx.wrapping import wrapped

_INDENT = " " * 4


def guide_file(language: str) -> Traversable:
    return files(__package__) / f"{language}.md"


def guide(language: str, width: int) -> str:
    """The guide in lines of at most `width` columns, but for examples: they are to be copied."""
    width = max(40, min(width, 100))
    blocks = guide_file(language).read_text("utf-8").strip().split("\n\n")
    return "\n\n".join("\n".join(_lines(block, width)) for block in blocks)


def _lines(block: str, width: int) -> Iterator[str]:
    lines = block.splitlines()
    if block.startswith("```"):
        yield from (_INDENT + line for line in lines[1:-1])
    elif block.startswith("- "):
        for line in lines:
            yield from _item(line, width)
    else:
        yield from wrapped(_joined([line.lstrip("# ") for line in lines]), width)


def _item(line: str, width: int) -> Iterator[str]:
    """A code and what it means: "- `5` no credits"."""
    code, text = re.fullmatch(r"- `(\d+)` (.*)", line).groups()  # type: ignore[union-attr]
    lead = f"{code:>5}  "
    for part in wrapped(text, width - len(lead)):
        yield lead + part
        lead = " " * len(lead)


def _joined(lines: list[str]) -> str:
    text = lines[0]
    for line in lines[1:]:
        is_one = text[-1] in "，。；：" or is_break_dropped(text[-1], line[0])
        text += line if is_one else f" {line}"
    return text

"""A manual page as data, before it is roff.

Texts hold one kind of markup: what stands between backticks is typed literally.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Heading:
    """The title of what follows, inside a section."""

    text: str


@dataclass(frozen=True)
class Terms:
    """What is explained, and the explanation."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Synopsis:
    """A command line in short; what is to be typed literally comes first."""

    literal: str
    rest: str


@dataclass(frozen=True)
class Example:
    """Lines to be typed as they are."""

    code: str


Block = Heading | Paragraph | Terms | Synopsis | Example


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """`name` is that of the file without its suffix; `number` the section of the manual."""

    name: str
    number: int
    summary: str
    sections: tuple[Section, ...]

    @property
    def file(self) -> str:
        return f"{self.name}.{self.number}"


def paragraphs(text: str) -> tuple[Block, ...]:
    """One for each block of lines with an empty line after it."""
    blocks = (" ".join(block.split()) for block in text.split("\n\n"))
    return tuple(Paragraph(block) for block in blocks if block)


def section(title: str, *blocks: Block) -> Section:
    return Section(title, blocks)


def filled(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Those that have anything in them."""
    return tuple(found for found in sections if found.blocks)

"""What people write for the manual: the tables of `manual_text.toml` as blocks of a page."""

from __future__ import annotations

from typing import NamedTuple

from docs.generator.page import Block, Example, Paragraph, paragraphs
from ocx.docs import samples, texts


class Prose(NamedTuple):
    """Blocks for DESCRIPTION, EXAMPLES and NOTES; empty if nothing was written."""

    description: tuple[Block, ...] = ()
    examples: tuple[Block, ...] = ()
    notes: tuple[Block, ...] = ()


def prose(name: str) -> Prose:
    """What is written for the page `name`."""
    data = texts().get(name, {})
    blocks = ((Paragraph(sample.text), Example(sample.code)) for sample in samples(name))
    return Prose(
        paragraphs(data.get("description", "")),
        tuple(block for pair in blocks for block in pair),
        paragraphs(data.get("notes", "")),
    )

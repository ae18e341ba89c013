"""What people write for the manual and the help: `manual_text.toml`, beside what is generated."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from ocx.docs.page import Block, Example, Paragraph, paragraphs


class Prose(NamedTuple):
    """Blocks for DESCRIPTION, EXAMPLES and NOTES; empty if nothing was written."""

    description: tuple[Block, ...] = ()
    examples: tuple[Block, ...] = ()
    notes: tuple[Block, ...] = ()


class Sample(NamedTuple):
    """An example of the manual and of the help: a sentence, then the lines to type."""

    text: str
    code: str


@cache
def texts() -> dict[str, Any]:
    """The whole file, by the name of the page."""
    return tomllib.loads((files(__package__) / "manual_text.toml").read_text("utf-8"))


def prose(name: str) -> Prose:
    """What is written for the page `name`."""
    data = texts().get(name, {})
    blocks = ((Paragraph(sample.text), Example(sample.code)) for sample in samples(name))
    return Prose(
        paragraphs(data.get("description", "")),
        tuple(block for pair in blocks for block in pair),
        paragraphs(data.get("notes", "")),
    )


def samples(name: str) -> list[Sample]:
    """The examples of the page `name`."""
    rows = texts().get(name, {}).get("examples", ())
    return [Sample(" ".join(row["text"].split()), row["code"].strip("\n")) for row in rows]

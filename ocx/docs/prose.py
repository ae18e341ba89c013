"""What people write for the manual: `text/NAME.toml`, one file a page, beside what is generated."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from ocx.docs.page import Block, Example, Paragraph, paragraphs

_FOLDER = Path(__file__).with_name("text")


class Prose(NamedTuple):
    """Blocks for DESCRIPTION, EXAMPLES, FILES… ; empty where nothing was written."""

    description: tuple[Block, ...] = ()
    examples: tuple[Block, ...] = ()
    notes: tuple[Block, ...] = ()


def prose(name: str) -> Prose:
    """What is written for the page `name`."""
    path = _FOLDER / f"{name}.toml"
    if not path.is_file():
        return Prose()
    data = tomllib.loads(path.read_text("utf-8"))
    return Prose(
        paragraphs(data.get("description", "")),
        tuple(block for row in data.get("examples", ()) for block in _example(row)),
        paragraphs(data.get("notes", "")),
    )


def _example(row: dict[str, str]) -> tuple[Block, ...]:
    return (Paragraph(" ".join(row["text"].split())), Example(row["code"].strip("\n")))

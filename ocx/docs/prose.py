"""What people write for the manual, beside what is generated: a table a page in one file."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ocx.docs.page import Block, Example, Paragraph, paragraphs

_FILE = Path(__file__).with_name("manual_text.toml")


class Prose(NamedTuple):
    """Blocks for DESCRIPTION, EXAMPLES and NOTES; empty if nothing was written."""

    description: tuple[Block, ...] = ()
    examples: tuple[Block, ...] = ()
    notes: tuple[Block, ...] = ()


def prose(name: str) -> Prose:
    """What is written for the page `name`."""
    data = texts().get(name, {})
    return Prose(
        paragraphs(data.get("description", "")),
        tuple(block for row in data.get("examples", ()) for block in _example(row)),
        paragraphs(data.get("notes", "")),
    )


@cache
def texts() -> dict[str, dict[str, Any]]:
    """Every page's `description`, `examples` (each `text` and `code`) and `notes`, by its name."""
    return tomllib.loads(_FILE.read_text("utf-8"))


def _example(row: dict[str, str]) -> tuple[Block, ...]:
    return (Paragraph(" ".join(row["text"].split())), Example(row["code"].strip("\n")))

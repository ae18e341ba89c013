"""What people write for the help and the manual: `manual_text.toml`, beside what is generated."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from ocx.config.schema import SETTINGS


class Sample(NamedTuple):
    """An example of the manual and of the help: a sentence, then the lines to type."""

    text: str
    code: str


@cache
def texts() -> dict[str, Any]:
    """The whole file, by the name of the page."""
    return tomllib.loads((files(__package__) / "manual_text.toml").read_text("utf-8"))


def environment() -> list[tuple[str, str]]:
    """The variables of the environment, with what they mean."""
    found: list[tuple[str, str]] = []
    for name, text in texts()["environment"].items():
        if name == "SETTINGS":
            found += [(each.variable, each.help) for each in SETTINGS if each.variable]
        else:
            found.append((name, text))
    return found


def samples(name: str) -> list[Sample]:
    """The examples of the page `name`."""
    rows = texts().get(name, {}).get("examples", ())
    return [Sample(" ".join(row["text"].split()), row["code"].strip("\n")) for row in rows]

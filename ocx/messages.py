"""What stands on stderr for a person: coloured by its kind, and wrapped between words."""

from __future__ import annotations

import re

from ocx.typography import cells
from ocx.wrapping import wrapped

_COLORS = {"error: ": "31", "warning: ": "33"}
_DIM = ("hint: ", "usage: ", "cost: ", "request id: ")
_LABEL = re.compile(r" *(?:ocx: |hint: |usage: |cost: )?")
# A name and the gap before what is said of it, as in a list of commands.
_NAME = re.compile(r" *\S+(?: \S+)* {2,}(?=\S)")
_LEAST = 20  # columns for the text, whatever stands before it


def for_person(text: str, width: int | None, *, color: bool) -> str:
    """A message as a terminal shows it.

    A line goes on below its text; a word that is longer than a line, as a URL, is left whole.

    Args:
        width: columns of the terminal; None if nothing is to be wrapped.
    """
    return "\n".join(_shown(line, width, color=color) for line in text.split("\n"))


def _shown(line: str, width: int | None, *, color: bool) -> str:
    lines = [line] if width is None or cells(line) <= width else _wrapped(line, width)
    if not color:
        return "\n".join(lines)
    if line.startswith(_DIM):
        return "\n".join(f"\x1b[2m{each}\x1b[0m" for each in lines)
    first = lines[0]
    for word, code in _COLORS.items():
        if first.startswith(f"ocx: {word}"):
            first = f"ocx: \x1b[{code}m{word.strip()}\x1b[0m {first[len('ocx: ' + word) :]}"
    return "\n".join([first, *lines[1:]])


def _wrapped(line: str, width: int) -> list[str]:
    found = _NAME.match(line[: width // 2]) or _LABEL.match(line)
    head = found.group() if found and width - found.end() >= _LEAST else ""
    first, *rest = wrapped(line[len(head) :], width - cells(head), fold=False)
    indent = " " * cells(head)
    return [head + first, *(indent + each for each in rest)]

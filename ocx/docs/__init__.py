"""What people write for the help and the manual, `manual_text.toml`; and the viewer of `ocx help`.

The viewer shows the manual, the guides and the tables as plain text.
"""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from ocx.config.schema import SETTINGS
from ocx.errors import exit_code_table


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


_INDENT = " " * 4
# What `docs/generator/roff.py` writes: a macro, its argument, and the lines up to the next one.
_MACRO = re.compile(r'^\.([A-Z]+|br) ?"?([^"\n]*)"?\n((?:(?!\.).*\n)*)', re.MULTILINE)
_ESCAPE = re.compile(r"\\(?:\[u([0-9A-F]+)\]|\(..|f.|.)")
_CHARACTERS = {
    r"\e": "\\",
    r"\-": "-",
    r"\&": "",
    r"\(aq": "'",
    r"\(ga": "`",
    r"\(ha": "^",
    r"\(ti": "~",
    r"\(dq": '"',
    r"\fB": "`",
    r"\fR": "`",
}
_REFERENCE = re.compile(r"`([^`]+)`(?=\(\d\))")


def shipped(name: str) -> Traversable:
    """A file for the whole program, by its path in the repository: `man/ocx.1`, `docs/zh.md`.

    An installed package has it in its folder `share`, a checkout at its top.
    """
    inside = files("ocx") / "share" / name
    return inside if inside.is_file() else Path(__file__).parents[2] / name


def page_text(roff: str, width: int) -> str:
    """A page of the manual in lines of at most `width` columns, but for examples and long words.

    In sentences, what is typed literally stands between backticks.
    """
    width = max(40, min(width, 100))
    (_, _, name), *blocks = _MACRO.findall(roff)
    lines = [_unescaped(name)]
    section, before, gap = "", "", False
    for macro, argument, body in blocks:
        if macro == "SH":
            section, gap = argument, False
            lines += ["", section]
        elif macro == "SS":
            lines += [*([""] if gap else []), "  " + _unescaped(argument)]
            gap = False
        if body:
            lines += [""] if gap and (macro, before) != ("TP", "TP") else []
            lines += _block(macro, section, body, width)
            gap = True
        before = macro
    return _REFERENCE.sub(r"\1", "\n".join(lines))


def _block(macro: str, section: str, body: str, width: int) -> Iterator[str]:
    if macro == "EX":
        for line in body.splitlines():
            yield (_INDENT * 2 + _unescaped(line)).rstrip()
        return
    indent = _INDENT
    if macro == "TP":
        term, _, body = body.partition("\n")
        yield _INDENT + _unescaped(term).replace("`", "")
        indent *= 2
    text = _unescaped(body)
    text = text.replace("`", "") if section == "SYNOPSIS" else text
    yield from wrapped_words(text, width, indent, indent)


def wrapped_words(text: str, width: int, first: str, indent: str) -> list[str]:
    """The lines of `text` behind `first`, then `indent`; words are never broken."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _unescaped(roff: str) -> str:
    """The text of lines of roff, what is bold in them between backticks."""
    return _ESCAPE.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else _CHARACTERS[found[0]],
        roff.rstrip("\n").replace("\n", " "),
    )


def guide(language: str, width: int) -> str:
    """The guide in lines of at most `width` columns, but for examples: they are to be copied."""
    width = max(40, min(width, 100))
    blocks = shipped(f"docs/{language}.md").read_text("utf-8").strip().split("\n\n")
    return "\n\n".join("\n".join(_guide_lines(block, width)) for block in blocks)


def _guide_lines(block: str, width: int) -> Iterator[str]:
    from ocx.typography import is_break_dropped  # not for `--help`
    from ocx.wrapping import wrapped

    lines = block.splitlines()
    if block.startswith("```"):
        yield from (_INDENT + line for line in lines[1:-1])
    elif block.startswith("- "):
        for code, text in re.findall(r"- `(\d+)` (.*)", block):
            first, *rest = wrapped(text, width - len("    5  "))
            yield f"{code:>5}  {first}"
            yield from (" " * len("    5  ") + line for line in rest)
    else:
        text = ""
        for line in (line.lstrip("# ") for line in lines):
            joined = not text or text[-1] in "，。；：" or is_break_dropped(text[-1], line[0])
            text += line if joined else f" {line}"
        yield from wrapped(text, width)


def exit_codes() -> str:
    """The exit codes as text: code, name, whether a retry helps, meaning."""
    rows = [
        f"{code:>4}  {name:<15}{meaning}" + (f" (retry helps: {retry})" if retry else "")
        for code, name, meaning, retry in exit_code_table()
    ]
    return "Exit codes of ocx\n\n" + "\n".join(rows)


def environment_text() -> str:
    """The environment variables that ocx reads."""
    indent = " " * 6
    rows = [
        f"  {name}\n" + textwrap.fill(text, 80, initial_indent=indent, subsequent_indent=indent)
        for name, text in environment()
    ]
    return "Environment of ocx\n\n" + "\n".join(rows)

"""The text of `--help`: what the command tree and the written examples say, in few lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from ocx.docs.prose import Sample
from ocx.docs.tree import Command, Option, by_heading

EXAMPLES = 3
_SHARED = "Options that every command knows: see `ocx --help`."
_LONGEST_TERM = 22
"""A longer one has a line of its own, so that it does not narrow all the explanations."""

# Where no line is broken; textwrap knows only ASCII's spaces.
_FIXED_SPACE = "\u00a0"

_HEADING = re.compile(r"^(?:Usage:|\S.*:$)", re.MULTILINE)

Rows = list[tuple[str, str]]


def help_text(
    command: Command, examples: Sequence[Sample], width: int, *, color: bool = False
) -> str:
    """The help of one command in lines of at most `width` columns, but for long words."""
    root = len(command.path) == 1
    sections = {
        "Arguments": [(each.place, each.help) for each in command.arguments],
        **{
            heading: [(_flags(option), _meaning(option)) for option in options]
            for heading, options in by_heading(command.options if root else command.own()).items()
        },
    }
    column = _column(row for rows in sections.values() for row in rows)
    lines = [*_usage(command, width), *_description(command, width)]
    if root:  # a newcomer reads the beginning, or, on a small screen, scrolls up to it
        lines += _examples(examples, width)
    lines += _commands(command, width)
    for title, rows in sections.items():
        lines += _section(title, rows, column, width)
    if not root:
        lines += ["", *_wrapped(_SHARED, width, "", ""), *_examples(examples, width)]
    return _joined(lines, color=color)


def short_help(
    command: Command, examples: Sequence[Sample], width: int, *, color: bool = False
) -> str:
    """What a group without a command is answered with: it fits on a screen of 24 lines."""
    lines = [*_usage(command, width), "", "Examples:"]
    lines += [f"  {sample.code.splitlines()[0]}" for sample in examples[:EXAMPLES]]
    lines += [*_commands(command, width), "", f"More: `{command.title} --help`"]
    return _joined(lines, color=color)


def _joined(lines: Iterable[str], *, color: bool) -> str:
    text = "\n".join(lines).replace(_FIXED_SPACE, " ") + "\n"
    return _HEADING.sub("\x1b[1m\\g<0>\x1b[0m", text) if color else text


def _commands(command: Command, width: int) -> list[str]:
    rows = [(below.name, below.summary) for below in command.commands]
    return _section("Commands", rows, _column(rows), width)


def _column(rows: Iterable[tuple[str, str]]) -> int:
    return max((len(term) for term, _ in rows if len(term) <= _LONGEST_TERM), default=0)


def _section(title: str, rows: Rows, column: int, width: int) -> list[str]:
    return ["", f"{title}:", *_rows(rows, column, width)] if rows else []


def _usage(command: Command, width: int) -> Iterator[str]:
    lead = "Usage: "
    for rest in command.synopses():
        start = f"{lead}{command.title} "
        yield from _wrapped(rest, width, start, " " * len(start))
        lead = " " * len(lead)


def _description(command: Command, width: int) -> Iterator[str]:
    for text in (command.summary, *command.text.split("\n\n")):
        if text:
            yield ""
            yield from _wrapped(" ".join(text.split()), width, "  ", "  ")


def _rows(rows: Rows, column: int, width: int) -> Iterator[str]:
    indent = " " * (column + 4)
    for term, text in rows:
        if len(term) > column:
            yield from _broken_at_bars(term, width)
            yield from _wrapped(text, width, indent, indent)
        else:
            yield from _wrapped(text, width, f"  {term:<{column}}  ", indent)


def _broken_at_bars(term: str, width: int) -> Iterator[str]:
    """An option whose values do not fit on one line goes on after a `|`."""
    line = "  "
    for piece in re.split(r"(?<=\|)", term):
        if len(line + piece) > width and line.strip():
            yield line
            line = "      "
        line += piece
    yield line


def _flags(option: Option) -> str:
    value = f" {option.metavar}" if option.metavar else ""
    on, off = (", ".join(sorted(flags, key=len)) for flags in (option.flags, option.off))
    return " / ".join(filter(None, (on, off))) + value


def _meaning(option: Option) -> str:
    limits = option.limits.replace(" ", _FIXED_SPACE).replace(f";{_FIXED_SPACE}", "; ")
    return f"{option.help} [{limits}]" if limits else option.help


def _examples(examples: Sequence[Sample], width: int) -> Iterator[str]:
    """The first few; each sentence is a comment of the shell, so that all of it can be pasted."""
    if examples:
        yield from ("", "Examples:")
    for n, sample in enumerate(examples[:EXAMPLES]):
        if n:
            yield ""
        yield from _wrapped(sample.text.rstrip(":."), width, "  # ", "  # ")
        yield from (f"  {line}" for line in sample.code.splitlines())


def _wrapped(text: str, width: int, first: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )

"""The text of `--help`: what the command tree and the written examples say, in few lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ocx.cli.parameters import SHARED
from ocx.cli.typer_internals import Parameter, parameters
from ocx.docs import Sample, samples, wrapped_words

EXAMPLES = 3
_SHARED = "Options that every command knows: see `ocx --help`."
_LONGEST_TERM = 22
"""A longer one has a line of its own, so that it does not narrow all the explanations."""

# Where no line is broken; textwrap knows only ASCII's spaces.
_FIXED_SPACE = "\u00a0"

_HEADING = re.compile(r"^(?:Usage:|\S.*:$)", re.MULTILINE)

Rows = list[tuple[str, str]]


# The parser adds it by itself, so that it is no parameter of any command.
_HELP = Parameter(
    "help", ("--help", "-h"), (), "Show help and exit.", None, False, False, "Help and version"
)


@dataclass(frozen=True)
class Command:
    """A command or a group; `path` starts with `ocx`, `summary` is one line, `text` the rest.

    Attributes:
        bare: it runs without one of its commands; true for whatever has none.
    """

    path: tuple[str, ...]
    summary: str
    text: str = ""
    options: tuple[Parameter, ...] = ()
    arguments: tuple[Parameter, ...] = ()
    commands: tuple[Command, ...] = ()
    bare: bool = True

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def title(self) -> str:
        return " ".join(self.path)

    @property
    def own(self) -> tuple[Parameter, ...]:
        """The options that not every command knows."""
        return tuple(each for each in self.options if each.name not in (*SHARED, "help"))

    @property
    def shown(self) -> dict[str, list[Parameter]]:
        """The options under their headings; the shared ones are shown by the root alone."""
        groups: dict[str, list[Parameter]] = {}
        for option in self.options if len(self.path) == 1 else self.own:
            groups.setdefault(option.heading, []).append(option)
        return groups

    def synopses(self) -> list[str]:
        """What may follow its title on a command line."""
        lines = []
        if self.bare:
            lines.append(" ".join(["[OPTION]...", *(each.place for each in self.arguments)]))
        if self.commands:
            lines.append("[OPTION]... COMMAND [ARGUMENT]...")
        return lines


def described(command: Any, path: tuple[str, ...], below: Sequence[Command]) -> Command:
    """One command object of Typer as data; nothing of what is `below` is imported."""
    summary, _, text = (command.help or "").strip().partition("\n\n")
    known = parameters(command)
    return Command(
        path,
        " ".join(summary.split()),
        text.strip(),
        (*(each for each in known if each.flags), _HELP),
        tuple(each for each in known if not each.flags),
        tuple(below),
        not below or command.invoke_without_command,
    )


def help_text(command: Command, width: int, *, color: bool = False) -> str:
    """The help of one command in lines of at most `width` columns, but for long words."""
    sections = {"Arguments": [(each.place, each.help) for each in command.arguments]}
    for heading, options in command.shown.items():
        sections[heading] = [(_flags(option), _meaning(option)) for option in options]
    column = _column(row for rows in sections.values() for row in rows)
    lines = [*_usage(command, width), *_description(command, width)]
    is_root = len(command.path) == 1
    if is_root:  # a newcomer reads the beginning, or, on a small screen, scrolls up to it
        lines += _examples(command, width)
    lines += _commands(command, width)
    for title, rows in sections.items():
        lines += _section(title, rows, column, width)
    if not is_root:
        lines += ["", *wrapped_words(_SHARED, width, "", ""), *_examples(command, width)]
    return _joined(lines, color=color)


def short_help(command: Command, width: int, *, color: bool = False) -> str:
    """What a group without a command is answered with: 24 lines with the prompt after it."""
    lines = [*_usage(command, width), "", "Examples:"]
    lines += [f"  {sample.code.splitlines()[0]}" for sample in _samples(command)]
    lines += [*_commands(command, width), f"More: `{command.title} --help`"]
    return _joined(lines, color=color)


def _joined(lines: Iterable[str], *, color: bool) -> str:
    text = "\n".join(lines).replace(_FIXED_SPACE, " ") + "\n"
    return _HEADING.sub("\x1b[1m\\g<0>\x1b[0m", text) if color else text


def _usage(command: Command, width: int) -> Iterator[str]:
    lead = "Usage: "
    for rest in command.synopses():
        start = f"{lead}{command.title} "
        yield from wrapped_words(rest, width, start, " " * len(start))
        lead = " " * len(lead)


def _description(command: Command, width: int) -> Iterator[str]:
    for text in filter(None, (command.summary, *command.text.split("\n\n"))):
        yield from ("", *wrapped_words(" ".join(text.split()), width, "  ", "  "))


def _commands(command: Command, width: int) -> Iterator[str]:
    rows = [(below.name, below.summary) for below in command.commands]
    return _section("Commands", rows, _column(rows), width)


def _column(rows: Iterable[tuple[str, str]]) -> int:
    return max((len(term) for term, _ in rows if len(term) <= _LONGEST_TERM), default=0)


def _section(title: str, rows: Rows, column: int, width: int) -> Iterator[str]:
    if rows:
        yield from ("", f"{title}:")
    indent = " " * (column + 4)
    for term, text in rows:
        first = f"  {term:<{column}}  "
        if len(term) > column:
            yield from _broken_at_bars(term, width)
            first = indent
        yield from wrapped_words(text, width, first, indent)


def _broken_at_bars(term: str, width: int) -> Iterator[str]:
    """An option whose values do not fit on one line goes on after a `|`."""
    line = "  "
    for piece in re.split(r"(?<=\|)", term):
        if len(line + piece) > width and line.strip():
            yield line
            line = "      "
        line += piece
    yield line


def _flags(option: Parameter) -> str:
    on, off = (", ".join(sorted(flags, key=len)) for flags in (option.flags, option.off))
    return " / ".join(filter(None, (on, off))) + (f" {option.metavar}" if option.metavar else "")


def _meaning(option: Parameter) -> str:
    limits = "; ".join(each.replace(" ", _FIXED_SPACE) for each in option.limits)
    return f"{option.help} [{limits}]" if limits else option.help


def _samples(command: Command) -> list[Sample]:
    """The first few, which stand in the help."""
    return samples("-".join(command.path))[:EXAMPLES]


def _examples(command: Command, width: int) -> Iterator[str]:
    """Each sentence is a comment of the shell, so that all of it can be pasted."""
    lead: tuple[str, ...] = ("", "Examples:")
    for sample in _samples(command):
        yield from lead
        yield from wrapped_words(sample.text.rstrip(":."), width, "  # ", "  # ")
        yield from (f"  {line}" for line in sample.code.splitlines())
        lead = ("",)

"""What an option is, and a group of options: declared once, whoever reads the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple


class Option(NamedTuple):
    """One option as the command line shows it.

    Attributes:
        usage: its flags and what its value is called, as in a manual: `--model -m ID`. `a|b` lists
            the values there are; `--on/--off` is a switch with both forms, `/-n` a short one of
            the second; without a flag it is the command's argument.
    """

    usage: str
    help: str
    minimum: int | None = None
    maximum: int | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(word for word in self.usage.split() if word[0] in "-/")

    @property
    def metavar(self) -> str | None:
        last = self.usage.split()[-1]
        return None if last[0] in "-/" else last


@dataclass(frozen=True)
class OptionGroup:
    """Options under one heading of the help. A tuple of texts is a repeatable option."""

    heading: ClassVar[str]

    def check(self, *, json: bool) -> None:
        """Raise UsageError for options that exclude each other, or --json."""


Text = str | None
Texts = tuple[str, ...]
Switch = bool | None
"""None of these, or an empty tuple, if the option was not given."""

"""Options, and groups of them: each is declared once, and knows nothing of Typer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar, NamedTuple

from ocx.record import record


class Option(NamedTuple):
    """One option, or the argument, of a command as the command line shows it.

    Attributes:
        usage: its flags and what its value is called, as in a manual: `--model -m ID`. `a|b` lists
            the values there are; `--on/--off` is a switch with both forms, `/-n` a short one of
            the second; without a flag it is an argument.
        heading: what it stands under in the help, if it is of no group.
        convert: makes a text what it is stored as.
    """

    usage: str
    help: str
    minimum: int | None = None
    maximum: int | None = None
    heading: str | None = None
    convert: Callable[[str], str] | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(word for word in self.usage.split() if word[0] in "-/" and word != "--")

    @property
    def metavar(self) -> str | None:
        if not self.flags:
            return self.usage
        last = self.usage.split()[-1]
        return None if last in self.flags else last


def option(
    usage: str,
    help: str,
    default: Any = None,
    minimum: int | None = None,
    maximum: int | None = None,
    *,
    heading: str | None = None,
) -> Any:
    """The default of a command's parameter or of a group's field: the option and its own default.

    A parameter that must be given is `Annotated[TYPE, Option(…)]`.
    """
    declared = Option(usage, help, minimum, maximum, heading)
    return field(default=default, metadata={"option": declared})


@record
class OptionGroup:
    """Options under one heading of the help, or several such groups.

    A tuple of texts is a repeatable option; a group in a group is made by its `default_factory`.
    """

    heading: ClassVar[str] = ""

    def check(self, *, json: bool) -> None:
        """Raise UsageError if options of this group exclude each other or do not go with --json."""


Text = str | None
Texts = tuple[str, ...]
Switch = bool | None
"""None of these, or an empty tuple, if the option was not given."""

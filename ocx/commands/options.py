"""Groups of options as the parameters that Typer reads, and back again."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, get_type_hints

import typer

from ocx.call.options import Option, OptionGroup, Texts


def is_group(annotation: Any) -> bool:
    """Whether a command's parameter stands for a group of options."""
    return isinstance(annotation, type) and issubclass(annotation, OptionGroup)


def parameters(group: type[OptionGroup]) -> list[inspect.Parameter]:
    """One parameter for each field of a group, under the group's heading."""
    hints = get_type_hints(group, include_extras=True)
    return [
        _parameter(field.name, hints[field.name], field.default, group.heading)
        for field in fields(group)
    ]


def filled(group: type[OptionGroup], given: Mapping[str, Any], *, json: bool) -> OptionGroup:
    """The group with the values that the parser found.

    Raises:
        UsageError: two of them exclude each other.
    """
    values = {
        field.name: tuple(given[field.name] or ()) if field.default == () else given[field.name]
        for field in fields(group)
    }
    made = group(**values)
    made.check(json=json)
    return made


def _parameter(name: str, hint: Any, default: Any, heading: str) -> inspect.Parameter:
    kind, declared = hint.__origin__, hint.__metadata__[0]
    if kind == Texts:  # Typer repeats lists
        kind, default = list[str] | None, None
    annotation: Any = Annotated[kind, _declaration(declared, heading)]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _declaration(declared: Option, heading: str) -> Any:
    texts: dict[str, Any] = {
        "help": declared.help,
        "metavar": declared.metavar,
        "rich_help_panel": heading,
        "min": declared.minimum,
        "max": declared.maximum,
    }
    if not declared.flags:
        return typer.Argument(show_default=False, **texts)
    # The parser tells `/-n`, the short form of a --no-flag, by the space before it.
    flags = [f" {flag}" if flag.startswith("/") else flag for flag in declared.flags]
    return typer.Option(*flags, **texts)

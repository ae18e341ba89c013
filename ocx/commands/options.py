"""Options that several commands share, and option groups as the parameters that Typer reads."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ocx.config.values import composed

if TYPE_CHECKING:
    from ocx.option_groups import Option, OptionGroup

FILTERS = "Filters"
"""A heading of the help, as all that `rich_help_panel` names; without one it is "Options"."""

KeyName = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of the key.", callback=composed)
]
SettingName = Annotated[
    str, typer.Argument(metavar="NAME", help="A setting, or headers.X, or aliases.X.")
]
TemplateName = Annotated[str, typer.Argument(help="The template's name.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Db = Annotated[
    Path | None, typer.Option("--db", help="Ledger instead of the default one.", metavar="FILE")
]
AccountName = Annotated[
    str, typer.Option("--account", help="Account, made if missing.", metavar="NAME")
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="From this date (2026-01-31), or age (7d) on.",
        metavar="TIME",
        rich_help_panel=FILTERS,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", help="Before this date or age.", metavar="TIME", rich_help_panel=FILTERS
    ),
]
OfModel = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Only calls to this model.", metavar="ID", rich_help_panel=FILTERS
    ),
]
Talk = Annotated[
    str | None,
    typer.Option(
        "--conversation",
        help="Only this conversation: its name or id.",
        metavar="NAME",
        rich_help_panel=FILTERS,
    ),
]
Limit = Annotated[
    int,
    typer.Option("--limit", help="How many at most.", min=1, metavar="N", rich_help_panel=FILTERS),
]


def is_group(annotation: Any) -> bool:
    """Whether a command's parameter stands for a group of options."""
    # Not issubclass: most commands have no group, and need not import what one is.
    return isinstance(annotation, type) and hasattr(annotation, "heading")


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
    if kind == tuple[str, ...]:  # Typer repeats lists
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

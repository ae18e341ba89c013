"""The options of a command as Typer reads them, and what the command is handed when it runs."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import Field, fields, replace
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, get_origin, get_type_hints

import typer

from ocx.cli import Option
from ocx.context import Context
from ocx.errors import OcxWarning, UsageError

if TYPE_CHECKING:
    from ocx.cli import OptionGroup

_PYTHON_SHOWS = warnings.showwarning
_ENDPOINT, _OUTPUT, _NETWORK = "Endpoint and key", "Output", "Network"

SHARED = {
    usage.split()[0].removeprefix("--").replace("-", "_"): (
        kind,
        Option(usage, text, heading=heading),
    )
    for heading, kind, usage, text in (
        (_ENDPOINT, str, "--profile -P NAME", "Use this profile of the config file."),
        (_ENDPOINT, bool, "--sandbox", "Use the built-in offline server and its credits."),
        (_ENDPOINT, str, "--base-url URL", "Endpoint to use instead of the profile's."),
        (_ENDPOINT, str, "--key-file FILE", "Read the key from this file, or - for stdin."),
        (_ENDPOINT, list[str], "--header -H NAME:VALUE", "Add a request header (repeatable)."),
        (_OUTPUT, bool, "--json", "Print JSON; errors too, on stderr."),
        (_OUTPUT, str, "--color auto|always|never", "Colour on both streams."),
        (_OUTPUT, bool, "--quiet -q", "Nothing on stderr but errors."),
        (_OUTPUT, bool, "--debug", "Show requests, retries and tracebacks on stderr."),
        (_NETWORK, float, "--timeout SECONDS", "Seconds for the whole call, retries included."),
        (_NETWORK, int, "--retries N", "How often a failed request is tried again."),
        (_NETWORK, str, "--proxy URL", "Proxy to use instead of the environment's."),
        (_NETWORK, str, "--ca-bundle FILE", "File with the CA certificates to trust."),
    )
}
"""The options that every command knows, by the names they have in `Context.flags`."""
VALUE_FLAGS = frozenset(
    flag for _, option in SHARED.values() if option.metavar for flag in option.flags
)

Command = Callable[..., None]


def with_options(command: Command, *, hidden: bool = True) -> Command:
    """`command` as Typer is to see it: options instead of its groups and its `Context`."""
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    # Not issubclass: what a group is made of is imported by those who have one.
    groups = {p.name: p.annotation for p in own if hasattr(p.annotation, "heading")}
    words: list[inspect.Parameter] = []
    for each in own:
        if each.name in groups:
            words += _group_parameters(each.annotation)
        else:
            words.append(_parameter(each.name, each.annotation, each.default))
    taken = {parameter.name for parameter in words}
    words += [
        _parameter(name, Annotated[kind | None, option], None, hidden=hidden)
        for name, (kind, option) in SHARED.items()
        if name not in taken
    ]

    @functools.wraps(command)
    def run(ctx: typer.Context, **given: Any) -> None:
        if ctx.invoked_subcommand is not None:
            return  # a group's own command, called on the way to the one below it
        context = replace(ctx.obj, flags=_merged_flags(ctx))
        warnings.showwarning = functools.partial(_show, context)
        values = {p.name: _value(given.get(p.name), p.default) for p in own}
        for name, group in groups.items():
            values[name] = _filled(group, given, json=context.json)
        command(context, **values)

    context = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    every = [context, *words]
    # Where inspect looks first (PEP 362), though the type of a function does not declare it.
    run.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in every}
    return run


def _group_parameters(group: type[OptionGroup]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for each in fields(group):
        hint = hints[each.name]
        if hasattr(hint, "heading"):
            yield from _group_parameters(hint)
        else:
            yield _parameter(each.name, hint, each, group.heading)


def _parameter(
    name: str, annotation: Any, default: Any, heading: str | None = None, *, hidden: bool = False
) -> inspect.Parameter:
    """The parameter that Typer reads: repeatable ones are lists there, tuples with us.

    Args:
        default: as declared, maybe by `option`.
    """
    if isinstance(default, Field):
        if default.metadata:
            annotation = Annotated[annotation, default.metadata["option"]]
        default = default.default
    if isinstance(option := getattr(annotation, "__metadata__", (None,))[0], Option):
        kind = annotation.__origin__
        if get_origin(kind) is tuple:
            kind = GenericAlias(list, kind.__args__[:1])
            if default == ():
                kind, default = kind | None, None
        annotation = Annotated[kind, _declaration(option, heading or option.heading, hidden)]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _declaration(option: Option, heading: str | None, hidden: bool) -> Any:
    texts: dict[str, Any] = {
        "help": option.help,
        "metavar": option.metavar,
        "rich_help_panel": heading,
        "min": option.minimum,
        "max": option.maximum,
        "callback": option.convert,
        "hidden": hidden,
    }
    if not option.flags:
        return typer.Argument(**texts)
    # The parser tells `/-n`, the short form of a --no-flag, by the space before it.
    flags = [f" {flag}" if flag.startswith("/") else flag for flag in option.flags]
    return typer.Option(*flags, **texts)


def _filled(group: type[OptionGroup], given: dict[str, Any], *, json: bool) -> OptionGroup:
    """The group with the values that the parser found.

    Raises:
        UsageError: two of them exclude each other.
    """
    values: dict[str, Any] = {}
    for each in fields(group):
        inner: Any = each.default_factory
        if hasattr(inner, "heading"):
            values[each.name] = _filled(inner, given, json=json)
        else:
            values[each.name] = _value(given[each.name], each)
    made = group(**values)
    made.check(json=json)
    return made


def _value(given: Any, default: Any) -> Any:
    default = default.default if isinstance(default, Field) else default
    return tuple(given or ()) if default == () or isinstance(given, list) else given


def _show(ctx: Context, message: Warning | str, category: type[Warning], *place: Any) -> None:
    """A warning from below, which knows no `Context`, in the form of all others."""
    if issubclass(category, OcxWarning):
        ctx.warn(str(message))
    else:
        _PYTHON_SHOWS(message, category, *place)


def _merged_flags(ctx: typer.Context) -> dict[str, Any]:
    """Outermost first, so that the last one given wins; headers add up.

    Raises:
        UsageError: there is no such --color.
    """
    contexts = [ctx]
    while (parent := contexts[-1].parent) is not None:
        # Typed as the class below typer.Context, whose name is private; its params are the same.
        contexts.append(parent)  # type: ignore[arg-type]
    flags: dict[str, Any] = {}
    for level in reversed(contexts):
        for name in SHARED:
            value = level.params.get(name)
            if value is None or value == []:
                continue
            flags[name] = [*flags.get(name, ()), *value] if name == "header" else value
    if flags.get("color", "auto") not in {"always", "never", "auto"}:
        raise UsageError("--color takes always, never or auto")
    return flags

"""The options of commands as Typer reads them, and what a command is handed when it runs."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import typer

from ocx.config.paths import serve_database
from ocx.config.values import composed
from ocx.errors import OcxWarning, UsageError
from ocx.runtime import Runtime
from ocx.terminal import Terminal

if TYPE_CHECKING:
    from ocx.api import Client
    from ocx.cli.options import Option, OptionGroup

_PYTHON_SHOWS = warnings.showwarning
_ENDPOINT, _OUTPUT, _NETWORK = "Endpoint and key", "Output", "Network"


class _Shared(NamedTuple):
    kind: Any
    flags: tuple[str, ...]
    help: str
    metavar: str | None
    heading: str


_OPTIONS: dict[str, _Shared] = {
    "profile": _Shared(
        str, ("--profile", "-P"), "Use this profile of the config file.", "NAME", _ENDPOINT
    ),
    "sandbox": _Shared(
        bool, ("--sandbox",), "Use the built-in offline server and its credits.", None, _ENDPOINT
    ),
    "base_url": _Shared(
        str, ("--base-url",), "Endpoint to use instead of the profile's.", "URL", _ENDPOINT
    ),
    "key_file": _Shared(
        str, ("--key-file",), "Read the key from this file, or - for stdin.", "FILE", _ENDPOINT
    ),
    "header": _Shared(
        list[str], ("--header", "-H"), "Add a request header (repeatable).", "NAME:VALUE", _ENDPOINT
    ),
    "json": _Shared(bool, ("--json",), "Print JSON; errors too, on stderr.", None, _OUTPUT),
    "color": _Shared(str, ("--color",), "Colour on both streams.", "auto|always|never", _OUTPUT),
    "quiet": _Shared(bool, ("--quiet", "-q"), "Nothing on stderr but errors.", None, _OUTPUT),
    "debug": _Shared(
        bool, ("--debug",), "Show requests, retries and tracebacks on stderr.", None, _OUTPUT
    ),
    "timeout": _Shared(
        float, ("--timeout",), "Seconds for the whole call, retries included.", "SECONDS", _NETWORK
    ),
    "retries": _Shared(
        int, ("--retries",), "How often a failed request is tried again.", "N", _NETWORK
    ),
    "proxy": _Shared(
        str, ("--proxy",), "Proxy to use instead of the environment's.", "URL", _NETWORK
    ),
    "ca_bundle": _Shared(
        str, ("--ca-bundle",), "File with the CA certificates to trust.", "FILE", _NETWORK
    ),
}
SHARED_NAMES = tuple(_OPTIONS)
VALUE_FLAGS = frozenset(
    flag for each in _OPTIONS.values() if each.kind is not bool for flag in each.flags
)


def _shared_parameter(name: str, hidden: bool) -> inspect.Parameter:
    shared = _OPTIONS[name]
    option = typer.Option(
        *shared.flags,
        help=shared.help,
        metavar=shared.metavar,
        hidden=hidden,
        show_default=False,
        rich_help_panel=shared.heading,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[shared.kind | None, option],
    )


Command = Callable[..., None]


def with_options(command: Command, *, hidden: bool = True) -> Command:
    """`command` as Typer is to see it: options instead of its groups and its `Runtime`."""
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    groups = {p.name: p.annotation for p in own if is_group(p.annotation)}
    words = [p.replace(kind=p.KEYWORD_ONLY) for p in own if p.name not in groups]
    words += [parameter for group in groups.values() for parameter in parameters(group)]
    taken = {parameter.name for parameter in words}
    context = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    extra = [_shared_parameter(name, hidden) for name in SHARED_NAMES if name not in taken]

    @functools.wraps(command)
    def run(ctx: typer.Context, **given: Any) -> None:
        if ctx.invoked_subcommand is not None:
            return  # a group's own command, called on the way to the one below it
        runtime = _runtime(ctx)
        warnings.showwarning = functools.partial(_show, runtime)
        values = {name: filled(group, given, json=runtime.json) for name, group in groups.items()}
        command(runtime, **{p.name: values.get(p.name, given.get(p.name)) for p in own})

    every = [context, *words, *extra]
    # Where inspect looks first (PEP 362), though the type of a function does not declare it.
    run.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in every}
    return run


def _show(run: Runtime, message: Warning | str, category: type[Warning], *place: Any) -> None:
    """A warning from below, which knows no `Runtime`, in the form of all others."""
    if issubclass(category, OcxWarning):
        run.warn(str(message))
    else:
        _PYTHON_SHOWS(message, category, *place)


def runtime_of(ctx: typer.Context) -> Runtime:
    """What `main` handed down, or the process itself under typer.testing."""
    return ctx.obj if isinstance(ctx.obj, Runtime) else Runtime(Terminal.from_process())


def _runtime(ctx: typer.Context) -> Runtime:
    flags = _merged_flags(ctx)
    if flags.get("color", "auto") not in {"always", "never", "auto"}:
        raise UsageError("--color takes always, never or auto")
    return replace(runtime_of(ctx), flags=flags, program=ctx.find_root().command)


def _merged_flags(ctx: typer.Context) -> dict[str, Any]:
    """Outermost first, so that the last one given wins; headers add up."""
    contexts = [ctx]
    while (parent := contexts[-1].parent) is not None:
        # Typed as the class below typer.Context, whose name is private; its params are the same.
        contexts.append(parent)  # type: ignore[arg-type]
    flags: dict[str, Any] = {}
    for context in reversed(contexts):
        for name in SHARED_NAMES:
            value = context.params.get(name)
            if value is None or value == []:
                continue
            flags[name] = [*flags.get(name, ()), *value] if name == "header" else value
    return flags


def ledger_path(run: Runtime, db: Path | None) -> Path:
    """The database that a command of `ocx serve` is about.

    Raises:
        UsageError: two databases are named, or words follow `--`.
    """
    if run.trailing is not None:
        # main() has split them off for `serve -- CMD`; dropping them silently would be worse.
        raise UsageError("nothing may follow -- here")
    return serve_database(run.terminal.env, db, sandbox=bool(run.flags.get("sandbox")))


@contextmanager
def waiting(run: Runtime, what: str, client: Client | None = None) -> Iterator[None]:
    """Show a person at a terminal that the block waits for `what`.

    Args:
        client: the one that asks; then it is also shown that it connects.
    """
    if not run.animates:
        yield
        return
    from ocx.output.live_stderr import answer_of, elapsed, spinning  # only if somebody looks

    state = elapsed(f"waiting for {what}") if client is None else answer_of(client, what)
    with spinning(run, state):
        yield


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

"""The options that every command knows, and what a command is handed when it runs."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ocx.commands.options import filled, is_group, parameters
from ocx.config.paths import serve_database
from ocx.errors import OcxWarning, UsageError
from ocx.runtime import Runtime
from ocx.terminal import Terminal

if TYPE_CHECKING:
    from ocx.api import Client

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


def _parameter(name: str, hidden: bool) -> inspect.Parameter:
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
    extra = [_parameter(name, hidden) for name in SHARED_NAMES if name not in taken]

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
    from ocx.output.spinner import answer_of, elapsed, spinning  # only if somebody looks

    state = elapsed(f"waiting for {what}") if client is None else answer_of(client, what)
    with spinning(run, state):
        yield

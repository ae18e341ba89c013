"""The options that every command knows, and what a command is handed when it runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ocx.commands.options import filled, is_group, parameters
from ocx.config.paths import serve_database
from ocx.errors import UsageError
from ocx.runtime import Runtime
from ocx.terminal import Terminal

_OPTIONS: dict[str, tuple[Any, tuple[str, ...], str, str | None]] = {
    "profile": (str, ("--profile", "-P"), "Use this profile of the config file.", "NAME"),
    "sandbox": (bool, ("--sandbox",), "Use the built-in offline server and its credits.", None),
    "base_url": (str, ("--base-url",), "Endpoint to use instead of the profile's.", "URL"),
    "key_file": (str, ("--key-file",), "Read the key from this file, or - for stdin.", "FILE"),
    "header": (list[str], ("--header", "-H"), "Add a request header (repeatable).", "NAME:VALUE"),
    "json": (bool, ("--json",), "Print JSON; errors too, on stderr.", None),
    "color": (str, ("--color",), "Colour on both streams.", "auto|always|never"),
    "quiet": (bool, ("--quiet", "-q"), "Nothing on stderr but errors.", None),
    "debug": (bool, ("--debug",), "Show requests, retries and tracebacks on stderr.", None),
    "timeout": (float, ("--timeout",), "Seconds for the whole call, retries included.", "SECONDS"),
    "retries": (int, ("--retries",), "How often a failed request is tried again.", "N"),
    "proxy": (str, ("--proxy",), "Proxy to use instead of the environment's.", "URL"),
    "ca_bundle": (str, ("--ca-bundle",), "File with the CA certificates to trust.", "FILE"),
}
SHARED_NAMES = tuple(_OPTIONS)
VALUE_FLAGS = frozenset(
    flag for kind, flags, _, _ in _OPTIONS.values() if kind is not bool for flag in flags
)


def _parameter(name: str, hidden: bool) -> inspect.Parameter:
    kind, flags, text, metavar = _OPTIONS[name]
    option = typer.Option(*flags, help=text, metavar=metavar, hidden=hidden, show_default=False)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
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
        values = {name: filled(group, given, json=runtime.json) for name, group in groups.items()}
        command(runtime, **{p.name: values.get(p.name, given.get(p.name)) for p in own})

    every = [context, *words, *extra]
    # Where inspect looks first (PEP 362), though the type of a function does not declare it.
    run.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in every}
    return run


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

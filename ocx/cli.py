"""The lazy table of commands, and the Typer app made of it.

A command's module is imported when the command is used: every shell loop pays for imports.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import typer
import typer.core
import typer.main

from ocx import __version__
from ocx.commands.context import runtime_of, shared, with_options
from ocx.errors import UsageError
from ocx.runtime import Runtime


class Group(NamedTuple):
    """A command with commands below it; `bare` is what it does when called alone."""

    help: str
    commands: Mapping[str, str | Group]
    bare: str | None = None


COMMANDS: dict[str, str | Group] = {
    "chat": "ocx.commands.chat:chat",
    "models": "ocx.commands.models:models",
    "balance": "ocx.commands.balance:balance",
    "keys": Group(
        "Store, check and rotate API keys.",
        {
            "add": "ocx.commands.keys:add",
            "list": "ocx.commands.keys:list_",
            "show": "ocx.commands.keys:show",
            "use": "ocx.commands.keys:use",
            "rotate": "ocx.commands.keys:rotate",
            "check": "ocx.commands.keys:check",
            "rm": "ocx.commands.keys:rm",
        },
    ),
    "config": Group(
        "Show and change settings and profiles.",
        {
            "show": "ocx.commands.config:show",
            "get": "ocx.commands.config:get",
            "set": "ocx.commands.config:set_",
            "unset": "ocx.commands.config:unset",
            "path": "ocx.commands.config:path",
            "edit": "ocx.commands.config:edit",
            "profiles": Group(
                "List, choose, copy and remove profiles.",
                {
                    "list": "ocx.commands.config:profiles_list",
                    "use": "ocx.commands.config:profiles_use",
                    "copy": "ocx.commands.config:profiles_copy",
                    "rm": "ocx.commands.config:profiles_rm",
                },
            ),
            "templates": Group(
                "List, show, edit and remove the templates of `ocx chat -t`.",
                {
                    "list": "ocx.commands.templates:list_",
                    "show": "ocx.commands.templates:show",
                    "edit": "ocx.commands.templates:edit",
                    "rm": "ocx.commands.templates:rm",
                },
            ),
        },
    ),
    "history": Group(
        "List, search and remove the calls that were kept.",
        {
            "list": "ocx.commands.history:list_",
            "show": "ocx.commands.history:show",
            "search": "ocx.commands.history:search",
            "rm": "ocx.commands.history:rm",
            "export": "ocx.commands.history:export",
            "stats": "ocx.commands.history:stats",
        },
    ),
    "serve": Group(
        "Run the documented API on loopback, offline, with keys and credits.",
        {
            "keys": "ocx.commands.serve:keys",
            "grant": "ocx.commands.serve:grant",
            "ledger": "ocx.commands.serve:ledger",
            "check": "ocx.commands.serve:check",
            "reset": "ocx.commands.serve:reset",
        },
        bare="ocx.commands.serve:serve",
    ),
    "env": "ocx.commands.env:env",
    "exec": "ocx.commands.exec:exec_",
    "api": "ocx.commands.api:api",
    "doctor": "ocx.commands.doctor:doctor",
    "completion": "ocx.docs.commands:completion",
    "help": "ocx.docs.commands:help_",
}

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(typer.core.TyperGroup):
    """A group whose commands are built from the table when they are asked for."""

    table: Mapping[str, str | Group]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        entry = self.table.get(cmd_name)
        return build(cmd_name, entry) if entry is not None else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.table:
            raise _unknown_command(args[0], ctx.command_path, list(self.table))
        return super().resolve_command(ctx, args)


def _unknown_command(word: str, path: str, known: list[str]) -> UsageError:
    import difflib  # only on the way to an error

    near = difflib.get_close_matches(word, known, 1, cutoff=0.75)
    if near:
        return UsageError(f"no such command: {word}", hint=f"did you mean `{path} {near[0]}`?")
    if path == "ocx":
        quoted = '"' + word.replace('"', '\\"') + '"'
        return UsageError(f"no such command: {word}", hint=f"to ask a model: ocx chat {quoted}")
    return UsageError(f"no such command: {word}", hint=f"see `{path} --help`")


def _typer(**options: Any) -> typer.Typer:
    # Typer's own tracebacks print local variables, keys too.
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings=dict(_CONTEXT),
        **options,
    )


def build(name: str, entry: str | Group) -> Any:
    """The command object for one entry of the table."""
    if isinstance(entry, Group):
        return _build_group(name, entry)
    app = _typer()
    app.command(name=name)(with_options(_load(entry)))
    return typer.main.get_command(app)


def _load(path: str) -> Callable[..., None]:
    module, _, attribute = path.partition(":")
    loaded: Callable[..., None] = getattr(importlib.import_module(module), attribute)
    return loaded


def _build_group(name: str, entry: Group) -> LazyGroup:
    callback = _load(entry.bare) if entry.bare else _nothing
    _, _, more = (callback.__doc__ or "").partition("\n\n") if entry.bare else ("", "", "")
    text = f"{entry.help}\n\n{inspect.cleandoc(more)}".rstrip()
    return _group(name, text, entry.commands, callback, bare=entry.bare is not None)


def _group(
    name: str,
    text: str,
    table: Mapping[str, str | Group],
    callback: Callable[..., None],
    *,
    bare: bool,
) -> LazyGroup:
    app = _typer(cls=LazyGroup, name=name, help=text, invoke_without_command=bare)
    # The root's help is the one place that shows the options which every command knows.
    app.callback()(with_options(callback, hidden=callback is not _root))
    group = typer.main.get_command(app)
    assert isinstance(group, LazyGroup)  # noqa: S101 - what cls= above means, told to mypy
    group.table = table
    return group


@shared
def _nothing(run: Runtime) -> None:
    """A group does nothing by itself."""


def _print_version(ctx: typer.Context, asked: bool) -> None:
    if asked:
        # Not typer.echo, which says nothing where stdout is closed.
        runtime_of(ctx).terminal.print(f"ocx {__version__}")
        raise typer.Exit


@shared
def _root(
    run: Runtime,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """The options are read from the context by the command; the rest is in the table."""


def root() -> LazyGroup:
    """The whole program as one command."""
    return _group(
        "ocx",
        "The command line of OpenCodex: chat, models, credits and keys for shell and CI.",
        COMMANDS,
        _root,
        bare=False,
    )

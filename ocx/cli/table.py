"""The lazy table of commands, and the Typer app made of it.

A command's module is imported when the command is used: every shell loop pays for imports.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ocx import __version__
from ocx.cli.parameters import with_options
from ocx.cli.typer_internals import TyperCommand, TyperGroup, command_of
from ocx.context import Context
from ocx.errors import UsageError
from ocx.secret import word_of_argv
from ocx.terminal import Terminal, use_color

if TYPE_CHECKING:
    from ocx.cli.help import Command


class Group(NamedTuple):
    """A command with commands below it; with `bare` it does something when called alone."""

    summary: str
    commands: Mapping[str, str | Group]
    bare: bool = False


COMMANDS: dict[str, str | Group] = {
    "chat": "Ask a model and print its answer as it comes.",
    "batch": Group(
        "Send many prompts in one run: resumable, within a budget.",
        {"verify": "Check that an output holds every row of its input, once and answered."},
        bare=True,
    ),
    "models": "List the models that the account may use.",
    "balance": "Show the credits left on the account.",
    "keys": Group(
        "Store, check and rotate API keys.",
        {
            "add": "Store a key under NAME.",
            "list": "List the stored keys.",
            "show": "Show a key, masked unless --reveal is given.",
            "use": "Use this key in a profile: of -P, else the default one.",
            "rotate": "Replace a key by a new one, which is checked first.",
            "check": "Ask the endpoint whether a key is valid.",
            "rm": "Remove a stored key.",
        },
    ),
    "config": Group(
        "Show and change settings and profiles.",
        {
            "show": "Show all settings and where they come from.",
            "get": "Print the value of one setting.",
            "set": "Set NAME to VALUE in a profile.",
            "unset": "Remove NAME from a profile: of -P, else the default one.",
            "path": "Print where the config file is.",
            "edit": "Edit the config file in $VISUAL or $EDITOR.",
            "profiles": Group(
                "List, choose, copy and remove profiles.",
                {
                    "list": "List the profiles; the one in force is marked.",
                    "use": "Use this profile wherever none is named.",
                    "copy": "Copy a profile under a new name.",
                    "rm": "Remove a profile; stored keys stay.",
                },
            ),
            "templates": Group(
                "List, show, edit and remove the templates of `ocx chat -t`.",
                {
                    "list": "List the templates and their parameters.",
                    "show": "Print a template's TOML.",
                    "edit": "Edit a template, or begin a new one.",
                    "rm": "Remove a template.",
                },
            ),
        },
    ),
    "history": Group(
        "List, search and remove the calls that were kept.",
        {
            "list": "List the calls that were kept, newest first.",
            "show": "Show one call: what was sent, what came, what it took.",
            "search": "Find calls by words of prompt and answer.",
            "rm": "Remove calls from the history.",
            "export": "Print the calls as JSON Lines, oldest first.",
            "stats": "Sum up tokens and credits by day and model.",
        },
    ),
    "serve": Group(
        "Run the documented API on loopback, with keys and credits.",
        {
            "keys": "List, add, rotate or revoke keys of the local server.",
            "grant": "Grant credits to an account, also beside a running server.",
            "ledger": "Show every movement of credits, oldest first.",
            "check": "Check that every balance is the sum of its entries and nothing stays held.",
            "reset": "Delete the ledger, keys and all, and begin a new one with its first credits.",
        },
        bare=True,
    ),
    "env": "Print endpoint and key as variables for other tools.",
    "exec": "Run a program with the endpoint and key in its environment.",
    "api": "Send a raw request and print the answer as it came.",
    "doctor": "Find out what is wrong, and what to do about it.",
    "completion": "Print the completion script of a shell.",
    "help": "Show the manual of a command or a topic.",
}
"""Each command with the first line of its help, so that `ocx --help` imports none of them.

`ocx keys list` is the function `list` or `list_` of `ocx/commands/keys.py`.
"""
_MODULES = {
    "config profiles": "profiles",
    "config templates": "templates",
    "serve keys": "serve_ledger",
    "serve grant": "serve_ledger",
    "serve ledger": "serve_ledger",
    "serve check": "serve_ledger",
    "serve reset": "serve_ledger",
    "exec": "env",
    "completion": "help",
}
"""The modules of the commands that do not stand in the one of their first word."""

_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _write_help(command: Any, ctx: Any, formatter: Any) -> None:
    from ocx.cli.help import help_text  # a run that shows no help pays for none of it

    terminal = ctx.obj.terminal
    # Typer takes colours out where stdout is no terminal, unless it is told that they are meant.
    ctx.color = terminal.stdout_color(terminal.color)
    read = _read(command, tuple(ctx.command_path.split()))
    formatter.write(help_text(read, formatter.width, color=ctx.color))


class Verb(TyperCommand):
    """A command whose help stands under headings, with examples at its end."""

    format_help = _write_help


class LazyGroup(TyperGroup):
    """A group whose commands are built from the table when they are asked for."""

    table: Mapping[str, str | Group]
    path: tuple[str, ...]
    format_help = _write_help

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """A group with arguments of its own takes any first word but a command's as the first."""
        arguments = [p for p in self.params if p.param_type_name == "argument"]
        if arguments and self._names_command(ctx, args):
            self.params = [p for p in self.params if p not in arguments]
        elif arguments:
            ctx.allow_interspersed_args = True
        return super().parse_args(ctx, args)

    def _names_command(self, ctx: Any, args: list[str]) -> bool:
        try:
            words = self.make_parser(ctx).parse_args(list(args))[0]
        except typer.TyperException:
            return False
        return words.get("source") in self.table

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        entry = self.table.get(cmd_name)
        return build((*self.path, cmd_name), entry) if entry is not None else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.table:
            from ocx.cli.argv import command_hint  # only on the way to an error

            message = f"no such command: {word_of_argv(args[0])}"
            raise UsageError(message, hint=command_hint(ctx.command_path, args, self.table))
        return super().resolve_command(ctx, args)


def short_help(path: tuple[str, ...], terminal: Terminal) -> str:
    """What stderr shows where the group `path`, which begins with `ocx`, has no command."""
    from ocx.cli.help import short_help

    group: Any = root()
    for name in path[1:]:
        group = group.get_command(None, name)
    width = min(terminal.width, _CONTEXT["max_content_width"]) - 2  # as Typer does for --help
    color = use_color(terminal.color, terminal.stderr_tty, terminal.env)
    return short_help(_read(group, path), width, color=color)


def _read(command: Any, path: tuple[str, ...]) -> Command:
    """The command as data, what is below it as the table says."""
    from ocx.cli.help import Command, described

    table: Mapping[str, str | Group] = getattr(command, "table", {})
    below = [Command((*path, name), _summary(entry)) for name, entry in table.items()]
    return described(command, path, below)


def _summary(entry: str | Group) -> str:
    return entry.summary if isinstance(entry, Group) else entry


def load(path: tuple[str, ...]) -> Callable[..., None]:
    """The function behind a command. Names that Python has taken end in an underscore."""
    name = _MODULES.get(" ".join(path[:2]), path[0])
    module = importlib.import_module(f"ocx.commands.{name}")
    verb = path[-1] if hasattr(module, path[-1]) else f"{path[-1]}_"
    function: Callable[..., None] = getattr(module, verb)
    return function


def build(path: tuple[str, ...], entry: str | Group) -> Any:
    """The command object for one entry of the table; that of the root has no path."""
    group = entry if isinstance(entry, Group) else None
    does_nothing = group is not None and not group.bare
    function = load(path) if not does_nothing else _nothing if path else _root
    # The table's line, then what the docstring says after its own first one.
    _, _, more = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
    text = f"{_summary(entry)}\n\n{more}".rstrip()
    app = typer.Typer(
        name=path[-1] if path else "ocx",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,  # Typer's own tracebacks print local variables, keys too
        add_completion=False,
        context_settings=dict(_CONTEXT),
    )
    # The root's help is the one place that shows the options which every command knows.
    options = with_options(function, hidden=bool(path))
    if group is None:
        app.command(name=path[-1], cls=Verb, help=text)(options)
        return command_of(app)
    app.callback(cls=LazyGroup, help=text, invoke_without_command=group.bare)(options)
    command = command_of(app)
    command.table, command.path = group.commands, path
    return command


def _nothing(ctx: Context) -> None:
    """A group does nothing by itself."""


def _print_version(ctx: typer.Context, asked: bool) -> None:
    if asked:
        # Not typer.echo, which says nothing if stdout is closed.
        ctx.obj.terminal.print(f"ocx {__version__}")
        raise typer.Exit


def _root(
    ctx: Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Print the version.",
            is_eager=True,
            callback=_print_version,
            rich_help_panel="Help and version",
        ),
    ] = False,
) -> None:
    """The options are read from the context by the command; the rest is in the table."""


def root() -> Any:
    """The whole program as one command."""
    summary = "The command line of OpenCodex: chat, models, credits and keys for shell and CI."
    return build((), Group(summary, COMMANDS))

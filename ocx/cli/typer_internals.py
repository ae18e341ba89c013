"""What ocx knows of Typer beyond its documentation, in one place.

A release may change any of it; tests/test_typer_internals.py then names the part that changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import typer.core
import typer.main

TyperCommand = typer.core.TyperCommand
"""The class of a command without any below it. `ocx.cli.table` overrides how it writes its help."""

TyperGroup = typer.core.TyperGroup
"""The class of a command with commands below it. `ocx.cli.table` overrides four of its methods."""


class Parameter(NamedTuple):
    """An option or an argument of a command.

    Attributes:
        flags: the spellings that turn an option on, or that take its value; none of an argument.
        off: the spellings that turn it off.
        metavar: what its value is called; `a|b` lists the values there are; None for a switch.
        repeatable: it may be given more than once.
        heading: what it stands under in the help.
        limits: its default and its range, in words.
    """

    name: str
    flags: tuple[str, ...]
    off: tuple[str, ...]
    help: str
    metavar: str | None
    repeatable: bool
    required: bool
    heading: str = "Options"
    limits: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """How an argument stands in a synopsis: `ID`, `[FILTER]`, `{GET|POST}`, `[PROMPT]...`."""
        value = self.value
        if value.startswith("--"):  # a command line of another program
            return f"{value} [ARGUMENT]..."
        shown = f"{{{value}}}" if "|" in value else value
        return (shown if self.required else f"[{shown}]") + ("..." if self.repeatable else "")

    @property
    def value(self) -> str:
        """What its value is called, without the marks of a synopsis."""
        return (self.metavar or "").strip("[].")


class Complaint(NamedTuple):
    """What the parser says against a command line.

    Attributes:
        message: one sentence, without a full stop at its end; None if only a command is missing.
        option: the option that does not exist, if that is the complaint.
        command: the command that was read last, like `ocx keys`; None if the parser does not say.
        known: the options that there are, if one does not exist.
        given: the arguments that came before one that is missing.
    """

    message: str | None
    option: str
    command: str | None
    known: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


def command_of(app: typer.Typer) -> Any:
    """The command object that an app describes; a `TyperGroup` if its `cls` is one."""
    return typer.main.get_command(app)


def parameters(command: Any) -> tuple[Parameter, ...]:
    """The options and arguments of a command object, in the order of its signature."""
    return tuple(_parameter(parameter) for parameter in command.params)


def complaint(error: Exception) -> Complaint:
    """Read an error of the parser, a `typer.TyperException`."""
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context is not None else None
    message = str(getattr(error, "format_message", error.__str__)())
    # The classes of the parser's errors are not exported; what is left is a plain usage error.
    kind = type(error).__name__
    if message == "Missing command.":
        return Complaint(None, "", command)
    parameter = _parameter(found) if (found := getattr(error, "param", None)) else None
    if kind == "MissingParameter" and parameter is not None:
        arguments = [p.name for p in parameters(context.command) if not p.flags]
        given = tuple(str(context.params[n]) for n in arguments if context.params.get(n))
        return Complaint(f"missing {parameter.metavar}", "", command, given=given)
    if parameter is not None and kind == "BadParameter":
        return Complaint(_refused(parameter, str(getattr(error, "message", ""))), "", command)
    option = getattr(error, "option_name", None) or ""
    if kind == "NoSuchOption":
        every = parameters(context.command)
        known = tuple(flag for each in every for flag in (*each.flags, *each.off))
        return Complaint(f"no such option: {option}", option, command, known)
    return Complaint(_reworded(message), option, command)


def _refused(parameter: Parameter, message: str) -> str:
    """Why the value of an option or an argument is not taken, in the words of a person."""
    name = max(parameter.flags, key=len, default=parameter.value)
    message = message.rstrip(".")
    if found := re.fullmatch(r"(.+) is not a valid (\w+)(?: range)?", message, re.DOTALL):
        return f"{name} takes a {_KINDS.get(found[2], found[2])}, not {found[1]}"
    if found := re.fullmatch(r"(.+) is not in the range .+", message):
        return f"{name} takes a number: {parameter.limits[-1]}, not {found[1]}"
    if found := re.fullmatch(r".+ is not one of (.+)", message, re.DOTALL):
        *others, last = re.findall(r"'(.*?)'", found[1])
        return f"{name} takes {', '.join(others)} or {last}"
    return f"{name}: {message}"


_KINDS = {"int": "whole number", "integer": "whole number", "float": "number"}


def _reworded(message: str) -> str:
    if found := re.fullmatch(
        r"Got unexpected extra argument(?:\(s\)|s)? \((.*)\)", message, re.DOTALL
    ):
        return f"unexpected argument: {found[1]}"
    if found := re.fullmatch(r"Option '(.+)' requires an argument\.", message):
        return f"{found[1]} needs a value"
    if found := re.fullmatch(r"Option '(.+)' does not take a value\.", message):
        return f"{found[1]} takes no value"
    return message.rstrip(".")


def _parameter(parameter: Any) -> Parameter:
    is_option = parameter.param_type_name == "option"
    return Parameter(
        parameter.name,
        tuple(parameter.opts) if is_option else (),
        tuple(parameter.secondary_opts),
        (parameter.help or "").strip(),
        None if is_option and parameter.is_flag else parameter.metavar,
        bool(parameter.multiple) if is_option else parameter.nargs != 1,
        bool(parameter.required),
        getattr(parameter, "rich_help_panel", None) or "Options",
        tuple(_limits(parameter)) if is_option else (),
    )


def _limits(parameter: Any) -> Iterator[str]:
    """What help says about the value of an option besides its text."""
    if parameter.show_default and type(parameter.default) in {int, float, str}:
        yield f"default: {parameter.default}"
    least = getattr(parameter.type, "min", None)
    most = getattr(parameter.type, "max", None)
    if least is not None and most is not None:
        yield f"{least} to {most}"
    elif least is not None:
        yield f"at least {least}"
    elif most is not None:
        yield f"at most {most}"

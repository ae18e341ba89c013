"""What can stand after an option or as an argument, as far as a shell can know it.

A new command needs nothing here as long as its metavars say it: `FILE`, or `a|b|NAME` for the
words a and b, and any other.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ocx.cli.help import Command
from ocx.cli.typer_internals import Parameter
from ocx.commands.help import TOPICS
from ocx.config.schema import SETTINGS

Kind = Literal[
    "text", "words", "files", "folders", "models", "profiles", "keys", "templates", "conversations"
]


class Values(NamedTuple):
    """`text` is anything, so nothing is offered; `words` are the ones listed."""

    kind: Kind
    words: tuple[str, ...] = ()


TEXT = Values("text")
_METAVARS: dict[str, Values] = {
    "FILE": Values("files"),
    "FILE|-": Values("files"),
    "DIR": Values("folders"),
    "MODEL": Values("models"),
    "PROFILE": Values("profiles"),
    "KEY": Values("keys"),
    "SCHEMA": Values("files"),
    "TEMPLATE": Values("templates"),
}
_OPTIONS: dict[str, Values] = {
    "profile": Values("profiles"),
    "model": Values("models"),
    "template": Values("templates"),
    "save_template": Values("templates"),
    "named": Values("conversations"),
    "conversation": Values("conversations"),
}
_SETTINGS = Values("words", tuple(setting.name for setting in SETTINGS))
_METHODS = Values("words", ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"))
_ARGUMENTS: dict[tuple[str, str], Values] = {
    ("ocx batch", "source"): Values("files"),
    ("ocx batch verify", "source"): Values("files"),
    ("ocx batch verify", "outputs"): Values("files"),
    ("ocx models", "filter_"): Values("models"),
    ("ocx config get", "name"): _SETTINGS,
    ("ocx config set", "name"): _SETTINGS,
    ("ocx config unset", "name"): _SETTINGS,
    ("ocx config profiles use", "name"): Values("profiles"),
    ("ocx config profiles copy", "source"): Values("profiles"),
    ("ocx config profiles rm", "name"): Values("profiles"),
    ("ocx config templates show", "name"): Values("templates"),
    ("ocx config templates edit", "name"): Values("templates"),
    ("ocx config templates rm", "name"): Values("templates"),
    ("ocx keys show", "name"): Values("keys"),
    ("ocx keys use", "name"): Values("keys"),
    ("ocx keys rotate", "name"): Values("keys"),
    ("ocx keys check", "name"): Values("keys"),
    ("ocx keys rm", "name"): Values("keys"),
    ("ocx api", "method"): _METHODS,
    ("ocx api", "path"): Values("words", ("models", "balance", "chat/completions")),
}


def of_option(option: Parameter) -> Values:
    return _OPTIONS.get(option.name) or _of_metavar(option.metavar or "")


def of_argument(command: Command, argument: Parameter) -> Values:
    known = _ARGUMENTS.get((command.title, argument.name))
    return known or _of_metavar(argument.value)


def of_help(root: Command) -> Values:
    """What `ocx help` explains: its topics, and the commands of the first level."""
    return Values("words", (*TOPICS, *(command.name for command in root.commands)))


def _of_metavar(metavar: str) -> Values:
    if metavar in _METAVARS:
        return _METAVARS[metavar]
    words = [word for word in metavar.split("|") if word.islower()]  # NAME stands for any
    return Values("words", tuple(words)) if "|" in metavar and words else TEXT

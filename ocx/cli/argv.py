"""Reading argv apart from Typer: before it parses, and what was probably meant after it failed.

A guess is first what people type who know other programs, then the nearest name, then a prompt.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ocx.cli.parameters import VALUE_FLAGS
from ocx.cli.table import COMMANDS, Group, build, short_help
from ocx.cli.typer_internals import Complaint, complaint, parameters
from ocx.errors import NoCommandError, UsageError
from ocx.secret import word_of_argv
from ocx.terminal import Terminal
from ocx.text import nearest

_RUN_PROGRAMS = (("serve",), ("exec",))
"""Commands that take a command line of somebody else's after `--`."""


class Argv(NamedTuple):
    """One command line.

    Attributes:
        path: the words that name the command, without `ocx`.
        flags: the options before `--`, by their own names: (flag, value or None).
        dashes: where `--` stands that ends the options; None without one.
    """

    path: tuple[str, ...]
    flags: tuple[tuple[str, str | None], ...]
    dashes: int | None

    @property
    def title(self) -> str:
        return " ".join(("ocx", *self.path))

    def has(self, flag: str) -> bool:
        return any(given == flag for given, _ in self.flags)

    def value(self, *names: str) -> str | None:
        """What the last of these options says."""
        given = [value for flag, value in self.flags if flag in names]
        return given[-1] if given else None

    @property
    def monitor(self) -> str | None:
        """The form in which a monitoring system or a program reads how `ocx balance` ended."""
        if self.path != ("balance",):
            return None
        form = self.value("--format") or ("json" if self.has("--json") else None)
        return form if form in {"nagios", "prometheus", "json"} else None


def read_argv(words: Sequence[str]) -> Argv:
    """Read a command line without judging it.

    Imports the command that is named, to know which of its options take a value.
    """
    path: tuple[str, ...] = ()
    flags: list[tuple[str, str | None]] = []
    valued = VALUE_FLAGS
    table: object = COMMANDS
    rest = iter(enumerate(words))
    for index, word in rest:
        if word == "--":
            return Argv(path, tuple(flags), index)
        if len(word) > 1 and word.startswith("-"):
            flags += _options(word, valued, rest)
        elif isinstance(table, dict) and word in table:
            path = (*path, word)
            entry = table[word]
            table = entry.commands if isinstance(entry, Group) else None
            valued = VALUE_FLAGS | _value_flags(path, entry)
        else:
            table = None  # an argument: what follows it names no command
    return Argv(path, tuple(flags), None)


def split_trailing(words: list[str]) -> tuple[list[str], tuple[str, ...] | None]:
    """`words` up to `--`, and what follows it if the command runs programs.

    Typer cannot tell `serve -- CMD` from `serve CMD`, so this comes before it.
    """
    argv = read_argv(words)
    if argv.dashes is None or argv.path[:1] not in _RUN_PROGRAMS:
        return words, None
    return words[: argv.dashes], tuple(words[argv.dashes + 1 :])


def _value_flags(path: tuple[str, ...], entry: str | Group) -> frozenset[str]:
    """The options of a command that take a value; none if the command cannot be loaded."""
    try:
        every = parameters(build(path, entry))
        return frozenset(flag for each in every if each.metavar for flag in each.flags)
    except Exception:  # a broken command is the error to report, not this look at it
        return frozenset()


def _options(
    word: str, valued: frozenset[str], rest: Iterator[tuple[int, str]]
) -> list[tuple[str, str | None]]:
    """What one word of options says; the value of the last may be the next word."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        if equals or name not in valued:
            return [(name, value if equals else None)]
        return [(name, next(rest, (0, None))[1])]
    found: list[tuple[str, str | None]] = []
    for place, letter in enumerate(word[1:], 2):
        flag = f"-{letter}"
        if flag in valued:
            attached = word[place:]
            return [*found, (flag, attached or next(rest, (0, None))[1])]
        found.append((flag, None))
    return found


_CLOSE = 0.8
_PROSE = 3  # words behind the first one: it is no command then, but the beginning of a sentence
_LONGEST = 120  # characters of a prompt that is written out

_COMMANDS: dict[str, dict[str, str]] = {
    "ocx": {
        "ocx keys add": "login auth signin init setup key",
        "ocx keys rm": "logout",
        "ocx history list": "logs log conversations sessions",
        "ocx balance": "usage credits credit cost quota",
        "ocx history stats": "stats tokens",
        "ocx chat": "ask prompt run complete completions",
        "ocx config profiles list": "profile profiles",
        "ocx config templates list": "template templates",
        "ocx config set": "set",
        "ocx config get": "get",
        "ocx config unset": "unset",
        "ocx config show": "settings configure",
        "ocx config profiles use": "use",
        "ocx serve": "server proxy mock",
        "ocx doctor": "status check diagnose ping test",
        "ocx models": "list ls",
        "ocx help": "man manual docs",
        "ocx --version": "version",
    },
    "ocx keys": {
        "ocx keys add": "set new create store import login",
        "ocx keys rm": "revoke unset",
        "ocx keys check": "verify test validate",
        "ocx keys show": "path",
        "ocx keys use": "default select switch",
        "ocx keys rotate": "update replace change edit",
    },
    "ocx config": {
        "ocx config profiles use": "use switch select",
        "ocx config show": "list ls view cat print",
        "ocx config unset": "delete remove del rm",
        "ocx config set": "add put",
        "ocx config edit": "open init",
        "ocx config path": "where file",
        "ocx config profiles copy": "copy cp",
    },
    "ocx config profiles": {
        "ocx config set -P NAME base_url URL": "add new create set",
        "ocx config show -P NAME": "show get cat",
        "ocx config profiles use": "switch select default",
        "ocx config profiles copy": "cp clone",
    },
    "ocx config templates": {
        "ocx config templates edit": "add new create set",
    },
    "ocx history": {
        "ocx history rm": "clear prune",
        "ocx history search": "find grep query",
        "ocx history show": "last",
        "ocx history stats": "usage cost tokens",
        "ocx history export": "dump save backup",
    },
}
"""By the group: what is meant, and the words that are typed for it."""
_VERBS = {"list": "ls", "rm": "delete remove del", "show": "get cat view"}
"""The same for every group that has the command."""

_OPTIONS: dict[str, str] = {
    "--json": "--format --output-format",
    "--debug": "--verbose -v --trace",
    "--quiet": "--silent -s",
    "--base-url": "--url --endpoint --api-base --host",
    "--color": "--no-color --no-colour --colour",
    "--jobs": "--parallel --concurrency --workers --threads --max-workers",
    "--attach": "--image --attachment --attachments",
    "--yes": "--force -f --no-confirm",
    "--file": "--fragment --input",
    "--output": "--out --save",
    "--max-credits": "--budget --max-cost",
    "--schema": "--json-schema --response-format",
    "--limit": "--last --tail --count -n",
    "--min": "--threshold --fail-below",
    "--conversation": "--cid",
}
"""What an option is called here, where the command has it, and what others call it."""
_OF_CHAT = frozenset(("-m", "--model", "-s", "--system", "-f", "--file", "-t", "-c", "-a", "-x"))


def usage_error(error: Exception, words: Sequence[str], terminal: Terminal) -> UsageError:
    """What the parser says against the command line `words`, with the next step in it."""
    found = complaint(error)
    path = found.command or read_argv(words).title
    if found.message is None:
        return NoCommandError(path, short_help(tuple(path.split()), terminal))
    if path.startswith("ocx keys ") and "unexpected argument" in found.message:
        # Likely a key of any shape: it is not repeated.
        hint = "a key is read from stdin or --key-file, or asked for; never an argument"
        return UsageError(f"{path} takes no more arguments", hint=hint)
    message = re.sub(r"[^\s'\"`,]+", lambda word: word_of_argv(word.group()), found.message)
    return UsageError(message, hint=_usage_hint(found, path))


def _usage_hint(found: Complaint, path: str) -> str:
    option = found.option
    if option in {"--key", "--api-key", "--token"}:
        return "keys are never given on the command line; store one with `ocx keys add NAME`"
    if option[:1] == "-" and option[1:2].isdigit() and path == "ocx chat":
        return f"a prompt that starts with a dash goes after `--`: ocx chat -- {option} …"
    if path == "ocx exec" and len(option) == len("-x"):
        return "the program and its options come after `--`: ocx exec -- PROGRAM …"
    if path == "ocx api" and found.given and not found.given[0].isupper():
        return f"did you mean `ocx api GET {word_of_argv(found.given[0])}`?"
    return _option_hint(path, option, found.known) if found.known else _see(path)


def command_hint(path: str, words: Sequence[str], known: Iterable[str]) -> str:
    """The next step after `words`, of which the first is no command of the group `path`."""
    word, *rest = words
    known = list(known)
    own = {f"{path} {verb}": words for verb, words in _VERBS.items() if verb in known}
    meant = _meant(word, _COMMANDS.get(path, {})) or _meant(word, own)
    prose = path == "ocx" and sum(not each.startswith("-") for each in rest) >= _PROSE
    if meant and not prose:
        return f"did you mean `{meant}`?"
    swapped = next((each for each in known if sorted(each) == sorted(word)), None)
    if near := swapped or nearest(word, known, _CLOSE):
        return f"did you mean `{path} {near}`?"
    return f"to ask a model: ocx chat {_prompt(words)}" if path == "ocx" else _see(path)


def _option_hint(path: str, option: str, known: Sequence[str]) -> str:
    """The next step after an option that the command `path` does not have."""
    meant = _meant(option, _OPTIONS)
    if meant in known:
        return f"did you mean {meant}?"
    longer = [flag for flag in known if flag.startswith(option) and option[:2] == "--"]
    near = longer[0] if len(longer) == 1 else None
    near = near or (nearest(option, known, _CLOSE) if len(option) > len("-x") else None)
    if near:
        return f"did you mean {near}?"
    if path == "ocx" and option in _OF_CHAT:
        return f"the command comes first: ocx chat {option} …"
    return _see(path)


def _meant(word: str, table: Mapping[str, str]) -> str | None:
    return next((meant for meant, words in table.items() if word in words.split()), None)


def _see(path: str) -> str:
    """The hint where there is no guess."""
    return f"see `{path} --help`"


def _prompt(words: Sequence[str]) -> str:
    shown = [word_of_argv(word) for word in words]
    if any(word.startswith("-") for word in words):
        return shlex.join(shown)
    text = " ".join(shown)
    if len(text) > _LONGEST or not text.isprintable():
        return '"…"'
    return shlex.quote(text) if set(text) & set('"$`\\!') else f'"{text}"'

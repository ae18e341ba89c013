"""What a command or an option that does not exist was probably meant to be: one guess.

First what people type who know other programs, then the nearest name, then a prompt.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

from ocx.cli.argv import read_argv
from ocx.cli.table import short_help
from ocx.cli.typer_internals import Complaint, complaint
from ocx.errors import NoCommandError, UsageError
from ocx.secret import word_of_argv
from ocx.terminal import Terminal
from ocx.text import nearest

_CLOSE = 0.8
_PROSE = 3  # words behind the first one: it is no command then, but the beginning of a sentence
_LONGEST = 120  # characters of a prompt that is written out

_REMOVE = ("delete", "remove", "del")
_COMMANDS: dict[str, dict[str, str]] = {
    "ocx": {
        **dict.fromkeys(("login", "auth", "signin", "init", "setup", "key"), "ocx keys add"),
        "logout": "ocx keys rm",
        **dict.fromkeys(("logs", "log", "conversations", "sessions"), "ocx history list"),
        **dict.fromkeys(("usage", "credits", "credit", "cost", "quota"), "ocx balance"),
        **dict.fromkeys(("stats", "tokens"), "ocx history stats"),
        **dict.fromkeys(("ask", "prompt", "run", "complete", "completions"), "ocx chat"),
        **dict.fromkeys(("profile", "profiles"), "ocx config profiles list"),
        **dict.fromkeys(("template", "templates"), "ocx config templates list"),
        **{word: f"ocx config {word}" for word in ("set", "get", "unset")},
        **dict.fromkeys(("settings", "configure"), "ocx config show"),
        "use": "ocx config profiles use",
        **dict.fromkeys(("server", "proxy", "mock"), "ocx serve"),
        **dict.fromkeys(("status", "check", "diagnose", "ping", "test"), "ocx doctor"),
        **dict.fromkeys(("list", "ls"), "ocx models"),
        **dict.fromkeys(("man", "manual", "docs"), "ocx help"),
        "version": "ocx --version",
    },
    "ocx keys": {
        **dict.fromkeys(("set", "new", "create", "store", "import", "login"), "ocx keys add"),
        **dict.fromkeys((*_REMOVE, "revoke", "unset"), "ocx keys rm"),
        **dict.fromkeys(("verify", "test", "validate"), "ocx keys check"),
        **dict.fromkeys(("get", "cat", "path"), "ocx keys show"),
        **dict.fromkeys(("default", "select", "switch"), "ocx keys use"),
        **dict.fromkeys(("update", "replace", "change", "edit"), "ocx keys rotate"),
        "ls": "ocx keys list",
    },
    "ocx config": {
        **dict.fromkeys(("use", "switch", "select"), "ocx config profiles use"),
        **dict.fromkeys(("list", "ls", "view", "cat", "print"), "ocx config show"),
        **dict.fromkeys((*_REMOVE, "rm"), "ocx config unset"),
        **dict.fromkeys(("add", "put"), "ocx config set"),
        **dict.fromkeys(("open", "init"), "ocx config edit"),
        **dict.fromkeys(("where", "file"), "ocx config path"),
        **dict.fromkeys(("copy", "cp"), "ocx config profiles copy"),
    },
    "ocx config profiles": {
        **dict.fromkeys(_REMOVE, "ocx config profiles rm"),
        **dict.fromkeys(("add", "new", "create", "set"), "ocx config set -P NAME base_url URL"),
        **dict.fromkeys(("show", "get", "cat"), "ocx config show -P NAME"),
        **dict.fromkeys(("switch", "select", "default"), "ocx config profiles use"),
        **dict.fromkeys(("cp", "clone"), "ocx config profiles copy"),
        "ls": "ocx config profiles list",
    },
    "ocx config templates": {
        **dict.fromkeys(_REMOVE, "ocx config templates rm"),
        **dict.fromkeys(("add", "new", "create", "set"), "ocx config templates edit"),
        **dict.fromkeys(("get", "cat", "view"), "ocx config templates show"),
        "ls": "ocx config templates list",
    },
    "ocx history": {
        **dict.fromkeys((*_REMOVE, "clear", "prune"), "ocx history rm"),
        **dict.fromkeys(("find", "grep", "query"), "ocx history search"),
        **dict.fromkeys(("get", "cat", "view", "last"), "ocx history show"),
        **dict.fromkeys(("usage", "cost", "tokens"), "ocx history stats"),
        **dict.fromkeys(("dump", "save", "backup"), "ocx history export"),
        "ls": "ocx history list",
    },
}
"""By the group, then by the word."""

_OPTIONS: dict[str, str] = {
    **dict.fromkeys(("--format", "--output-format"), "--json"),
    **dict.fromkeys(("--verbose", "-v", "--trace"), "--debug"),
    **dict.fromkeys(("--silent", "-s"), "--quiet"),
    **dict.fromkeys(("--url", "--endpoint", "--api-base", "--host"), "--base-url"),
    **dict.fromkeys(("--no-color", "--no-colour", "--colour"), "--color"),
    **dict.fromkeys(
        ("--parallel", "--concurrency", "--workers", "--threads", "--max-workers"), "--jobs"
    ),
    **dict.fromkeys(("--image", "--attachment", "--attachments"), "--attach"),
    **dict.fromkeys(("--force", "-f", "--no-confirm"), "--yes"),
    **dict.fromkeys(("--fragment", "--input"), "--file"),
    **dict.fromkeys(("--out", "--save"), "--output"),
    **dict.fromkeys(("--budget", "--max-cost"), "--max-credits"),
    **dict.fromkeys(("--json-schema", "--response-format"), "--schema"),
    **dict.fromkeys(("--last", "--tail", "--count", "-n"), "--limit"),
    **dict.fromkeys(("--threshold", "--fail-below"), "--min"),
    "--cid": "--conversation",
}
"""What others call an option, and what it is called here, where the command has it."""
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
    if found.missing and path == "ocx api" and found.given and not found.given[0].isupper():
        return f"did you mean `ocx api GET {word_of_argv(found.given[0])}`?"
    return _option_hint(path, option, found.known) if found.known else _see(path)


def command_hint(path: str, words: Sequence[str], known: Iterable[str]) -> str:
    """The next step after `words`, of which the first is no command of the group `path`."""
    word, *rest = words
    meant = _COMMANDS.get(path, {}).get(word)
    prose = path == "ocx" and sum(not each.startswith("-") for each in rest) >= _PROSE
    if meant and not prose:
        return f"did you mean `{meant}`?"
    if near := nearest(word, known, _CLOSE):
        return f"did you mean `{path} {near}`?"
    return f"to ask a model: ocx chat {_prompt(words)}" if path == "ocx" else _see(path)


def _option_hint(path: str, option: str, known: Sequence[str]) -> str:
    """The next step after an option that the command `path` does not have."""
    meant = _OPTIONS.get(option)
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

"""What is typed in a session beside messages: names of files, and what errors say to type next."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from ocx.config.paths import expand
from ocx.decoding import FLAG
from ocx.errors import UsageError

_SHELL_TO_SESSION = (
    (r"`ocx models` lists", "/model lists"),
    (r"did you mean -m ([^?]+)\?", r"did you mean /model \1?"),
)


def in_session(hint: str | None) -> str | None:
    """The next step, as a command of the session where it is a flag in a shell."""
    for flag, command in _SHELL_TO_SESSION:
        hint = re.sub(flag, command, hint) if hint else hint
    return hint


def split_encoding(text: str) -> tuple[str | None, str]:
    """The encoding that `--encoding NAME` gives first behind a command, and what follows."""
    found = re.match(rf"{FLAG}[= ]\s*(\S+)\s*", text)
    return (found[1], text[found.end() :]) if found else (None, text)


def split_names(text: str) -> list[str]:
    """The names of files behind a command; one with blanks alone, or quoted as in a shell.

    Raises:
        UsageError: there is none.
    """
    if _exists(text):
        return [text]
    try:
        names = shlex.split(text)
    except ValueError:  # a quote alone, as in `Ann's notes`
        names = [text]
    if not names or "-" in names:
        raise UsageError("/file needs the name of a file")
    return names


def _exists(name: str) -> bool:
    try:
        return bool(name) and Path(expand(name)).exists()
    except (OSError, ValueError):
        return False

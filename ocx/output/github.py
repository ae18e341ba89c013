"""What the runner of GitHub Actions reads: workflow commands, and files named by variables.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ocx.errors import OcxError

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|<>~&-])")


def command(name: str, message: str, **properties: str) -> str:
    """`::warning title=…::message`; nothing in it can begin another command."""
    listed = ",".join(f"{key}={_property(text)}" for key, text in properties.items())
    return f"::{name}{' ' + listed if listed else ''}::{_data(message)}"


def assignment(name: str, value: str) -> str:
    """`value` under `name`, for $GITHUB_ENV and $GITHUB_OUTPUT.

    The delimiter is random, so that no value can end itself and name another variable.
    """
    delimiter = f"ocx_{os.urandom(16).hex()}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of GitHub's Markdown in which every cell is plain text."""
    lines = [headers, ["---"] * len(headers), *([_cell(text) for text in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def append(env: Mapping[str, str], variable: str, text: str) -> bool:
    """Add `text` to the file that a variable names; False if there is no such variable.

    Raises:
        OcxError: it cannot be written.
    """
    if not env.get(variable):
        return False
    try:
        with Path(env[variable]).open("a", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise OcxError(f"cannot write to ${variable} ({error.strerror})") from error
    return True


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))

"""What other programs read back: variables for a shell, commands and files for GitHub Actions.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ocx.errors import OcxError

_BARE = re.compile(r"[A-Za-z0-9_./:@%+,-]+")


def _dotenv_quoted(text: str) -> str:
    """`docker run --env-file` knows no quotes, so they stand only where they must."""
    if _BARE.fullmatch(text):
        return text
    if not set(text) & set("'\\\n\r"):
        return f"'{text}'"
    escapes = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})
    return f'"{text.translate(escapes)}"'


# How a variable is set, what is escaped between single quotes, how a variable is removed.
_FORMS: dict[str, tuple[str, dict[int, str], str]] = {
    "sh": ("export {}={}", str.maketrans({"'": "'\\''"}), "unset {}"),
    # `set -e` of a variable that is not there is an error in fish.
    "fish": (
        "set -gx {} {}",
        str.maketrans({"\\": "\\\\", "'": "\\'"}),
        "set -q {0}; and set -e {0}",
    ),
    # PowerShell takes the typographic single quotes for quotes, too.
    "pwsh": (
        "$env:{} = {}",
        {ord(quote): quote * 2 for quote in "'\u2018\u2019\u201a\u201b"},
        "Remove-Item Env:{} -ErrorAction SilentlyContinue",
    ),
}
FORMATS = (*_FORMS, "dotenv", "json")


def assignments(form: str, variables: Mapping[str, str], removed: Iterable[str]) -> str:
    """Text in one of `FORMATS` that sets `variables`; in JSON null means that it is removed."""
    if form == "json":
        return json.dumps({**variables, **dict.fromkeys(removed)}, ensure_ascii=False) + "\n"
    if form == "dotenv":  # a file of variables cannot remove one
        lines = [f"{name}={_dotenv_quoted(text)}" for name, text in variables.items()]
    else:
        setting, escapes, removing = _FORMS[form]
        quoted = (f"'{text.translate(escapes)}'" for text in variables.values())
        lines = list(map(setting.format, variables, quoted))
        lines += [removing.format(name) for name in removed]
    return "".join(f"{line}\n" for line in lines)


def github_file(variables: Mapping[str, str]) -> str:
    """Lines for the files that `$GITHUB_ENV` and `$GITHUB_OUTPUT` name.

    The delimiter is random, so that no value can end itself and name another variable.
    """
    end = f"ocx_{os.urandom(16).hex()}"
    return "".join(f"{name}<<{end}\n{text}\n{end}\n" for name, text in variables.items())


_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|<>~&-])")


def command(name: str, message: str, title: str | None = None) -> str:
    """`::warning title=…::message`; nothing in it can begin another command."""
    if title is not None:
        name += f" title={_data(title).replace(':', '%3A').replace(',', '%2C')}"
    return f"::{name}::{_data(message)}"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of GitHub's Markdown in which every cell is plain text."""
    lines = [headers, ["---"] * len(headers)]
    for row in rows:
        lines.append([_MARKUP.sub(r"\\\1", " ".join(text.split())) for text in row])
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

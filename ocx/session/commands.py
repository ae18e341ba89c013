"""The commands of a session: their files, models and answers; what TAB offers, what it took."""

from __future__ import annotations

import re
import shlex
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from ocx.api import Client
from ocx.api.models import model_ids
from ocx.config.paths import read_models, write_models
from ocx.config.settings import Settings
from ocx.config.values import expand
from ocx.context import Context
from ocx.decoding import FLAG
from ocx.errors import OcxError, UsageError, os_errors_as
from ocx.files import atomic_write
from ocx.history.call import Totals
from ocx.process import ignoring_interrupts
from ocx.terminal import Terminal
from ocx.text import counted, did_you_mean, one_line

_SHELL_TO_SESSION = (
    (r"`ocx models` lists", "/model lists"),
    (r"did you mean -m ([^?]+)\?", r"did you mean /model \1?"),
)
_DIGITS = 5
# `ocx serve` answers to these without listing them.
_UNLISTED = ("lorem:", "fault/")
_LISTED = "/model lists them"

Candidates = Callable[[str], Iterable[str]]
"""Gives what an argument that begins so may become."""


def as_typed_in_ascii(line: str) -> str:
    """`／ｍodel　３`, as a Chinese or Japanese keyboard types it, is `/model ３`."""
    if line[:1] != "／" or line[:2] == "／／":
        return line
    word, space, rest = line.replace("\u3000", " ", 1).partition(" ")
    return f"{normalize('NFKC', word)}{space}{rest}"


def completions(line: str, commands: Mapping[str, Candidates | None]) -> list[str]:
    """Every line that `line`, up to the cursor, may become; empty for a message.

    Args:
        commands: each command, with what completes its argument; None if nothing does.
    """
    line = as_typed_in_ascii(line)
    if not line.startswith("/") or line.startswith("//"):
        return []
    word, space, argument = line.partition(" ")
    if space:
        takes = commands.get(word)
        return [f"{word} {found}" for found in takes(argument)] if takes else []
    return [
        name if takes is None else f"{name} "
        for name, takes in commands.items()
        if name.startswith(word)
    ]


def no_argument(_begun: str) -> list[str]:
    """For an argument that nothing completes."""
    return []


def files(begun: str) -> list[str]:
    """Files and folders, these with a slash at the end; hidden ones only if asked for."""
    folder, slash, name = begun.rpartition("/")
    try:
        found = sorted(Path(expand(folder + slash) or ".").iterdir())
    except (OSError, ValueError):
        return []
    return [
        f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"
        for path in found
        if path.name.startswith(name) and path.name.startswith(".") == name.startswith(".")
        # What would not stand on one line as it is cannot be typed either.
        if path.name.isprintable()
    ]


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
    with suppress(OSError, ValueError):
        if text and Path(expand(text)).exists():
            return [text]
    try:
        names = shlex.split(text)
    except ValueError:  # a quote alone, as in `Ann's notes`
        names = [text]
    if not names or "-" in names:
        raise UsageError("/file needs the name of a file")
    return names


@dataclass
class Models:
    """The ids of the account's models, asked for if none are known yet."""

    ctx: Context
    client: Client

    def known(self, settings: Settings) -> list[str]:
        """Those that were listed before, as TAB offers them in the shell."""
        return read_models(self.ctx.terminal.env, settings)

    def show(self, settings: Settings) -> None:
        """List them, the one in use marked."""
        for number, name in enumerate(self._all(settings), 1):
            mark = "*" if name == settings.model else " "
            self.ctx.terminal.message(f"{mark}{number:>3}  {one_line(name)}")

    def chosen(self, settings: Settings, name: str) -> str:
        """The id with this number in the list, or the name itself, if there is such a model.

        Raises:
            UsageError: there is none; nobody wants to learn that from the next question.
        """
        ids = self._all(settings)
        if not ids or name in ids:
            return name
        digits = normalize("NFKC", name)  # full-width ones of a Chinese keyboard too
        if digits.isascii() and digits.isdigit() and len(digits) < _DIGITS:
            if 0 < int(digits) <= len(ids):
                return ids[int(digits) - 1]
            raise UsageError(f"there are {counted(len(ids), 'model')}", hint=_LISTED)
        if name.startswith(_UNLISTED):
            return name
        ids = self._ask(settings)  # the list may be an old one
        if ids and name not in ids:
            raise UsageError(f"no model called {name}{did_you_mean(name, ids)}", hint=_LISTED)
        return name

    def _all(self, settings: Settings) -> list[str]:
        return self.known(settings) or self._ask(settings)

    def _ask(self, settings: Settings) -> list[str]:
        try:
            ids = model_ids(self.client.models().json)
        except OcxError as error:
            self.ctx.note(f"the models cannot be listed: {error.message}")
            return []
        write_models(self.ctx.terminal.env, settings, ids, self.ctx.terminal.stderr.keys)
        return ids


_PATIENCE = 5.0  # seconds; some stay in the background as long as they hold the clipboard


def copy_text(terminal: Terminal, text: str) -> None:
    """Ask the terminal to put `text` into the clipboard, wherever the terminal runs.

    By OSC 52 of xterm's control sequences; a terminal that does not know it, or does not allow it,
    says nothing. So a program of this machine is asked, too, unless the terminal is elsewhere.
    """
    data = text.encode("utf-8", "replace")
    terminal.stdout.write(b"\x1b]52;c;" + b64encode(data) + b"\x07")
    for command in _clipboards(terminal.env):
        encoded = text.encode("utf-16", "replace") if command[0] == "clip.exe" else data
        with suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(
                command,
                input=encoded,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_PATIENCE,
                check=False,
            )
            if done.returncode == 0:
                return


def _clipboards(env: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    if "SSH_CONNECTION" in env:
        return
    yield ("pbcopy",)
    if env.get("WAYLAND_DISPLAY"):
        yield ("wl-copy",)
    if env.get("DISPLAY"):
        yield ("xclip", "-selection", "clipboard")
    yield ("clip.exe",)  # of Windows, under WSL


def pipe_text(command: str, text: str) -> None:
    """Run a command line that the user typed, with `text` as its stdin and nothing else of it.

    Raises:
        OcxError: it cannot be started, or fails.
    """
    data = text if text.endswith("\n") else f"{text}\n"
    with ignoring_interrupts(), os_errors_as(OcxError, f"cannot run {command}"):
        done = subprocess.run(  # noqa: S602 - the user's own line, as in any shell
            command, shell=True, input=data.encode("utf-8", "replace"), check=False
        )
    if done.returncode:
        raise OcxError(f"the command failed (status {done.returncode}): {command}")


def save_text(name: str, text: str) -> None:
    """Write `text` to a file that is not there yet.

    Raises:
        UsageError: there is no name, the file exists, or it cannot be written.
    """
    if not name:
        raise UsageError("/save needs the name of a new file")
    with os_errors_as(UsageError, f"cannot write {name}"):
        path = Path(expand(name))
        if path.exists() or path.is_symlink():
            raise UsageError(f"{name} exists already", hint="/save takes a new name")
        atomic_write(path, (text if text.endswith("\n") else f"{text}\n").encode())


def tokens_so_far(took: Totals) -> str:
    """`18 prompt + 6 completion = 24 tokens so far`."""
    total, unknown = counted(took.tokens, "token"), took.unknown_tokens
    more = f" and {counted(unknown, 'answer')} not counted" if unknown else ""
    parts = f"{took.prompt_tokens or 0} prompt + {took.completion_tokens or 0} completion"
    return f"{parts} = {total}{more} so far"


def cost_so_far(took: Totals) -> str | None:
    """`0.000012 credits so far`; None before the first answer."""
    unknown = took.unknown_credits
    if took.credits is None:
        text = "unknown so far; `ocx chat --cost` asks the balance around each answer"
        return text if unknown else None
    more = f", and {counted(unknown, 'answer')} unknown" if unknown else ""
    return f"{took.credits:f} credits so far{more}"

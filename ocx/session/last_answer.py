"""Taking the last answer elsewhere: to the clipboard, or to a program of the user's."""

from __future__ import annotations

import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path

from ocx.config.paths import expand
from ocx.errors import OcxError, UsageError
from ocx.files import atomic_write
from ocx.signals import ignoring_interrupts
from ocx.terminal import Terminal

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
        if _takes(command, encoded):
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


def _takes(command: tuple[str, ...], data: bytes) -> bool:
    if shutil.which(command[0]) is None:
        return False
    try:
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def pipe_text(command: str, text: str) -> None:
    """Run a command line that the user typed, with `text` as its stdin and nothing else of it.

    Raises:
        OcxError: it cannot be started, or fails.
    """
    data = text if text.endswith("\n") else f"{text}\n"
    try:
        with ignoring_interrupts():
            done = subprocess.run(  # noqa: S602 - the user's own line, as in any shell
                command, shell=True, input=data.encode("utf-8", "replace"), check=False
            )
    except (OSError, ValueError) as error:
        raise OcxError(f"cannot run {command}: {getattr(error, 'strerror', error)}") from error
    if done.returncode:
        raise OcxError(f"the command failed (status {done.returncode}): {command}")


def save_text(name: str, text: str) -> None:
    """Write `text` to a file that is not there yet.

    Raises:
        UsageError: there is no name, the file exists, or it cannot be written.
    """
    if not name:
        raise UsageError("/save needs the name of a new file")
    try:
        path = Path(expand(name))
        if path.exists() or path.is_symlink():
            raise UsageError(f"{name} exists already", hint="/save takes a new name")
        atomic_write(path, (text if text.endswith("\n") else f"{text}\n").encode())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write {name}: {getattr(error, 'strerror', error)}") from None

"""The answers of a session: the last one taken elsewhere, and what all of them took so far."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ocx.api.usage import Cost
from ocx.config.paths import expand
from ocx.errors import OcxError, UsageError
from ocx.files import atomic_write
from ocx.process import ignoring_interrupts
from ocx.terminal import Terminal
from ocx.text import counted

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


@dataclass
class Totals:
    """Tokens and credits, apart from those that nobody counted: they are not the same as none."""

    prompt: int = 0
    completion: int = 0
    uncounted: int = 0
    credits: Decimal = Decimal(0)
    priced: int = 0
    unpriced: int = 0

    def add(self, usage: Mapping[str, Any] | None, cost: Cost | None) -> None:
        """One answer more."""
        prompt, completion = (
            count if isinstance(count := (usage or {}).get(name), int) else 0
            for name in ("prompt_tokens", "completion_tokens")
        )
        self.prompt += prompt
        self.completion += completion
        self.uncounted += not usage
        credits = cost.credits if cost else None
        self.credits += credits or 0
        self.priced += credits is not None
        self.unpriced += credits is None

    def tokens(self) -> str:
        """`18 prompt + 6 completion = 24 tokens so far`."""
        total = counted(self.prompt + self.completion, "token")
        more = f" and {counted(self.uncounted, 'answer')} not counted" if self.uncounted else ""
        return f"{self.prompt} prompt + {self.completion} completion = {total}{more} so far"

    def cost(self) -> str | None:
        """`0.000012 credits so far`; None before the first answer."""
        if not self.priced:
            unknown = "unknown so far; `ocx chat --cost` asks the balance around each answer"
            return unknown if self.unpriced else None
        more = f", and {counted(self.unpriced, 'answer')} unknown" if self.unpriced else ""
        return f"{self.credits:f} credits so far{more}"

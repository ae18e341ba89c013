"""Taking the last answer elsewhere: to the clipboard, or to a program of the user's."""

from __future__ import annotations

import subprocess
from base64 import b64encode

from ocx.errors import OcxError
from ocx.signals import ignoring_interrupts
from ocx.terminal import Terminal


def copy_text(terminal: Terminal, text: str) -> None:
    """Ask the terminal to put `text` into the clipboard, wherever the terminal runs.

    By OSC 52 of xterm's control sequences; a terminal that does not know it, or does not allow it,
    says nothing.
    """
    encoded = b64encode(text.encode("utf-8", "replace"))
    terminal.stdout.write(b"\x1b]52;c;" + encoded + b"\x07")


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

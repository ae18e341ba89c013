"""The user's editor: which one it is, and a text that is written in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ocx.decoding import decode
from ocx.errors import OcxError, UsageError, os_errors_as
from ocx.process import ignoring_interrupts


def editor(env: Mapping[str, str], *, terminal: bool) -> list[str]:
    """$VISUAL, else $EDITOR, split as a shell would, else vi if a person can use it.

    Raises:
        UsageError: there is none.
    """
    for variable in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(env.get(variable, ""))
        except ValueError as error:
            raise UsageError(f"${variable} cannot be split into words: {error}") from error
        if words:
            return words
    if not terminal:
        raise UsageError("no editor: this is not a terminal", hint="set $VISUAL or $EDITOR")
    return ["vi"]


def run_editor(command: list[str], path: Path) -> None:
    """Let the user edit `path`.

    Raises:
        OcxError: the editor fails or cannot be started.
    """
    what = f"cannot start the editor {command[0]}"
    with ignoring_interrupts(), os_errors_as(OcxError, what, hint="set $VISUAL or $EDITOR"):
        status = subprocess.run([*command, str(path)], check=False).returncode
    if status != 0:
        raise OcxError(f"the editor {command[0]} failed (status {status}); nothing was changed")


def edit_text(command: list[str], text: str, suffix: str = ".md") -> str:
    """What the user makes of `text`, as of a prompt for `-e/--editor`.

    Raises:
        UsageError: the text is not UTF-8.
        OcxError: the editor fails.
    """
    hint = "TMPDIR names a folder for temporary files"
    with os_errors_as(OcxError, "cannot edit the text", hint=hint):
        fd, name = tempfile.mkstemp(prefix="ocx-", suffix=suffix)  # 0600: prompts hold secrets
        draft = Path(name)
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode())
        try:
            run_editor(command, draft)
            return decode(draft.read_bytes(), "the edited text")
        finally:
            draft.unlink(missing_ok=True)

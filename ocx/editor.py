"""`-e/--editor`: the prompt written in the user's editor."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ocx.config.saving import editor, run_editor
from ocx.decoding import decode
from ocx.errors import OcxError
from ocx.runtime import Runtime


def edit_text(run: Runtime, text: str, suffix: str = ".md") -> str:
    """What the user makes of `text`.

    Raises:
        UsageError: there is no editor, or the text is not UTF-8.
        OcxError: the editor fails.
    """
    command = editor(run.terminal.env, terminal=run.terminal.can_ask())
    try:
        fd, name = tempfile.mkstemp(prefix="ocx-", suffix=suffix)  # 0600: prompts hold secrets
        draft = Path(name)
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode())
        try:
            run_editor(command, draft)
            return decode(draft.read_bytes(), "the edited text")
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise OcxError(
            f"cannot edit the text: {error.strerror or error}",
            hint="TMPDIR names a folder for temporary files",
        ) from error

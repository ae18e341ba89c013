"""Editing config.toml in the user's editor: checked before it replaces the old one, never lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ocx.config.paths import Env, config_file
from ocx.config.profiles import ConfigFile
from ocx.config.schema import SETTINGS
from ocx.config.settings import check_file
from ocx.config.transactions import replace_config
from ocx.errors import ConfigError, OcxError, UsageError
from ocx.files import atomic_write, make_folder
from ocx.signals import ignoring_interrupts
from ocx.toml import parse, read_bytes


def editor(env: Env, *, terminal: bool) -> list[str]:
    """$VISUAL, else $EDITOR, split as a shell would, else vi if a person can use it.

    Raises:
        UsageError: there is none.
    """
    import shlex  # only for editing

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


def edit_config(
    env: Env, command: list[str], again: Callable[[ConfigError], bool]
) -> list[str] | None:
    """Let the user edit the config file; it is saved once it is valid.

    If it is not saved, the text is kept, and the hint of the error says where.

    Args:
        again: told what is wrong with the text, says whether to go back to the editor.

    Returns:
        Warnings about what the new file holds; None if nothing was changed.

    Raises:
        ConfigError: the text stays invalid, or others changed the file meanwhile.
        OcxError: the editor or the disk fails.
    """
    path = config_file(env)
    old = read_bytes(path)
    text = old if old is not None else template()
    with _draft(path, text) as draft:
        while True:
            run_editor(command, draft)
            new = _read_draft(draft)
            if new == text:
                return None
            edited = _checked(draft, new, again)
            if edited is not None:
                break
        config, warnings = edited
        replace_config(env, old, new, config._replace(path=path, found=old is not None))
    return [warning.replace(str(draft), str(path)) for warning in warnings]


def _checked(
    draft: Path, text: bytes, again: Callable[[ConfigError], bool]
) -> tuple[ConfigFile, list[str]] | None:
    """The config that the draft holds; None if the user goes back to the editor."""
    try:
        config = ConfigFile(draft, parse(text, draft), True)
        return config, check_file(config)
    except ConfigError as error:
        if again(error):
            return None
        raise


def run_editor(command: list[str], path: Path) -> None:
    """Let the user edit `path`.

    Raises:
        OcxError: the editor fails or cannot be started.
    """
    try:
        with ignoring_interrupts():
            status = subprocess.run([*command, str(path)], check=False).returncode
    except OSError as error:
        raise OcxError(
            f"cannot start the editor {command[0]}: {error.strerror or error}",
            hint="set $VISUAL or $EDITOR",
        ) from error
    if status != 0:
        raise OcxError(f"the editor {command[0]} failed (status {status}); nothing was changed")


@contextmanager
def _draft(path: Path, text: bytes) -> Iterator[Path]:
    """A file to edit, beside the real one; it is kept, and named, if editing fails.

    One that still holds `text` is removed in any case. An interrupt keeps it as well.
    """
    # Not to be guessed: in a folder of others a link of that name might wait.
    draft = path.with_name(f"{path.stem}.edit-{os.urandom(4).hex()}.toml")
    try:
        make_folder(path.parent)
        atomic_write(draft, text, 0o600)
    except OSError as error:
        raise OcxError(f"cannot write {draft}: {error.strerror or error}") from error
    try:
        yield draft
    except OcxError as error:
        if read_bytes(draft) not in {None, text}:
            error.hint = f"your text is kept in {draft}"
        else:
            draft.unlink(missing_ok=True)
        raise
    draft.unlink(missing_ok=True)


def _read_draft(path: Path) -> bytes:
    data = read_bytes(path)
    if data is None:
        raise ConfigError("the editor removed the file that it was given")
    return data


def template() -> bytes:
    """What there is to set, as comments: the text for somebody who has no config file yet."""
    head = [
        "# Settings of ocx. A line counts once its first # is gone.",
        "# Keys do not belong here: `ocx keys add NAME`.",
        "",
        '# default_profile = "default"',
        "",
        "# [profiles.default]",
    ]
    rows = [f"# {s.name} = {s.example}  # {s.help}" for s in SETTINGS]
    tail = ["", "# [aliases]", '# fast = "deepseek-chat"', "", '# [prices."gpt-4o"]']
    tail += ["# prompt = 5.0  # credits per million tokens, for the budgets of ocx batch"]
    tail += ["# completion = 15.0", "# cached_prompt = 2.5  # of tokens in the server's cache", ""]
    return "\n".join([*head, *rows, *tail]).encode()

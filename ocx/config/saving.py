"""Changing config.toml: read, change, write, all under one lock.

Editing config.toml in the user's editor: checked before it replaces the old one, never lost.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ocx.config.completion_cache import write_names
from ocx.config.paths import ELSEWHERE, Env, config_dir, config_file
from ocx.config.profiles import ConfigFile, choose_profile, load, named_profile
from ocx.config.schema import SANDBOX, SETTINGS
from ocx.config.setting_path import Target
from ocx.config.settings import check_file
from ocx.errors import ConfigError, OcxError, UsageError
from ocx.files import atomic_write, locked, make_folder
from ocx.owners import is_out_of_reach
from ocx.signals import ignoring_interrupts
from ocx.toml import TomlFile, dump, read_bytes

# Strings first, so that a # inside one is not a comment.
_TOKENS = r'(?s:"""(?:\\.|[^\\])*?"""|' r"'''.*?'''|" r'"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'|(#))"


class SavedChange(NamedTuple):
    """What was saved: the profile that was written, if one was, and a copy of the old file.

    `backup` is None if the old file held no comments: saving drops them, and nothing else.
    """

    profile: str | None
    backup: Path | None

    @property
    def place(self) -> str:
        """What a message about the change begins with."""
        return f"profile {self.profile}: " if self.profile else ""

    def notes(self) -> list[str]:
        """What the user should know about it."""
        if self.backup is None:
            return []
        return [f"comments are not kept; the file with them is in {self.backup}"]


def change_config(env: Env, change: Callable[[ConfigFile], str | None]) -> SavedChange:
    """Let `change` alter the data of the config file, and save it; it names the profile it wrote.

    What `change` raises saves nothing.

    Raises:
        ConfigError: the file is broken.
        OcxError: the file cannot be written.
    """
    path = config_file(env)
    with changing(path, config_dir(env)):
        config = load(env)
        before = dump(config.data)
        profile = change(config)
        after = dump(config.data)
        if after == before:
            return SavedChange(profile, None)
        backup = _save_comments(path)
        _save_config(env, config, after)
    return SavedChange(profile, backup)


def change_profile(
    env: Env,
    flags: Mapping[str, Any],
    change: Callable[[ConfigFile, dict[str, Any]], None],
    *,
    create: bool = True,
) -> SavedChange:
    """The same for one profile: of -P, else the one in force; made if there is none.

    `--sandbox` means the built-in profile, which is refused.
    """
    choose = named_profile if create else choose_profile

    def apply(config: ConfigFile) -> str:
        name: str = SANDBOX if flags.get("sandbox") else choose(config, flags, env).value
        refuse_sandbox(name)
        table = dict(config.profiles().get(name, {}))
        change(config, table)
        if table or name in config.profiles():
            config.data.setdefault("profiles", {})[name] = table
        return name

    return change_config(env, apply)


def change_setting(
    env: Env,
    flags: Mapping[str, Any],
    where: Target,
    change: Callable[[ConfigFile, dict[str, Any]], None],
    *,
    create: bool = True,
) -> SavedChange:
    """Change a setting where it stands: in a profile, or in the file besides all profiles."""
    if where.in_profile:
        return change_profile(env, flags, change, create=create)
    return change_config(env, lambda config: change(config, {}))


def replace_config(env: Env, old: bytes | None, new: bytes, config: ConfigFile) -> None:
    """Save `new`, text that a person wrote, as it is; `config` is what it says.

    Raises:
        ConfigError: the file no longer holds `old`.
        OcxError: the file cannot be written.
    """
    path = config_file(env)
    with changing(path, config_dir(env)):
        if _content(path) != old:
            raise ConfigError(f"{path} was changed by another program meanwhile")
        _save_config(env, config, new)


@contextmanager
def changing(path: Path, own_folder: Path, *, private: bool = False) -> Iterator[None]:
    """Hold the lock for changing `path`; its folder is made, and closed to others if `private`.

    Raises:
        OcxError: the file cannot be written.
    """
    try:
        if path.parent == own_folder:
            make_folder(own_folder, private=private)
        else:  # OCX_CONFIG: a folder of the user's
            make_folder(path.parent)
        with locked(path):
            yield
    except OSError as error:
        hint = ELSEWHERE if is_out_of_reach(path) else None
        raise OcxError(f"cannot write {path}: {error.strerror or error}", hint=hint) from error


def refuse_sandbox(name: str) -> None:
    """Refuse to write to the built-in profile.

    Raises:
        ConfigError: `name` is that profile.
    """
    if name == SANDBOX:
        raise ConfigError(
            f"the profile {SANDBOX} is built in and cannot be changed",
            hint="name another one with -P; settings for one call are flags",
        )


def has_comments(text: str) -> bool:
    """Whether a TOML document has a comment."""
    return any(match.group(1) for match in re.finditer(_TOKENS, text))


def _save_config(env: Env, config: ConfigFile, data: bytes) -> None:
    atomic_write(config.path, data, None if config.found else 0o600)
    write_names(env, "profiles", config.names())


def _save_comments(path: Path) -> Path | None:
    data = _content(path)
    if data is None or not has_comments(data.decode("utf-8-sig")):
        return None
    backup = path.with_name(f"{path.name}~")
    atomic_write(backup, data, path.stat().st_mode & 0o777)
    return backup


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


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
        config = ConfigFile(draft, TomlFile(draft, text).data, True)
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

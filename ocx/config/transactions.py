"""Changing config.toml: read, change, write, all under one lock."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ocx.config.completion_cache import write_names
from ocx.config.paths import ELSEWHERE, Env, config_dir, config_file
from ocx.config.profiles import ConfigFile, choose_profile, load, named_profile
from ocx.config.schema import SANDBOX
from ocx.config.setting_path import Target
from ocx.errors import ConfigError, OcxError
from ocx.files import atomic_write, locked, make_folder
from ocx.owners import is_out_of_reach
from ocx.toml import dump

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

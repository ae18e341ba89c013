"""Changing config.toml: read, change, write, all under one lock; and editing it as a text."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from ocx.config.paths import ELSEWHERE, Env, config_file, write_names
from ocx.config.profiles import ConfigFile, choose_profile, load, named_profile
from ocx.config.schema import SANDBOX, SETTINGS
from ocx.config.setting_path import SettingPath
from ocx.config.settings import check_file
from ocx.errors import ConfigError, OcxError, os_errors_as
from ocx.files import atomic_write, locked, make_folder
from ocx.owners import is_out_of_reach
from ocx.process import run_editor
from ocx.toml import changed, read_bytes

Change = Callable[[ConfigFile, dict[str, Any]], None]
"""Changes the data of the file, or one profile in it; what it raises saves nothing."""


def change_config(env: Env, change: Callable[[ConfigFile], None]) -> None:
    """Let `change` alter the data of the config file, and save it.

    Raises:
        ConfigError: the file is broken.
        OcxError: the file cannot be written.
    """
    path = config_file(env)
    with locked_for_change(path):
        config = load(env)
        before = copy.deepcopy(config.data)
        change(config)
        if config.data != before:
            _save(env, config, changed(config.content or b"", config.data))


def change_profile(
    env: Env, flags: Mapping[str, Any], change: Change, *, create: bool = True
) -> str:
    """The same for one profile: of -P, else the one in force; its name.

    Args:
        flags: `sandbox` means the built-in profile, which is refused.
        create: a profile that does not exist is made.
    """
    name: str = SANDBOX

    def apply(config: ConfigFile) -> None:
        nonlocal name
        if not flags.get("sandbox"):
            name = (named_profile if create else choose_profile)(config, flags, env).value
        refuse_sandbox(name)
        table = dict(config.profile(name))
        change(config, table)
        if table or name in config.profiles():
            config.data.setdefault("profiles", {})[name] = table

    change_config(env, apply)
    return name


def change_setting(
    env: Env, flags: Mapping[str, Any], where: SettingPath, change: Change, *, create: bool = True
) -> str:
    """Change a setting where it stands: in a profile, or in the file besides all profiles.

    Returns:
        What a message about it begins with.
    """
    if where.in_profile:
        return f"profile {change_profile(env, flags, change, create=create)}: "
    change_config(env, lambda config: change(config, {}))
    return ""


@contextmanager
def locked_for_change(path: Path, *, private: bool = False) -> Iterator[None]:
    """Hold the lock for changing `path`; its folder is made, and closed to others if `private`.

    Raises:
        OcxError: the file cannot be written.
    """
    hint = ELSEWHERE if is_out_of_reach(path) else None
    with os_errors_as(OcxError, f"cannot write {path}", hint=hint):
        make_folder(path.parent, private=private)
        with locked(path):
            yield


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


def _save(env: Env, config: ConfigFile, data: bytes) -> None:
    atomic_write(config.path, data, None if config.found else 0o600)
    write_names(env, "profiles", config.names())


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
    text = template() if old is None else old
    with _draft(path, text) as draft:
        while True:
            run_editor(command, draft)
            new = read_bytes(draft)
            if new is None:
                raise ConfigError("the editor removed the file that it was given")
            if new == text:
                return None
            try:
                config = ConfigFile.of(draft, new)
                warnings = check_file(config)
                break
            except ConfigError as error:
                if not again(error):
                    raise
        with locked_for_change(path):
            if read_bytes(path) != old:
                raise ConfigError(f"{path} was changed by another program meanwhile")
            _save(env, config._replace(path=path, content=old), new)
    return [warning.replace(str(draft), str(path)) for warning in warnings]


@contextmanager
def _draft(path: Path, text: bytes) -> Iterator[Path]:
    """A file to edit, beside the real one; it is kept, and named, if editing fails.

    One that still holds `text` is removed in any case. An interrupt keeps it as well.
    """
    # Not to be guessed: in a folder of others a link of that name might wait.
    draft = path.with_name(f"{path.stem}.edit-{os.urandom(4).hex()}.toml")
    with os_errors_as(OcxError, f"cannot write {draft}"):
        make_folder(path.parent)
        atomic_write(draft, text, 0o600)
    try:
        yield draft
    except OcxError as error:
        if read_bytes(draft) not in {None, text}:
            error.hint = f"your text is kept in {draft}"
        else:
            draft.unlink(missing_ok=True)
        raise
    draft.unlink(missing_ok=True)


def template() -> bytes:
    """What there is to set, as comments: the text for somebody who has no config file yet."""
    rows = "\n".join(f"# {each.name} = {each.example}  # {each.help}" for each in SETTINGS)
    text = (files(__package__) / "template.toml").read_text("utf-8")
    return text.replace("# SETTINGS", rows).encode()

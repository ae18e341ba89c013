"""`ocx config get`."""

from __future__ import annotations

from typing import Any

from ocx.commands.options import SettingName
from ocx.config.profiles import load
from ocx.config.schema import DEFAULT_PROFILE
from ocx.config.setting_path import as_text, plain, target
from ocx.config.settings import Settings
from ocx.runtime import Runtime


def get(run: Runtime, name: SettingName) -> None:
    """Print the value of one setting.

    Nothing is printed where it is not set.
    """
    value = _in_force(run, run.settings(), name)
    if run.json:
        from ocx.output.json_output import write_json  # json is start-up that a script can save

        write_json(run.terminal, value)
    elif value is not None:
        run.terminal.print(as_text(value))


def _in_force(run: Runtime, settings: Settings, word: str) -> Any:
    if word == "profile":
        return settings.profile
    where = target(word)
    if where.name == "default_profile":
        return load(run.terminal.env).default_profile() or DEFAULT_PROFILE
    if where.name == "aliases":
        return settings.aliases.get(where.entry or "")
    if where.entry is not None:
        wanted = where.entry.lower()
        return next((v for n, v in settings.headers.items() if n.lower() == wanted), None)
    return plain(getattr(settings, where.name))

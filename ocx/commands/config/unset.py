"""`ocx config unset`."""

from __future__ import annotations

from typing import Any

from ocx.commands.options import SettingName
from ocx.config.profiles import ConfigFile, load, named_profile
from ocx.config.saving import change_setting
from ocx.config.setting_path import Target, drop, target
from ocx.runtime import Runtime


def unset(run: Runtime, name: SettingName) -> None:
    """Remove NAME from a profile: of -P, else the default one."""
    # What nothing reads can be removed as well: it stands in the file by mistake.
    config = load(run.terminal.env)
    stray = name in config.profile(named_profile(config, run.flags, run.terminal.env).value)
    where = Target(name) if stray else target(name)
    found = False

    def change(config: ConfigFile, profile: dict[str, Any]) -> None:
        nonlocal found
        found = drop(config, profile, where)

    changed = change_setting(run.terminal.env, run.flags, where, change, create=False)
    run.notes(changed.notes())
    run.note(f"{changed.place}{name} {'is removed' if found else 'was not set'}")

"""`ocx keys use`."""

from __future__ import annotations

from typing import Any

from ocx.commands.options import KeyName
from ocx.config.profiles import ConfigFile
from ocx.config.saving import change_profile
from ocx.keys.adding import warn_of_use
from ocx.keys.credentials import load_keys, stored_key
from ocx.runtime import Runtime


def use(run: Runtime, name: KeyName) -> None:
    """Use this key in a profile: of -P, else the default one."""
    key = stored_key(load_keys(run.terminal.env), name)
    table: dict[str, Any] = {}

    def change(_: ConfigFile, profile: dict[str, Any]) -> None:
        profile["key_name"] = name
        table.update(profile)

    changed = change_profile(run.terminal.env, run.flags, change, create=False)
    run.notes(changed.notes())
    run.note(f"profile {changed.profile} uses the key {name} now")
    warn_of_use(run, key, table)

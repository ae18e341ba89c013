"""`ocx keys rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.commands.options import KeyName
from ocx.config.profiles import load, users_of
from ocx.keys.credentials import Keys, change_keys, load_keys, stored_key
from ocx.runtime import Runtime


def rm(
    run: Runtime,
    name: KeyName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a stored key.

    It still works until it is revoked in the dashboard.
    """
    stored_key(load_keys(run.terminal.env), name)
    users = users_of(load(run.terminal.env), name)
    used = f" Used by: {', '.join(users)}." if users else ""
    run.confirm(f"Remove the key {name}?{used}", yes)

    def change(keys: Keys) -> None:
        del keys[stored_key(keys, name).name]

    change_keys(run.terminal.env, change)
    run.note(f"key {name} is removed; it still works until it is revoked in the dashboard")
    for profile in users:
        run.warn(f"profile {profile} still uses this key: `ocx keys use NAME -P {profile}`")

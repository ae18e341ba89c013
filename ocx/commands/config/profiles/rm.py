"""`ocx config profiles rm`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ocx.commands.options import Yes
from ocx.config.profiles import ConfigFile, choose_profile, load
from ocx.config.saving import change_setting, refuse_sandbox
from ocx.config.setting_path import Target
from ocx.config.values import composed
from ocx.errors import UsageError
from ocx.runtime import Runtime


def rm(
    run: Runtime,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The profile to remove.", callback=composed)
    ],
    yes: Yes = False,
) -> None:
    """Remove a profile; stored keys stay."""
    _check_removable(load(run.terminal.env), name)
    run.confirm(f"Remove the profile {name}?", yes)

    def change(config: ConfigFile, _: dict[str, Any]) -> None:
        _check_removable(config, name)
        del config.profiles()[name]

    changed = change_setting(run.terminal.env, run.flags, Target("profiles"), change)
    run.notes(changed.notes())
    run.note(f"profile {name} is removed")


def _check_removable(config: ConfigFile, name: str) -> None:
    refuse_sandbox(name)
    choose_profile(config, {"profile": name}, {})
    if not config.profile(name):
        raise UsageError(f"the profile {name} is built in and holds nothing")
    if name == config.default_profile():
        raise UsageError(
            f"{name} is the default profile",
            hint="choose another first: `ocx config profiles use NAME`",
        )

"""`ocx config profiles use`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ocx.config.profiles import ConfigFile, choose_profile
from ocx.config.saving import change_setting
from ocx.config.schema import env_name
from ocx.config.setting_path import Target
from ocx.config.values import composed
from ocx.runtime import Runtime


def use(
    run: Runtime,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A profile.", callback=composed)],
) -> None:
    """Use this profile wherever none is named."""

    def change(config: ConfigFile, _: dict[str, Any]) -> None:
        choose_profile(config, {"profile": name}, {})
        config.data["default_profile"] = name

    changed = change_setting(run.terminal.env, run.flags, Target("default_profile"), change)
    run.notes(changed.notes())
    run.note(f"{name} is the default profile now")
    run.note_override(env_name("profile"))

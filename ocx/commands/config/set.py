"""`ocx config set`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ocx.commands.options import SettingName
from ocx.config.profiles import ConfigFile, choose_profile
from ocx.config.saving import change_setting
from ocx.config.schema import BY_NAME, env_name
from ocx.config.setting_path import as_text, masked, put, target, value_of
from ocx.config.settings import check_url_and_auth
from ocx.runtime import Runtime


def set_(
    run: Runtime,
    name: SettingName,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="Lists and tables as JSON or TOML.")
    ],
) -> None:
    """Set NAME to VALUE in a profile.

    That is the profile of -P, else the default one; one that does not exist yet is created. Keys
    are not settings: see `ocx keys add`.
    """
    where = target(name)
    typed = value_of(where, value)

    def change(config: ConfigFile, profile: dict[str, Any]) -> None:
        put(config, profile, where, typed)
        if where.name == "default_profile":
            choose_profile(config, {}, {})
        if where.name in {"base_url", "auth"}:
            check_url_and_auth(profile, "the profile")

    changed = change_setting(run.terminal.env, run.flags, where, change)
    run.notes(changed.notes())
    run.note(f"{changed.place}{name} = {as_text(masked(where, typed))}")
    if where.name in BY_NAME and BY_NAME[where.name].variable:
        run.note_override(env_name(where.name))

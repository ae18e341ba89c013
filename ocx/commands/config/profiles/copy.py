"""`ocx config profiles copy`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ocx.config.profiles import ConfigFile, choose_profile
from ocx.config.saving import change_setting, refuse_sandbox
from ocx.config.schema import DEFAULT_PROFILE
from ocx.config.setting_path import Target
from ocx.config.values import check_name, composed
from ocx.errors import UsageError
from ocx.runtime import Runtime


def copy(
    run: Runtime,
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="The profile to copy.", callback=composed)
    ],
    name: Annotated[
        str, typer.Argument(metavar="TO", help="The name of the copy.", callback=composed)
    ],
) -> None:
    """Copy a profile under a new name."""

    def change(config: ConfigFile, _: dict[str, Any]) -> None:
        refuse_sandbox(source)
        refuse_sandbox(check_name(name, "profile"))
        choose_profile(config, {"profile": source}, {})
        if name in config.names() and (name != DEFAULT_PROFILE or config.profile(name)):
            raise UsageError(
                f"there is a profile {name} already",
                hint=f"`ocx config profiles rm {name}` removes it",
            )
        config.data.setdefault("profiles", {})[name] = dict(config.profile(source))

    changed = change_setting(run.terminal.env, run.flags, Target("profiles"), change)
    run.notes(changed.notes())
    run.note(f"profile {name} is a copy of {source}")

"""`ocx config profiles`: list, choose, copy and remove profiles."""

from __future__ import annotations

from typing import Annotated

from ocx.cli import Option
from ocx.commands import Yes, print_result
from ocx.config.paths import env_name
from ocx.config.profiles import ConfigFile, choose_profile, load, named_profile
from ocx.config.saving import change_config, refuse_sandbox
from ocx.config.schema import DEFAULT_PROFILE
from ocx.config.setting_path import summary
from ocx.config.values import check_name, composed
from ocx.context import Context
from ocx.errors import UsageError
from ocx.output.columns import Column


def list_(ctx: Context) -> None:
    """List the profiles; the one in force is marked."""
    config = load(ctx.terminal.env)
    current = named_profile(config, ctx.flags, ctx.terminal.env).value
    profiles = [summary(config, name, current) for name in config.names()]
    rows = (
        (p["name"], "*" if p["current"] else "", p["base_url"], p["model"], p["key"] or "")
        for p in profiles
    )
    columns = (Column("PROFILE", "accent"), "", "BASE URL", "MODEL", Column("KEY", "dim"))
    print_result(ctx, profiles, columns, rows)


def use(ctx: Context, name: Annotated[str, Option("NAME", "A profile.", convert=composed)]) -> None:
    """Use this profile wherever none is named."""

    def change(config: ConfigFile) -> None:
        choose_profile(config, {"profile": name}, {})
        config.data["default_profile"] = name

    change_config(ctx.terminal.env, change)
    ctx.note(f"{name} is the default profile now")
    ctx.note_override(env_name("profile"))


def copy(
    ctx: Context,
    source: Annotated[str, Option("FROM", "The profile to copy.", convert=composed)],
    name: Annotated[str, Option("TO", "The name of the copy.", convert=composed)],
) -> None:
    """Copy a profile under a new name."""

    def change(config: ConfigFile) -> None:
        refuse_sandbox(source)
        refuse_sandbox(check_name(name, "profile"))
        choose_profile(config, {"profile": source}, {})
        if name in config.names() and (name != DEFAULT_PROFILE or config.profile(name)):
            raise UsageError(
                f"there is a profile {name} already",
                hint=f"`ocx config profiles rm {name}` removes it",
            )
        config.data.setdefault("profiles", {})[name] = dict(config.profile(source))

    change_config(ctx.terminal.env, change)
    ctx.note(f"profile {name} is a copy of {source}")


def rm(
    ctx: Context,
    name: Annotated[str, Option("NAME", "The profile to remove.", convert=composed)],
    yes: Yes = False,
) -> None:
    """Remove a profile; stored keys stay."""
    _check_removable(load(ctx.terminal.env), name)
    ctx.confirm(f"Remove the profile {name}?", yes)

    def change(config: ConfigFile) -> None:
        _check_removable(config, name)
        del config.profiles()[name]

    change_config(ctx.terminal.env, change)
    ctx.note(f"profile {name} is removed")


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

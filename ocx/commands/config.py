"""`ocx config`: what is set, where it comes from, and changing it.

Scripts ask for one setting: what only the other commands need is imported by them.
"""

from __future__ import annotations

from typing import Annotated, Any

from ocx.cli import Option
from ocx.commands import print_json, print_result
from ocx.config.paths import cache_dir, config_file, credentials_file, env_name, if_known, state_dir
from ocx.config.profiles import ConfigFile, choose_profile, load, named_profile
from ocx.config.schema import BY_NAME, DEFAULT_PROFILE
from ocx.config.setting_path import SettingPath, as_text, masked_value, to_json
from ocx.config.settings import Settings, check_url_and_auth
from ocx.context import Context
from ocx.errors import AuthError, ConfigError, OcxError, UsageError
from ocx.output.columns import Cell, Column
from ocx.text import one_line

_Name = Annotated[str, Option("NAME", "A setting, or headers.X, or aliases.X.")]
_Row = tuple[str, Any, str]
_COLUMNS = (Column("SETTING", "accent"), Column("VALUE"), Column("SOURCE", "dim"))


def show(ctx: Context) -> None:
    """Show all settings and where they come from.

    Keys are masked.
    """
    settings = ctx.settings()
    rows = _rows(ctx, settings)
    document = {name: {"value": value, "source": by} for name, value, by in rows}
    print_result(ctx, document, _COLUMNS, (_cells(*row) for row in rows))


def _cells(name: str, value: Any, by: str) -> tuple[str | Cell, ...]:
    """What nobody set is secondary on a terminal."""
    text = as_text(value)
    return (name if text else Cell(name, "dim"), text, by)


def _rows(ctx: Context, settings: Settings) -> list[_Row]:
    by = {name: str(source) for name, source in settings.sources.items()}
    rows = [("profile", settings.profile, by["profile"]), _key_row(ctx, settings)]
    for name in BY_NAME:
        value = masked_value(SettingPath(name), to_json(getattr(settings, name)))
        rows.append((name, value, by[name]))
    if settings.aliases:
        rows.append(("aliases", dict(settings.aliases), str(config_file(ctx.terminal.env))))
    if settings.sandbox:
        rows.append(("sandbox", "on", by["sandbox"]))
    return rows


def _key_row(ctx: Context, settings: Settings) -> _Row:
    """The key, masked; nothing is run or read from stdin to learn it."""
    from ocx.keys.lookup import locate_key

    try:
        source = locate_key(ctx, settings)
    except AuthError:
        return "key", None, "none found"
    if source.has_side_effects:
        return "key", None, f"{source.name} (not asked)"
    try:
        found = source.read(settings)
    except OcxError as error:
        ctx.warn(error.message)
        return "key", None, f"{source.name} (unusable)"
    return "key", found.secret and found.secret.masked(), found.source


def get(ctx: Context, name: _Name) -> None:
    """Print the value of one setting.

    Nothing is printed where it is not set.
    """
    value = _in_force(ctx, ctx.settings(), name)
    if ctx.json:
        print_json(ctx, value)
    elif value is not None:
        ctx.terminal.print(as_text(value))


def _in_force(ctx: Context, settings: Settings, word: str) -> Any:
    if word == "profile":
        return settings.profile
    where = SettingPath.parse(word)
    if where.name == "default_profile":
        return load(ctx.terminal.env).default_profile() or DEFAULT_PROFILE
    if where.name == "aliases":
        return settings.aliases.get(where.entry or "")
    if where.entry is not None:
        wanted = where.entry.lower()
        return next((v for n, v in settings.headers.items() if n.lower() == wanted), None)
    return to_json(getattr(settings, where.name))


def set_(
    ctx: Context,
    name: _Name,
    value: Annotated[str, Option("VALUE", "Lists and tables as JSON or TOML.")],
) -> None:
    """Set NAME to VALUE in a profile.

    That is the profile of -P, else the default one; one that does not exist yet is created. Keys
    are not settings: see `ocx keys add`.
    """
    from ocx.config.saving import change_setting

    where = SettingPath.parse(name)
    typed = where.value_of(value)

    def change(config: ConfigFile, profile: dict[str, Any]) -> None:
        where.put(config, profile, typed)
        if where.name == "default_profile":
            choose_profile(config, {}, {})
        if where.name in {"base_url", "auth"}:
            check_url_and_auth(profile, "the profile")

    place = change_setting(ctx.terminal.env, ctx.flags, where, change)
    ctx.note(f"{place}{name} = {as_text(masked_value(where, typed))}")
    if where.name in BY_NAME and BY_NAME[where.name].variable:
        ctx.note_override(env_name(where.name))


def unset(ctx: Context, name: _Name) -> None:
    """Remove NAME from a profile: of -P, else the default one."""
    from ocx.config.saving import change_setting

    # What nothing reads can be removed as well: it stands in the file by mistake.
    config = load(ctx.terminal.env)
    stray = name in config.profile(named_profile(config, ctx.flags, ctx.terminal.env).value)
    where = SettingPath(name) if stray else SettingPath.parse(name)
    found = False

    def change(config: ConfigFile, profile: dict[str, Any]) -> None:
        nonlocal found
        found = where.remove(config, profile)

    place = change_setting(ctx.terminal.env, ctx.flags, where, change, create=False)
    ctx.note(f"{place}{name} {'is removed' if found else 'was not set'}")


def path(ctx: Context) -> None:
    """Print where the config file is.

    --json names the other places, too.
    """
    env = ctx.terminal.env
    if ctx.json:
        places = {
            "config": config_file,
            "credentials": credentials_file,
            "state": state_dir,
            "cache": cache_dir,
        }
        found = {name: if_known(place, env) for name, place in places.items()}
        print_json(ctx, {name: path and str(path) for name, path in found.items()})
    else:
        ctx.terminal.print(str(config_file(env)))


def edit(ctx: Context) -> None:
    """Edit the config file in $VISUAL or $EDITOR.

    The text is checked before it replaces the old one, and kept where it is refused.
    """
    from ocx.config.saving import edit_config
    from ocx.process import editor

    command = editor(ctx.terminal.env, terminal=ctx.terminal.can_ask())
    warnings = edit_config(ctx.terminal.env, command, lambda error: _edit_again(ctx, error))
    if warnings is None:
        ctx.note("nothing changed")
        return
    for warning in warnings:
        ctx.warn(warning)
    ctx.note(f"saved {config_file(ctx.terminal.env)}")


def _edit_again(ctx: Context, error: ConfigError) -> bool:
    if not ctx.terminal.can_ask():
        return False
    ctx.terminal.message(f"ocx: error: {one_line(error.message)}")
    try:
        ctx.confirm("Edit it again?", yes=False)
    except UsageError:
        return False
    return True

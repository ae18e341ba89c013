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
from ocx.config.setting_path import (
    SettingPath,
    as_text,
    masked_value,
    to_json,
)
from ocx.config.settings import Settings, check_url_and_auth
from ocx.errors import AuthError, ConfigError, OcxError, UsageError
from ocx.output.table import Cell, Column
from ocx.runtime import Runtime
from ocx.text import one_line

_Name = Annotated[str, Option("NAME", "A setting, or headers.X, or aliases.X.")]
_Row = tuple[str, Any, str]
_COLUMNS = (Column("SETTING", "accent"), Column("VALUE"), Column("SOURCE", "dim"))


def show(run: Runtime) -> None:
    """Show all settings and where they come from.

    Keys are masked.
    """
    settings = run.settings()
    rows = _rows(run, settings)
    document = {name: {"value": value, "source": by} for name, value, by in rows}
    print_result(run, document, _COLUMNS, (_cells(*row) for row in rows))


def _cells(name: str, value: Any, by: str) -> tuple[str | Cell, ...]:
    """What nobody set is secondary on a terminal."""
    text = as_text(value)
    return (name if text else Cell(name, "dim"), text, by)


def _rows(run: Runtime, settings: Settings) -> list[_Row]:
    by = {name: str(source) for name, source in settings.sources.items()}
    rows = [("profile", settings.profile, by["profile"]), _key_row(run, settings)]
    for name in BY_NAME:
        value = masked_value(SettingPath(name), to_json(getattr(settings, name)))
        rows.append((name, value, by[name]))
    if settings.aliases:
        rows.append(("aliases", dict(settings.aliases), str(config_file(run.terminal.env))))
    if settings.sandbox:
        rows.append(("sandbox", "on", by["sandbox"]))
    return rows


def _key_row(run: Runtime, settings: Settings) -> _Row:
    """The key, masked; nothing is run or read from stdin to learn it."""
    from ocx.keys.lookup import locate_key

    try:
        source = locate_key(run, settings)
    except AuthError:
        return "key", None, "none found"
    if source.has_side_effects:
        return "key", None, f"{source.name} (not asked)"
    try:
        found = source.read(settings)
    except OcxError as error:
        run.warn(error.message)
        return "key", None, f"{source.name} (unusable)"
    return "key", found.secret and found.secret.masked(), found.source


def get(run: Runtime, name: _Name) -> None:
    """Print the value of one setting.

    Nothing is printed where it is not set.
    """
    value = _in_force(run, run.settings(), name)
    if run.json:
        print_json(run, value)
    elif value is not None:
        run.terminal.print(as_text(value))


def _in_force(run: Runtime, settings: Settings, word: str) -> Any:
    if word == "profile":
        return settings.profile
    where = SettingPath.parse(word)
    if where.name == "default_profile":
        return load(run.terminal.env).default_profile() or DEFAULT_PROFILE
    if where.name == "aliases":
        return settings.aliases.get(where.entry or "")
    if where.entry is not None:
        wanted = where.entry.lower()
        return next((v for n, v in settings.headers.items() if n.lower() == wanted), None)
    return to_json(getattr(settings, where.name))


def set_(
    run: Runtime,
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

    place = change_setting(run.terminal.env, run.flags, where, change)
    run.note(f"{place}{name} = {as_text(masked_value(where, typed))}")
    if where.name in BY_NAME and BY_NAME[where.name].variable:
        run.note_override(env_name(where.name))


def unset(run: Runtime, name: _Name) -> None:
    """Remove NAME from a profile: of -P, else the default one."""
    from ocx.config.saving import change_setting

    # What nothing reads can be removed as well: it stands in the file by mistake.
    config = load(run.terminal.env)
    stray = name in config.profile(named_profile(config, run.flags, run.terminal.env).value)
    where = SettingPath(name) if stray else SettingPath.parse(name)
    found = False

    def change(config: ConfigFile, profile: dict[str, Any]) -> None:
        nonlocal found
        found = where.remove(config, profile)

    place = change_setting(run.terminal.env, run.flags, where, change, create=False)
    run.note(f"{place}{name} {'is removed' if found else 'was not set'}")


def path(run: Runtime) -> None:
    """Print where the config file is.

    --json names the other places, too.
    """
    env = run.terminal.env
    if run.json:
        places = {
            "config": config_file,
            "credentials": credentials_file,
            "state": state_dir,
            "cache": cache_dir,
        }
        found = {name: if_known(place, env) for name, place in places.items()}
        print_json(run, {name: path and str(path) for name, path in found.items()})
    else:
        run.terminal.print(str(config_file(env)))


def edit(run: Runtime) -> None:
    """Edit the config file in $VISUAL or $EDITOR.

    The text is checked before it replaces the old one, and kept where it is refused.
    """
    from ocx.config.saving import edit_config
    from ocx.process import editor

    command = editor(run.terminal.env, terminal=run.terminal.can_ask())
    warnings = edit_config(run.terminal.env, command, lambda error: _edit_again(run, error))
    if warnings is None:
        run.note("nothing changed")
        return
    for warning in warnings:
        run.warn(warning)
    run.note(f"saved {config_file(run.terminal.env)}")


def _edit_again(run: Runtime, error: ConfigError) -> bool:
    if not run.terminal.can_ask():
        return False
    run.terminal.message(f"ocx: error: {one_line(error.message)}")
    try:
        run.confirm("Edit it again?", yes=False)
    except UsageError:
        return False
    return True

"""`ocx config`: what is set, where it comes from, and changing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from ocx.commands.context import shared
from ocx.config.display import as_text, masked, plain, summary
from ocx.config.paths import cache_dir, config_file, credentials_file, state_dir
from ocx.config.profiles import ConfigFile, choose_profile, load, named_profile
from ocx.config.schema import BY_NAME, DEFAULT_PROFILE, env_name
from ocx.config.setting_path import Target, drop, put, target, value_of
from ocx.config.settings import Settings, check_pair
from ocx.config.values import check_name
from ocx.errors import AuthError, ConfigError, OcxError, UsageError
from ocx.runtime import Runtime

Name = Annotated[str, typer.Argument(metavar="NAME", help="A setting, or headers.X, or aliases.X.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Row = tuple[str, Any, str]
Change = Callable[[ConfigFile, dict[str, Any]], None]


@shared
def show(run: Runtime) -> None:
    """Show all settings and where they come from.

    Keys are masked.
    """
    settings = run.settings()
    rows = _rows(run, settings)
    if run.json:
        _write_json(run, {name: {"value": value, "source": by} for name, value, by in rows})
    else:
        texts = [(name, as_text(value), by) for name, value, by in rows]
        _write_table(run, ("SETTING", "VALUE", "SOURCE"), texts)


@shared
def get(run: Runtime, name: Name) -> None:
    """Print the value of one setting.

    Nothing is printed where it is not set.
    """
    value = _in_force(run, run.settings(), name)
    if run.json:
        _write_json(run, value)
    elif value is not None:
        run.terminal.print(as_text(value))


@shared
def set_(
    run: Runtime,
    name: Name,
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
            check_pair(profile, "the profile")

    place = _save(run, where, change)
    run.note(f"{place}{name} = {as_text(masked(where, typed))}")
    if where.name in BY_NAME and BY_NAME[where.name].variable:
        _note_variable(run, env_name(where.name))


@shared
def unset(run: Runtime, name: Name) -> None:
    """Remove NAME from a profile: of -P, else the default one."""
    # What nothing reads can be removed as well: it stands in the file by mistake.
    config = load(run.terminal.env)
    stray = name in config.profile(named_profile(config, run.flags, run.terminal.env).value)
    where = Target(name) if stray else target(name)
    found = False

    def change(config: ConfigFile, profile: dict[str, Any]) -> None:
        nonlocal found
        found = drop(config, profile, where)

    place = _save(run, where, change, create=False)
    run.note(f"{place}{name} {'is removed' if found else 'was not set'}")


@shared
def path(run: Runtime) -> None:
    """Print where the config file is.

    --json names the other places, too.
    """
    env = run.terminal.env
    if run.json:
        places = {
            "config": config_file(env),
            "credentials": credentials_file(env),
            "state": state_dir(env),
            "cache": cache_dir(env),
        }
        _write_json(run, {name: str(place) for name, place in places.items()})
    else:
        run.terminal.print(str(config_file(env)))


@shared
def edit(run: Runtime) -> None:
    """Edit the config file in $VISUAL or $EDITOR.

    The text is checked before it replaces the old one, and kept where it is refused.
    """
    from ocx.config.editing import edit_config, editor  # only for editing

    command = editor(run.terminal.env, terminal=run.terminal.can_ask())
    warnings = edit_config(run.terminal.env, command, lambda error: _edit_again(run, error))
    if warnings is None:
        run.note("nothing changed")
        return
    for warning in warnings:
        run.warn(warning)
    run.note(f"saved {config_file(run.terminal.env)}")


@shared
def profiles_list(run: Runtime) -> None:
    """List the profiles; the one in force is marked."""
    config = load(run.terminal.env)
    current = named_profile(config, run.flags, run.terminal.env).value
    profiles = [summary(config, name, current) for name in config.names()]
    if run.json:
        _write_json(run, profiles)
        return
    rows = [
        (p["name"], "*" if p["current"] else "", p["base_url"], p["model"], p["key"] or "")
        for p in profiles
    ]
    _write_table(run, ("PROFILE", "", "BASE URL", "MODEL", "KEY"), rows)


@shared
def profiles_use(
    run: Runtime, name: Annotated[str, typer.Argument(metavar="NAME", help="A profile.")]
) -> None:
    """Use this profile wherever none is named."""

    def change(config: ConfigFile, _: dict[str, Any]) -> None:
        choose_profile(config, {"profile": name}, {})
        config.data["default_profile"] = name

    _save(run, Target("default_profile"), change)
    run.note(f"{name} is the default profile now")
    _note_variable(run, env_name("profile"))


@shared
def profiles_copy(
    run: Runtime,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The profile to copy.")],
    name: Annotated[str, typer.Argument(metavar="TO", help="The name of the copy.")],
) -> None:
    """Copy a profile under a new name."""

    def change(config: ConfigFile, _: dict[str, Any]) -> None:
        from ocx.config.transactions import refuse_sandbox

        refuse_sandbox(source)
        refuse_sandbox(check_name(name, "profile"))
        choose_profile(config, {"profile": source}, {})
        if name in config.names() and (name != DEFAULT_PROFILE or config.profile(name)):
            raise UsageError(
                f"there is a profile {name} already",
                hint=f"`ocx config profiles rm {name}` removes it",
            )
        config.data.setdefault("profiles", {})[name] = dict(config.profile(source))

    _save(run, Target("profiles"), change)
    run.note(f"profile {name} is a copy of {source}")


@shared
def profiles_rm(
    run: Runtime,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The profile to remove.")],
    yes: Yes = False,
) -> None:
    """Remove a profile; stored keys stay."""
    _check_removable(load(run.terminal.env), name)
    run.confirm(f"Remove the profile {name}?", yes)

    def change(config: ConfigFile, _: dict[str, Any]) -> None:
        _check_removable(config, name)
        del config.profiles()[name]

    _save(run, Target("profiles"), change)
    run.note(f"profile {name} is removed")


def _rows(run: Runtime, settings: Settings) -> list[Row]:
    by = {name: str(source) for name, source in settings.sources.items()}
    rows = [("profile", settings.profile, by["profile"]), _key_row(run, settings)]
    for name in BY_NAME:
        value = masked(Target(name), plain(getattr(settings, name)))
        rows.append((name, value, by[name]))
    if settings.aliases:
        rows.append(("aliases", dict(settings.aliases), str(config_file(run.terminal.env))))
    if settings.sandbox:
        rows.append(("sandbox", "on", by["sandbox"]))
    return rows


def _key_row(run: Runtime, settings: Settings) -> Row:
    """The key, masked; nothing is run or read from stdin to learn it."""
    from ocx.keyring.lookup import locate_key

    env = run.terminal.env
    try:
        located = locate_key(settings, run.flags, env, run.terminal.read_stdin)
    except AuthError:
        return "key", None, "none found"
    if not located.quiet:
        return "key", None, f"{located.source} (not asked)"
    try:
        found = located.fetch()
    except OcxError as error:
        run.warn(error.message)
        return "key", None, f"{located.source} (unusable)"
    return "key", found.secret and found.secret.masked(), found.source


def _in_force(run: Runtime, settings: Settings, word: str) -> Any:
    if word == "profile":
        return settings.profile
    where = target(word)
    if where.name == "default_profile":
        return load(run.terminal.env).default_profile() or DEFAULT_PROFILE
    if where.name == "aliases":
        return settings.aliases.get(where.entry or "")
    if where.entry is not None:
        wanted = where.entry.lower()
        return next((v for n, v in settings.headers.items() if n.lower() == wanted), None)
    return plain(getattr(settings, where.name))


def _save(run: Runtime, where: Target, change: Change, *, create: bool = True) -> str:
    """Save a change; the place it was made at, to begin a note with."""
    from ocx.config.transactions import change_config, change_profile  # a TOML writer

    if where.in_profile:
        changed = change_profile(run.terminal.env, run.flags, change, create=create)
    else:
        changed = change_config(run.terminal.env, lambda config: change(config, {}))
    for note in changed.notes():
        run.note(note)
    return f"profile {changed.profile}: " if changed.profile else ""


def _note_variable(run: Runtime, variable: str) -> None:
    if run.terminal.env.get(variable):
        run.note(f"{variable} is set, and comes first")


def _check_removable(config: ConfigFile, name: str) -> None:
    from ocx.config.transactions import refuse_sandbox

    refuse_sandbox(name)
    choose_profile(config, {"profile": name}, {})
    if not config.profile(name):
        raise UsageError(f"the profile {name} is built in and holds nothing")
    if name == config.default_profile():
        raise UsageError(
            f"{name} is the default profile",
            hint="choose another first: `ocx config profiles use NAME`",
        )


def _edit_again(run: Runtime, error: ConfigError) -> bool:
    if not run.terminal.can_ask():
        return False
    run.terminal.message(f"ocx: error: {error.message}")
    try:
        run.confirm("Edit it again?", yes=False)
    except UsageError:
        return False
    return True


def _write_json(run: Runtime, value: Any) -> None:
    from ocx.output.json_output import write_json  # `config get` does without

    write_json(run.terminal, value)


def _write_table(run: Runtime, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from ocx.output.table import write_table  # the same

    write_table(run.terminal, headers, rows, color=run.color)

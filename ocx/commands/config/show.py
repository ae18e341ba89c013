"""`ocx config show`."""

from __future__ import annotations

from typing import Any

from ocx.config.paths import config_file
from ocx.config.schema import BY_NAME
from ocx.config.setting_path import Target, as_text, masked, plain
from ocx.config.settings import Settings
from ocx.errors import AuthError, OcxError
from ocx.keys.lookup import locate_key
from ocx.output.json_output import write_json
from ocx.output.table import Cell, Column, write_table
from ocx.runtime import Runtime

Row = tuple[str, Any, str]

_COLUMNS = (Column("SETTING", "accent"), Column("VALUE"), Column("SOURCE", "dim"))


def show(run: Runtime) -> None:
    """Show all settings and where they come from.

    Keys are masked.
    """
    settings = run.settings()
    rows = _rows(run, settings)
    if run.json:
        write_json(run.terminal, {name: {"value": value, "source": by} for name, value, by in rows})
    else:
        write_table(run.terminal, _COLUMNS, [_cells(*row) for row in rows], color=run.color)


def _cells(name: str, value: Any, by: str) -> tuple[str | Cell, ...]:
    """What nobody set is secondary on a terminal."""
    text = as_text(value)
    return (name if text else Cell(name, "dim"), text, by)


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
    env = run.terminal.env
    try:
        located = locate_key(settings, run.flags, env, run.read_stdin)
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

"""`ocx config profiles list`."""

from __future__ import annotations

from ocx.config.profiles import load, named_profile
from ocx.config.setting_path import summary
from ocx.output.json_output import write_json
from ocx.output.table import Column, write_table
from ocx.runtime import Runtime


def list_(run: Runtime) -> None:
    """List the profiles; the one in force is marked."""
    config = load(run.terminal.env)
    current = named_profile(config, run.flags, run.terminal.env).value
    profiles = [summary(config, name, current) for name in config.names()]
    if run.json:
        write_json(run.terminal, profiles)
        return
    rows = [
        (p["name"], "*" if p["current"] else "", p["base_url"], p["model"], p["key"] or "")
        for p in profiles
    ]
    columns = (Column("PROFILE", "accent"), "", "BASE URL", "MODEL", Column("KEY", "dim"))
    write_table(run.terminal, columns, rows, color=run.color)

"""`ocx keys list`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ocx.config.profiles import load, users_of
from ocx.keys.credentials import OLD_AFTER_DAYS, key_document, load_keys
from ocx.output.table import Column, write_table
from ocx.runtime import Runtime

_COLUMNS = (
    Column("NAME", "accent"),
    Column("KEY"),
    Column("ADDED", "dim"),
    Column("PROFILES"),
    Column("", "warning"),
)


def list_(run: Runtime) -> None:
    """List the stored keys.

    They are masked, with their age in days and the profiles that use them. A key older than 90
    days is marked: the provider advises to rotate keys regularly.
    """
    keys = sorted(load_keys(run.terminal.env).values())
    config = load(run.terminal.env)
    documents = [key_document(key, users_of(config, key.name)) for key in keys]
    if run.json:
        from ocx.output.json_output import write_json  # json is start-up that a list can do without

        write_json(run.terminal, documents)
        return
    if not keys:
        run.note("no keys are stored; `ocx keys add NAME` stores one")
        return
    rows = [_row(d, short=run.terminal.stdout_tty) for d in documents]
    write_table(run.terminal, _COLUMNS, rows, color=run.color)


def _row(document: dict[str, Any], *, short: bool) -> tuple[str, ...]:
    age = document["age_days"]
    if age is not None and short:
        from ocx.output.time_text import day_text, now  # only for a person

        today = now().date()
        age = day_text(today - timedelta(days=age), today)
    return (
        document["name"],
        document["key"],
        "" if age is None else str(age),
        ",".join(document["profiles"]),
        f"over {OLD_AFTER_DAYS} days: rotate" if document["old"] else "",
    )

"""`ocx keys list`, `show`, `use`, `rm`: named keys, stored for their owner only."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from ocx.cli import Option, option
from ocx.commands import Yes, print_json, print_result
from ocx.config.profiles import load, users_of
from ocx.config.values import composed
from ocx.context import Context
from ocx.keys.credentials import (
    OLD_AFTER_DAYS,
    Keys,
    change_keys,
    key_document,
    load_keys,
    stored_key,
)
from ocx.output.columns import Column

if TYPE_CHECKING:
    from ocx.config.profiles import ConfigFile

KeyName = Annotated[str, Option("NAME", "The name of the key.", convert=composed)]
_COLUMNS = (
    Column("NAME", "accent"),
    Column("KEY"),
    Column("ADDED", "dim"),
    Column("PROFILES"),
    Column("", "warning"),
)


def list_(ctx: Context) -> None:
    """List the stored keys.

    They are masked, with their age in days and the profiles that use them. A key older than 90
    days is marked: the provider advises to rotate keys regularly.
    """
    keys = sorted(load_keys(ctx.terminal.env).values())
    config = load(ctx.terminal.env)
    documents = [key_document(key, users_of(config, key.name)) for key in keys]
    if not keys and not ctx.json:
        ctx.note("no keys are stored; `ocx keys add NAME` stores one")
        return
    rows = (_row(each, short=ctx.terminal.stdout_tty) for each in documents)
    print_result(ctx, documents, _COLUMNS, rows)


def _row(document: dict[str, Any], *, short: bool) -> tuple[str, ...]:
    age = document["age_days"]
    if age is not None and short:
        from ocx.output.figures import day_text, now  # only for a person

        today = now().date()
        age = day_text(today - timedelta(days=age), today)
    return (
        document["name"],
        document["key"],
        "" if age is None else str(age),
        ",".join(document["profiles"]),
        f"over {OLD_AFTER_DAYS} days: rotate" if document["old"] else "",
    )


def show(
    ctx: Context,
    name: KeyName,
    reveal: bool = option("--reveal", "Print the key itself.", False),
) -> None:
    """Show a key, masked unless --reveal is given."""
    key = stored_key(load_keys(ctx.terminal.env), name)
    text = key.secret.reveal() if reveal else key.secret.masked()
    if ctx.json:
        users = users_of(load(ctx.terminal.env), name)
        print_json(ctx, {**key_document(key, users), "key": text})
    else:
        ctx.terminal.print(text)


def use(ctx: Context, name: KeyName) -> None:
    """Use this key in a profile: of -P, else the default one."""
    from ocx.config.saving import change_profile  # as above
    from ocx.keys.adding import warn_of_use

    key = stored_key(load_keys(ctx.terminal.env), name)
    table: dict[str, Any] = {}

    def change(_: ConfigFile, profile: dict[str, Any]) -> None:
        profile["key_name"] = name
        table.update(profile)

    changed = change_profile(ctx.terminal.env, ctx.flags, change, create=False)
    ctx.note(f"profile {changed} uses the key {name} now")
    warn_of_use(ctx, key, table)


def rm(
    ctx: Context,
    name: KeyName,
    yes: Yes = False,
) -> None:
    """Remove a stored key.

    It still works until it is revoked in the dashboard.
    """
    stored_key(load_keys(ctx.terminal.env), name)
    users = users_of(load(ctx.terminal.env), name)
    used = f" Used by: {', '.join(users)}." if users else ""
    ctx.confirm(f"Remove the key {name}?{used}", yes)

    def change(keys: Keys) -> None:
        del keys[stored_key(keys, name).name]

    change_keys(ctx.terminal.env, change)
    ctx.note(f"key {name} is removed; it still works until it is revoked in the dashboard")
    for profile in users:
        ctx.warn(f"profile {profile} still uses this key: `ocx keys use NAME -P {profile}`")

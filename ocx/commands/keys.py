"""`ocx keys`: named keys, stored for their owner only."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from ocx.cli.parameters import KeyName
from ocx.config.profiles import ConfigFile, load, users_of
from ocx.config.saving import change_profile
from ocx.config.values import check_name
from ocx.errors import UsageError
from ocx.keys import adding
from ocx.keys.adding import settings_of, warn_of_use
from ocx.keys.credentials import (
    OLD_AFTER_DAYS,
    Keys,
    StoredKey,
    change_keys,
    key_document,
    load_keys,
    now,
    stored_key,
)
from ocx.output.results import write_json
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
        from ocx.output.results import write_json  # json is start-up that a list can do without

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
    run: Runtime,
    name: KeyName,
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the key itself.")] = False,
) -> None:
    """Show a key, masked unless --reveal is given."""
    key = stored_key(load_keys(run.terminal.env), name)
    text = key.secret.reveal() if reveal else key.secret.masked()
    if run.json:
        users = users_of(load(run.terminal.env), name)
        write_json(run.terminal, {**key_document(key, users), "key": text})
    else:
        run.terminal.print(text)


def add(
    run: Runtime,
    name: KeyName = "main",
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Store it without asking the endpoint.")
    ] = False,
) -> None:
    """Store a key under NAME.

    The key is read from stdin, from --key-file, or asked for without showing it; never from an
    argument. The endpoint of the profile is asked first whether it knows the key. A profile that
    has no key yet uses this one from now on.
    """
    check_name(name, "key")
    adding.refuse_stored(load_keys(run.terminal.env), name)
    settings = run.settings()
    secret = adding.read(run, settings, name)
    verdict = None if no_check else adding.ask(run, settings, secret)
    stored = StoredKey(name, secret, now(), settings.base_url)
    adding.store(run, stored)
    users = adding.use_where_none(run, settings, stored)
    if run.json:
        write_json(
            run.terminal, {**key_document(stored, users), "state": verdict and verdict.state}
        )


def use(run: Runtime, name: KeyName) -> None:
    """Use this key in a profile: of -P, else the default one."""
    key = stored_key(load_keys(run.terminal.env), name)
    table: dict[str, Any] = {}

    def change(_: ConfigFile, profile: dict[str, Any]) -> None:
        profile["key_name"] = name
        table.update(profile)

    changed = change_profile(run.terminal.env, run.flags, change, create=False)
    run.notes(changed.notes())
    run.note(f"profile {changed.profile} uses the key {name} now")
    warn_of_use(run, key, table)


def rotate(run: Runtime, name: KeyName) -> None:
    """Replace a key by a new one, which is checked first.

    The new key is read like that of `ocx keys add`. Whatever fails, the old one stays.
    """
    old = stored_key(load_keys(run.terminal.env), name)
    settings = settings_of(run, old)
    secret = adding.read(run, settings, name)
    if secret == old.secret:
        raise UsageError(
            f"that is the key that {name} holds already",
            hint="create a new one in the provider's dashboard",
        )
    verdict = adding.ask(run, settings, secret)
    new = StoredKey(name, secret, now(), settings.base_url)
    adding.replace_key(run, old, new)
    run.note(f"the old key {old.secret.masked()} works until it is revoked in the dashboard")
    if run.json:
        users = users_of(load(run.terminal.env), name)
        write_json(run.terminal, {**key_document(new, users), "state": verdict.state})


def rm(
    run: Runtime,
    name: KeyName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a stored key.

    It still works until it is revoked in the dashboard.
    """
    stored_key(load_keys(run.terminal.env), name)
    users = users_of(load(run.terminal.env), name)
    used = f" Used by: {', '.join(users)}." if users else ""
    run.confirm(f"Remove the key {name}?{used}", yes)

    def change(keys: Keys) -> None:
        del keys[stored_key(keys, name).name]

    change_keys(run.terminal.env, change)
    run.note(f"key {name} is removed; it still works until it is revoked in the dashboard")
    for profile in users:
        run.warn(f"profile {profile} still uses this key: `ocx keys use NAME -P {profile}`")

"""`ocx keys`: named keys, stored for their owner only, checked against their endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ocx.commands.context import shared
from ocx.config.profiles import ConfigFile, load, users_of
from ocx.config.values import check_name
from ocx.errors import UsageError
from ocx.keyring.credentials import (
    OLD_AFTER_DAYS,
    Keys,
    StoredKey,
    load_keys,
    now,
    stored_key,
)
from ocx.output.table import write_table
from ocx.runtime import Runtime

KeyName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the key.")]


@shared
def add(
    run: Runtime,
    name: KeyName,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Store it without asking the endpoint.")
    ] = False,
) -> None:
    """Store a key under NAME.

    The key is read from stdin, from --key-file, or asked for without showing it; never from an
    argument. The endpoint of the profile is asked first whether it knows the key. A profile that
    has no key yet uses this one from now on.
    """
    from ocx.keyring import adding as newkey  # a TOML writer; listing does without

    check_name(name, "key")
    newkey.refuse_stored(load_keys(run.terminal.env), name)
    settings = run.settings()
    secret = newkey.read(run, settings, name)
    verdict = None if no_check else newkey.ask(run, settings, secret)
    stored = StoredKey(name, secret, now(), settings.base_url)
    newkey.store(run, stored)
    users = newkey.use_where_none(run, settings, stored)
    if run.json:
        _write_json(run, {**_as_json(stored, users), "state": verdict and verdict.state})


@shared
def list_(run: Runtime) -> None:
    """List the stored keys.

    They are masked, with their age in days and the profiles that use them. A key older than 90
    days is marked: the provider advises to rotate keys regularly.
    """
    keys = sorted(load_keys(run.terminal.env).values())
    config = load(run.terminal.env)
    documents = [_as_json(key, users_of(config, key.name)) for key in keys]
    if run.json:
        _write_json(run, documents)
        return
    _write_table(run, ("NAME", "KEY", "DAYS", "PROFILES", ""), [_row(d) for d in documents])
    if not keys:
        run.note("no keys are stored; `ocx keys add NAME` stores one")


@shared
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
        _write_json(run, {**_as_json(key, users), "key": text})
    else:
        run.terminal.print(text)


@shared
def use(run: Runtime, name: KeyName) -> None:
    """Use this key in a profile: of -P, else the default one."""
    from ocx.config.transactions import change_profile
    from ocx.keyring.adding import warn_of_use  # a TOML writer

    key = stored_key(load_keys(run.terminal.env), name)
    table: dict[str, Any] = {}

    def change(_: ConfigFile, profile: dict[str, Any]) -> None:
        profile["key_name"] = name
        table.update(profile)

    changed = change_profile(run.terminal.env, run.flags, change, create=False)
    for note in changed.notes():
        run.note(note)
    run.note(f"profile {changed.profile} uses the key {name} now")
    warn_of_use(run, key, table)


@shared
def rotate(run: Runtime, name: KeyName) -> None:
    """Replace a key by a new one, which is checked first.

    The new key is read like that of `ocx keys add`. Whatever fails, the old one stays.
    """
    from ocx.keyring import adding as newkey
    from ocx.keyring.validation import settings_of

    old = stored_key(load_keys(run.terminal.env), name)
    settings = settings_of(run, old)
    secret = newkey.read(run, settings, name)
    if secret == old.secret:
        raise UsageError(
            f"that is the key that {name} holds already",
            hint="create a new one in the provider's dashboard",
        )
    verdict = newkey.ask(run, settings, secret)
    new = StoredKey(name, secret, now(), settings.base_url)
    newkey.replace(run, old, new)
    run.note(f"the old key {old.secret.masked()} works until it is revoked in the dashboard")
    if run.json:
        users = users_of(load(run.terminal.env), name)
        _write_json(run, {**_as_json(new, users), "state": verdict.state})


@shared
def check(
    run: Runtime,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A stored key; else the one in force.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Check every stored key.")] = False,
) -> None:
    """Ask the endpoint whether a key is valid.

    Exit code 0 valid, 4 invalid, 5 no credits, 8 the endpoint does not tell; with --all 13 where
    they differ.
    """
    if all_ and name is not None:
        raise UsageError("--all and a NAME exclude each other")
    from ocx.commands.keys_check import check_all, check_one, end_as  # only asked for here

    checked = check_all(run) if all_ else [check_one(run, name)]
    documents = [item.as_json() for item in checked]
    if run.json:
        _write_json(run, documents if all_ else documents[0])
    else:
        rows = [(d["name"], d["key"] or "", d["state"], d["detail"]) for d in documents]
        _write_table(run, ("NAME", "KEY", "STATE", ""), rows)
    end_as([item.verdict for item in checked])


@shared
def rm(
    run: Runtime,
    name: KeyName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a stored key.

    It still works until it is revoked in the dashboard.
    """
    from ocx.keyring.credentials import change_keys

    stored_key(load_keys(run.terminal.env), name)
    users = users_of(load(run.terminal.env), name)
    used = f" Used by: {', '.join(users)}." if users else ""
    run.confirm(f"Remove the key {name}?{used}", yes)

    def change(keys: Keys) -> None:
        del keys[stored_key(keys, name).name]

    change_keys(run.terminal.env, change)
    run.note(f"key {name} is removed; it still works until it is revoked in the dashboard")
    for profile in users:
        run.warn(f"profile {profile} names it still: `ocx keys use NAME -P {profile}`")


def _as_json(key: StoredKey, users: Sequence[str]) -> dict[str, Any]:
    age = key.age_days(now())
    return {
        "name": key.name,
        "key": key.secret.masked(),
        "created": key.created and key.created.isoformat(),
        "age_days": age,
        "old": age is not None and age > OLD_AFTER_DAYS,
        "profiles": list(users),
        "base_url": key.base_url,
    }


def _row(document: dict[str, Any]) -> tuple[str, ...]:
    age = document["age_days"]
    return (
        document["name"],
        document["key"],
        "" if age is None else str(age),
        ",".join(document["profiles"]),
        f"over {OLD_AFTER_DAYS} days: rotate" if document["old"] else "",
    )


def _write_json(run: Runtime, value: Any) -> None:
    from ocx.output.json_output import write_json  # a list in a pipe does without

    write_json(run.terminal, value)


def _write_table(run: Runtime, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    write_table(run.terminal, headers, rows, color=run.color)

"""`ocx keys`: named keys, stored for their owner only, and what their endpoints say about them.

Scripts list and show keys: what stores or asks about one is imported by the commands that do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from ocx.cli import Option, Text, option
from ocx.commands import Yes, print_json, print_result, waiting
from ocx.config.profiles import ConfigFile, load, users_of
from ocx.config.settings import Settings
from ocx.config.values import check_name, composed
from ocx.context import Context
from ocx.errors import AuthError, OcxError, PartialError, UsageError
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
from ocx.output.columns import Column
from ocx.secret import Secret

if TYPE_CHECKING:
    from ocx.keys.adding import Verdict

_KeyName = Annotated[str, Option("NAME", "The name of the key.", convert=composed)]
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
        from ocx.output import figures  # only for a person

        today = figures.now().date()
        age = figures.day_text(today - timedelta(days=age), today)
    return (
        document["name"],
        document["key"],
        "" if age is None else str(age),
        ",".join(document["profiles"]),
        f"over {OLD_AFTER_DAYS} days: rotate" if document["old"] else "",
    )


def show(
    ctx: Context, name: _KeyName, reveal: bool = option("--reveal", "Print the key itself.", False)
) -> None:
    """Show a key, masked unless --reveal is given."""
    key = stored_key(load_keys(ctx.terminal.env), name)
    text = key.secret.reveal() if reveal else key.secret.masked()
    if ctx.json:
        users = users_of(load(ctx.terminal.env), name)
        print_json(ctx, {**key_document(key, users), "key": text})
    else:
        ctx.terminal.print(text)


def use(ctx: Context, name: _KeyName) -> None:
    """Use this key in a profile: of -P, else the default one."""
    from ocx.config.saving import change_profile
    from ocx.keys.adding import warn_of_use

    key = stored_key(load_keys(ctx.terminal.env), name)
    table: dict[str, Any] = {}

    def change(_: ConfigFile, profile: dict[str, Any]) -> None:
        profile["key_name"] = name
        table.update(profile)

    changed = change_profile(ctx.terminal.env, ctx.flags, change, create=False)
    ctx.note(f"profile {changed} uses the key {name} now")
    warn_of_use(ctx, key, table)


def rm(ctx: Context, name: _KeyName, yes: Yes = False) -> None:
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


def add(
    ctx: Context,
    name: _KeyName = "main",
    no_check: bool = option("--no-check", "Store it without asking the endpoint.", False),
) -> None:
    """Store a key under NAME.

    The key is read from stdin, from --key-file, or asked for without showing it; never from an
    argument. The endpoint of the profile is asked first whether it knows the key. A profile that
    has no key yet uses this one from now on.
    """
    from ocx.keys import adding

    check_name(name, "key")
    adding.refuse_stored(load_keys(ctx.terminal.env), name)
    settings = ctx.settings()
    secret = adding.read(ctx, settings, name)
    verdict = None if no_check else adding.ask(ctx, settings, secret)
    stored = StoredKey(name, secret, now(), settings.base_url)
    adding.store(ctx, stored)
    users = adding.use_where_none(ctx, settings, stored)
    if ctx.json:
        print_json(ctx, {**key_document(stored, users), "state": verdict and verdict.state})


def rotate(ctx: Context, name: _KeyName) -> None:
    """Replace a key by a new one, which is checked first.

    The new key is read like that of `ocx keys add`. Whatever fails, the old one stays.
    """
    from ocx.keys import adding

    old = stored_key(load_keys(ctx.terminal.env), name)
    settings = adding.settings_of(ctx, old)
    secret = adding.read(ctx, settings, name)
    if secret == old.secret:
        raise UsageError(
            f"that is the key that {name} holds already",
            hint="create a new one in the provider's dashboard",
        )
    verdict = adding.ask(ctx, settings, secret)
    new = StoredKey(name, secret, now(), settings.base_url)
    adding.replace_key(ctx, old, new)
    ctx.note(f"the old key {old.secret.masked()} works until it is revoked in the dashboard")
    if ctx.json:
        users = users_of(load(ctx.terminal.env), name)
        print_json(ctx, {**key_document(new, users), "state": verdict.state})


class Checked(NamedTuple):
    """One key and what its endpoint said about it."""

    name: str
    secret: Secret | None
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        balance = self.verdict.balance
        return {
            "name": self.name,
            "key": self.secret and self.secret.masked(),
            "state": self.verdict.state,
            "detail": self.verdict.detail,
            "balance": None if balance is None else float(balance),
            "exit_code": self.verdict.error.exit_code if self.verdict.error else 0,
        }


def check(
    ctx: Context,
    name: Text = option("[NAME]", "A stored key; else the one in force."),
    all_: bool = option("--all", "Check every stored key.", False),
) -> None:
    """Ask the endpoint whether a key is valid.

    Exit code 0 valid, 4 invalid, 5 no credits, 8 the endpoint does not tell; with --all 13 where
    they differ.
    """
    if all_ and name is not None:
        raise UsageError("--all and a NAME exclude each other")
    keys = load_keys(ctx.terminal.env) if all_ or name is not None else {}
    if all_ and not keys:
        raise AuthError("no keys are stored", hint="`ocx keys add NAME` stores one")
    if all_:
        checked = [_checked(ctx, key) for key in sorted(keys.values())]
    else:
        checked = [_in_force(ctx) if name is None else _stored(ctx, stored_key(keys, name))]
    documents = [item.as_json() for item in checked]
    rows = ((d["name"], d["key"] or "", d["state"], d["detail"]) for d in documents)
    columns = (Column("NAME", "accent"), "KEY", "STATE", Column("", "dim"))
    print_result(ctx, documents if all_ else documents[0], columns, rows)
    _end_as([item.verdict for item in checked])


def _in_force(ctx: Context) -> Checked:
    from ocx.keys.adding import refuse_keyless, validate_key
    from ocx.keys.client import open_client
    from ocx.keys.lookup import find_key

    settings = ctx.settings()
    if settings.sandbox:
        with open_client(ctx, settings) as client, waiting(ctx, "the endpoint", client):
            return Checked("sandbox", None, validate_key(client))
    refuse_keyless(settings)
    found = find_key(ctx, settings)
    assert found.secret is not None  # noqa: S101 - keyless endpoints are refused above
    return _asked(ctx, settings, found.source, found.secret)


def _stored(ctx: Context, key: StoredKey) -> Checked:
    from ocx.keys.adding import settings_of

    return _asked(ctx, settings_of(ctx, key), key.name, key.secret)


def _asked(ctx: Context, settings: Settings, name: str, secret: Secret) -> Checked:
    from ocx.keys.adding import ask_endpoint

    with waiting(ctx, "the endpoint"):
        return Checked(name, secret, ask_endpoint(ctx, settings, secret))


def _checked(ctx: Context, key: StoredKey) -> Checked:
    """One that cannot be asked about does not keep the others from it."""
    from ocx.keys.adding import Verdict

    try:
        return _stored(ctx, key)
    except OcxError as error:
        return Checked(key.name, key.secret, Verdict("failed", error.message, error))


def _end_as(verdicts: Sequence[Verdict]) -> None:
    """Raise what all of them say; PartialError where they differ."""
    errors = [verdict.error for verdict in verdicts if verdict.error is not None]
    codes = {error.exit_code for error in errors}
    if errors and (len(errors) < len(verdicts) or len(codes) > 1):
        raise PartialError(
            f"{len(errors)} of {len(verdicts)} keys are not known to be valid",
            hint="`ocx keys check NAME` says more about one",
        )
    if errors:
        raise errors[0]

"""`ocx keys add`, `rotate`, `check`: what asks the endpoint of a key about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ocx.cli import Text, option
from ocx.commands import print_json, print_result, waiting
from ocx.commands.keys import KeyName
from ocx.config.profiles import load, users_of
from ocx.config.settings import Settings
from ocx.config.values import check_name
from ocx.context import Context
from ocx.errors import AuthError, OcxError, PartialError, UsageError
from ocx.keys import adding
from ocx.keys.adding import Verdict, ask_endpoint, refuse_keyless, settings_of, validate_key
from ocx.keys.client import open_client
from ocx.keys.credentials import StoredKey, key_document, load_keys, now, stored_key
from ocx.keys.lookup import find_key
from ocx.output.columns import Column
from ocx.secret import Secret


def add(
    ctx: Context,
    name: KeyName = "main",
    no_check: bool = option("--no-check", "Store it without asking the endpoint.", False),
) -> None:
    """Store a key under NAME.

    The key is read from stdin, from --key-file, or asked for without showing it; never from an
    argument. The endpoint of the profile is asked first whether it knows the key. A profile that
    has no key yet uses this one from now on.
    """
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


def rotate(ctx: Context, name: KeyName) -> None:
    """Replace a key by a new one, which is checked first.

    The new key is read like that of `ocx keys add`. Whatever fails, the old one stays.
    """
    old = stored_key(load_keys(ctx.terminal.env), name)
    settings = settings_of(ctx, old)
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
    checked = check_all(ctx) if all_ else [check_one(ctx, name)]
    documents = [item.as_json() for item in checked]
    rows = ((d["name"], d["key"] or "", d["state"], d["detail"]) for d in documents)
    columns = (Column("NAME", "accent"), "KEY", "STATE", Column("", "dim"))
    print_result(ctx, documents if all_ else documents[0], columns, rows)
    end_as([item.verdict for item in checked])


def check_one(ctx: Context, name: str | None) -> Checked:
    if name is not None:
        return _check_stored(ctx, stored_key(load_keys(ctx.terminal.env), name))
    settings = ctx.settings()
    if settings.sandbox:
        with open_client(ctx, settings) as client, waiting(ctx, "the endpoint", client):
            return Checked("sandbox", None, validate_key(client))
    refuse_keyless(settings)
    found = find_key(ctx, settings)
    assert found.secret is not None  # noqa: S101 - keyless endpoints are refused above
    return Checked(found.source, found.secret, _ask(ctx, settings, found.secret))


def _check_stored(ctx: Context, key: StoredKey) -> Checked:
    return Checked(key.name, key.secret, _ask(ctx, settings_of(ctx, key), key.secret))


def _ask(ctx: Context, settings: Settings, secret: Secret) -> Verdict:
    with waiting(ctx, "the endpoint"):
        return ask_endpoint(ctx, settings, secret)


def check_all(ctx: Context) -> list[Checked]:
    """Every stored key; one that cannot be asked about does not keep the others from it."""
    keys = sorted(load_keys(ctx.terminal.env).values())
    if not keys:
        raise AuthError("no keys are stored", hint="`ocx keys add NAME` stores one")
    return [_checked(ctx, key) for key in keys]


def _checked(ctx: Context, key: StoredKey) -> Checked:
    try:
        return _check_stored(ctx, key)
    except OcxError as error:
        return Checked(key.name, key.secret, Verdict("failed", error.message, error))


def end_as(verdicts: Sequence[Verdict]) -> None:
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

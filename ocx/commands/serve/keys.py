"""`ocx serve keys`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from ocx.commands.context import ledger_path
from ocx.commands.options import AccountName, Db
from ocx.errors import OcxError, UsageError
from ocx.output.json_output import write_json
from ocx.output.table import Column, write_table
from ocx.runtime import Runtime
from ocx.secret import Secret
from ocx.serve.charge import format_credits, parse_credits
from ocx.serve.ledger import DEFAULT_ACCOUNT, Account, Key, Ledger, open_ledger
from ocx.serve.settings import ServeSettings

DAY = 86400


def keys(
    run: Runtime,
    action: Annotated[
        str, typer.Argument(metavar="[list|add|rotate|revoke]", help="What to do.")
    ] = "list",
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name of the key.", show_default=False)
    ] = None,
    account: AccountName = "default",
    expires: Annotated[
        int | None, typer.Option("--expires", help="Good for so many days.", min=1, metavar="DAYS")
    ] = None,
    rpm: Annotated[
        int | None, typer.Option("--rpm", help="Requests a minute.", min=1, metavar="N")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", help="Requests at once.", min=1, metavar="N")
    ] = None,
    grant: Annotated[
        str | None,
        typer.Option("--grant", help="First credits of a new account.", metavar="N"),
    ] = None,
    db: Db = None,
) -> None:
    """List, add, rotate or revoke keys of the local server.

    A new key is printed once, on stdout, and stored only as its SHA-256. `rotate` replaces a key:
    the new one has the account and the limits of the old one, which is revoked at once.
    """
    if action not in ("list", "add", "rotate", "revoke"):
        hint = "list, add NAME, rotate NAME or revoke NAME"
        raise UsageError(f"no such action: {action}", hint=hint)
    if (name is None) != (action == "list"):
        wants = "takes no name" if action == "list" else "needs the name of a key"
        raise UsageError(f"serve keys {action} {wants}")
    with open_ledger(ledger_path(run, db), make=action == "add") as ledger:
        if action == "list":
            _list_keys(run, ledger)
        elif action == "add":
            owner = _account(run, ledger, account, grant)
            _add_key(run, ledger, name or "", owner, expires, rpm, concurrency)
        elif action == "rotate":
            _rotate_key(run, ledger, name or "")
        elif not ledger.revoke(name or ""):
            raise _not_in_use(name or "")


def _add_key(
    run: Runtime,
    ledger: Ledger,
    name: str,
    account: Account,
    expires: int | None,
    rpm: int | None,
    concurrency: int | None,
) -> None:
    if any(key.name == name and key.revoked is None for key, _, _ in ledger.list_keys()):
        raise UsageError(f"there is a key called {name!r}", hint="revoke it first, or take another")
    until = None if expires is None else int(time.time()) + expires * DAY
    secret = ledger.add_key(account.id, name, expires=until, rpm=rpm, concurrency=concurrency)
    _show_once(run, name, account.name, secret)


def _rotate_key(run: Runtime, ledger: Ledger, name: str) -> None:
    secret = ledger.rotate(name)
    if secret is None:
        raise _not_in_use(name)
    owner = next(owner for key, owner, _ in reversed(ledger.list_keys()) if key.name == name)
    _show_once(run, name, owner, secret)


def _not_in_use(name: str) -> OcxError:
    return OcxError(f"no key called {name!r} is in use")


def _show_once(run: Runtime, name: str, account: str, secret: Secret) -> None:
    if run.json:
        write_json(run.terminal, {"name": name, "account": account, "key": secret.reveal()})
    else:
        run.terminal.print(secret.reveal())
    run.note("this key is shown once; it works only here")


def _account(run: Runtime, ledger: Ledger, name: str, grant: str | None) -> Account:
    """The account; a new one is granted what every new account is, and that is told."""
    if ledger.knows(name):
        if grant is not None:
            hint = f"`ocx serve grant {name} N` gives it more"
            raise UsageError(f"the account {name} is there already", hint=hint)
        return ledger.account(name)
    micro = ServeSettings.grant if grant is None else _credits(grant)
    found = ledger.account(name, grant=micro)
    if name != DEFAULT_ACCOUNT:
        run.note(
            f"a new account {name} with {format_credits(micro)} credits (--grant N gives it N)"
        )
    return found


def _credits(text: str) -> int:
    try:
        micro = parse_credits(text)
    except ValueError as error:
        raise UsageError(f"--grant: {error}") from None
    if micro < 0:
        raise UsageError("--grant takes 0 or more credits")
    return micro


def _list_keys(run: Runtime, ledger: Ledger) -> None:
    rows = [(key, owner, made, _state(key)) for key, owner, made in ledger.list_keys()]
    if run.json:
        write_json(
            run.terminal,
            [
                {
                    "name": key.name,
                    "key": key.hint,
                    "account": owner,
                    "created": made,
                    "expires": key.expires,
                    "state": state,
                    "rpm": key.rpm,
                    "concurrency": key.concurrency,
                }
                for key, owner, made, state in rows
            ],
        )
        return
    write_table(
        run.terminal,
        (
            Column("NAME", "accent"),
            "KEY",
            "ACCOUNT",
            Column("CREATED", "dim"),
            "STATE",
            Column("RPM", right=True),
            Column("AT ONCE", right=True),
        ),
        [
            (
                key.name,
                key.hint,
                owner,
                _date(made),
                state,
                str(key.rpm or ""),
                str(key.concurrency or ""),
            )
            for key, owner, made, state in rows
        ],
        color=run.color,
    )


def _state(key: Key) -> str:
    if key.revoked is not None:
        return "revoked"
    expired = key.expires is not None and key.expires <= time.time()
    return "expired" if expired else "good"


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")

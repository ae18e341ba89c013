"""`ocx serve keys`, `grant`, `ledger`, `check`, `reset`: the database of the local credits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from ocx.cli.parameters import AccountName, Db, ledger_path
from ocx.errors import CreditsError, OcxError, UsageError
from ocx.output.figures import ago, now
from ocx.output.history_output import most_decimals
from ocx.output.results import write_json, write_json_line
from ocx.output.table import Column, write_table
from ocx.runtime import Runtime
from ocx.secret import Secret
from ocx.serve.audit import counts, entries, findings
from ocx.serve.charge import credits_json, format_credits, parse_credits
from ocx.serve.ledger import DEFAULT_ACCOUNT, Account, Key, Ledger, Overdrawn, open_ledger
from ocx.serve.settings import ServeSettings
from ocx.serve.store import Store, remove

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


def grant(
    run: Runtime,
    amount: Annotated[
        str, typer.Argument(metavar="[CREDITS]", help="How many, with up to six decimals.")
    ] = "500",
    take: Annotated[bool, typer.Option("--take", help="Take them away instead.")] = False,
    account: AccountName = "default",
    db: Db = None,
) -> None:
    """Grant credits to an account, also beside a running server."""
    try:
        micro = -parse_credits(amount) if take else parse_credits(amount)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if amount.startswith("-") or micro == 0:
        raise UsageError("the number of credits must be above 0", hint="--take takes some away")
    with open_ledger(ledger_path(run, db), make=True) as ledger:
        # Not `_account`: who grants ten to a new account means ten.
        wanted = ledger.account(account)
        try:
            after = ledger.grant(wanted.id, micro)
        except Overdrawn as error:
            raise CreditsError(
                f"{account} has {format_credits(error.available)} credits that can be taken",
                hint="credits that running requests hold come back when they end",
            ) from error
    if run.json:
        write_json(run.terminal, {"account": account, "balance": credits_json(after.balance)})
    elif not run.quiet:
        run.terminal.print(f"{account}\t{format_credits(after.balance)}")


_COLUMNS = (
    Column("SEQ", "accent", right=True, optional=1),
    Column("TIME", "dim", optional=2),
    Column("ACCOUNT", optional=3),
    "KIND",
    Column("AMOUNT", right=True),
    Column("BALANCE", right=True),
    Column("MODEL", optional=4),
    Column("OUTCOME", optional=5),
)


def ledger(
    run: Runtime,
    account: Annotated[
        str | None, typer.Option("--account", help="Only this account.", metavar="NAME")
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One JSON document a line: the export.")
    ] = False,
    db: Db = None,
) -> None:
    """Show every movement of credits, oldest first."""
    with open_ledger(ledger_path(run, db)) as book:
        rows = entries(book.store.db, account)
        if jsonl:
            for row in rows:
                write_json_line(run.terminal, row)
        elif run.json:
            write_json(run.terminal, list(rows))
        else:
            cells = list(_cells(list(rows), short=run.terminal.stdout_tty))
            write_table(run.terminal, _COLUMNS, cells, color=run.color)


def _cells(rows: Sequence[dict[str, Any]], *, short: bool) -> Iterator[tuple[str, ...]]:
    """Text; on a terminal amounts with as many decimals, and the time is how long ago.

    In a pipe it is seconds since the epoch.
    """
    names = ("seq", "time", "account", "kind", "amount", "balance_after", "model", "outcome")
    amounts = ("amount", "balance_after")
    exact = [{**row, **{name: Decimal(str(row[name])) for name in amounts}} for row in rows]
    places = most_decimals(row[name] for row in exact for name in amounts)
    for row in exact:
        texts = {name: "" if row[name] is None else str(row[name]) for name in names}
        texts |= {
            name: f"{row[name]:.{places}f}" if short else f"{row[name]:f}" for name in amounts
        }
        if short:
            texts["time"] = ago(datetime.fromtimestamp(row["time"], UTC), now())
        yield tuple(texts.values())


def check(run: Runtime, db: Db = None) -> None:
    """Check that every balance is the sum of its entries and nothing stays held.

    Charges that a killed server left behind are released first. Exit 1 names what is wrong.
    """
    with open_ledger(ledger_path(run, db)) as book:
        wrong = findings(book.store.db)
        found = counts(book.store.db)
    if run.json:
        amounts = {name: credits_json(found[name]) for name in ("balance", "held")}
        write_json(run.terminal, {**found, **amounts, "findings": wrong})
    elif not run.quiet and not wrong:
        ended = ", ".join(f"{count} {name}" for name, count in sorted(found["outcomes"].items()))
        run.terminal.print(
            f"sound: balance {format_credits(found['balance'])},"
            f" held {format_credits(found['held'])}; charges: {ended or 'none'}"
        )
    if wrong:
        raise OcxError(f"the ledger is not sound: {wrong[0]}", hint=f"{len(wrong)} findings in all")


def reset(
    run: Runtime,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    db: Db = None,
) -> None:
    """Delete the ledger, keys and all, and begin a new one with its first credits."""
    path = ledger_path(run, db)
    run.confirm(f"Delete the ledger {path}?", yes)
    remove(path)
    with contextlib.closing(Store.open(path)) as store:
        Ledger(store).account(grant=ServeSettings.grant)
    run.note(f"a new ledger, 500 credits: {path}")

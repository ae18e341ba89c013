"""`ocx serve keys`, `grant`, `ledger`, `check`, `reset`: the database of the local credits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from ocx.cli import Option, Text, option
from ocx.commands import Yes, print_json, print_result
from ocx.config.paths import serve_database
from ocx.context import Context
from ocx.errors import CreditsError, OcxError, UsageError
from ocx.output.columns import Column
from ocx.output.figures import ago, now
from ocx.output.history_output import most_decimals
from ocx.output.writers import write_json_line
from ocx.secret import Secret
from ocx.serve.app import ServeSettings
from ocx.serve.charge import credits_json, entries, format_credits, parse_credits, problems, totals
from ocx.serve.ledger import DEFAULT_ACCOUNT, Account, Ledger, Overdrawn, open_ledger
from ocx.serve.store import Store, remove

DAY = 86400
_Owner = Annotated[str, Option("--account NAME", "Account, made if missing.")]
_Db = Annotated[Path | None, Option("--db FILE", "Ledger instead of the default one.")]
_Limit = int | None
_KEYS = (
    Column("NAME", "accent"),
    "KEY",
    "ACCOUNT",
    Column("CREATED", "dim"),
    "STATE",
    Column("RPM", right=True),
    Column("AT ONCE", right=True),
)
_ENTRIES = (
    Column("SEQ", "accent", right=True, optional=1),
    Column("TIME", "dim", optional=2),
    Column("ACCOUNT", optional=3),
    "KIND",
    Column("AMOUNT", right=True),
    Column("BALANCE", right=True),
    Column("MODEL", optional=4),
    Column("OUTCOME", optional=5),
)


def keys(
    ctx: Context,
    action: str = option("[list|add|rotate|revoke]", "What to do.", "list"),
    name: Text = option("[NAME]", "Name of the key."),
    account: _Owner = "default",
    expires: _Limit = option("--expires DAYS", "Good for so many days.", None, 1, 36_500),
    rpm: _Limit = option("--rpm N", "Requests a minute.", None, 1, 1_000_000),
    concurrency: _Limit = option("--concurrency N", "Requests at once.", None, 1, 1_000_000),
    grant: Text = option("--grant N", "First credits of a new account."),
    db: _Db = None,
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
    with open_ledger(_path(ctx, db), make=action == "add") as ledger:
        if name is None:
            _list_keys(ctx, ledger)
        elif action == "add":
            owner = _account(ctx, ledger, account, grant)
            until = None if expires is None else int(time.time()) + expires * DAY
            secret = ledger.add_key(owner.id, name, expires=until, rpm=rpm, concurrency=concurrency)
            if secret is None:
                hint = "revoke it first, or take another"
                raise UsageError(f"there is a key called {name!r}", hint=hint)
            _show_once(ctx, name, account, secret)
        elif action == "rotate" and (new := ledger.rotate(name)) is not None:
            found = reversed(ledger.list_keys())
            _show_once(ctx, name, next(key.owner for key in found if key.name == name), new)
        elif action == "rotate" or not ledger.revoke(name):
            raise OcxError(f"no key called {name!r} is in use")


def _show_once(ctx: Context, name: str, account: str, secret: Secret) -> None:
    if ctx.json:
        print_json(ctx, {"name": name, "account": account, "key": secret.reveal()})
    else:
        ctx.terminal.print(secret.reveal())
    ctx.note("this key is shown once; it works only here")


def _account(ctx: Context, ledger: Ledger, name: str, grant: str | None) -> Account:
    """The account; a new one is granted what every new account is, and that is told."""
    if ledger.number(name) is not None:
        if grant is not None:
            hint = f"`ocx serve grant {name} N` gives it more"
            raise UsageError(f"the account {name} is there already", hint=hint)
        return ledger.account(name)
    try:
        micro = ServeSettings.grant if grant is None else parse_credits(grant)
    except ValueError as error:
        raise UsageError(f"--grant: {error}") from None
    if micro < 0:
        raise UsageError("--grant takes 0 or more credits")
    found = ledger.account(name, grant=micro)
    if name != DEFAULT_ACCOUNT:
        amount = format_credits(micro)
        ctx.note(f"a new account {name} with {amount} credits (--grant N gives it N)")
    return found


def _list_keys(ctx: Context, ledger: Ledger) -> None:
    documents, rows = [], []
    for key in ledger.list_keys():
        documents.append(
            {
                "name": key.name,
                "key": key.hint,
                "account": key.owner,
                "created": key.created,
                "expires": key.expires,
                "state": (state := key.state(time.time())),
                "rpm": key.rpm,
                "concurrency": key.concurrency,
            }
        )
        date = datetime.fromtimestamp(key.created, UTC).strftime("%Y-%m-%d")
        limits = (str(key.rpm or ""), str(key.concurrency or ""))
        rows.append((key.name, key.hint, key.owner, date, state, *limits))
    print_result(ctx, documents, _KEYS, rows)


def grant(
    ctx: Context,
    amount: str = option("[CREDITS]", "How many, with up to six decimals.", "500"),
    take: bool = option("--take", "Take them away instead.", False),
    account: _Owner = "default",
    db: _Db = None,
) -> None:
    """Grant credits to an account, also beside a running server."""
    try:
        micro = -parse_credits(amount) if take else parse_credits(amount)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if amount.startswith("-") or micro == 0:
        raise UsageError("the number of credits must be above 0", hint="--take takes some away")
    with open_ledger(_path(ctx, db), make=True) as ledger:
        # A new account gets exactly this amount, without the usual 500 starting credits.
        wanted = ledger.account(account)
        try:
            after = ledger.grant(wanted.id, micro)
        except Overdrawn as error:
            raise CreditsError(
                f"{account} has {format_credits(error.available)} credits that can be taken",
                hint="credits that running requests hold come back when they end",
            ) from error
    if ctx.json:
        print_json(ctx, {"account": account, "balance": credits_json(after.balance)})
    elif not ctx.quiet:
        ctx.terminal.print(f"{account}\t{format_credits(after.balance)}")


def ledger(
    ctx: Context,
    account: Text = option("--account NAME", "Only this account."),
    jsonl: bool = option("--jsonl", "One JSON document a line: the export.", False),
    db: _Db = None,
) -> None:
    """Show every movement of credits, oldest first."""
    with open_ledger(_path(ctx, db)) as book:
        rows = entries(book.store.db, account)
        if jsonl:
            for row in rows:
                write_json_line(ctx.terminal, row)
        else:
            found = list(rows)
            cells = _cells(found, short=ctx.terminal.stdout_tty)
            print_result(ctx, found, _ENTRIES, cells)


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


def check(ctx: Context, db: _Db = None) -> None:
    """Check that every balance is the sum of its entries and nothing stays held.

    Charges that a killed server left behind are released first. Exit 1 names what is wrong.
    """
    with open_ledger(_path(ctx, db)) as book:
        wrong = problems(book.store.db)
        found = totals(book.store.db)
    if ctx.json:
        amounts = {name: credits_json(found[name]) for name in ("balance", "held")}
        print_json(ctx, {**found, **amounts, "findings": wrong})
    elif not ctx.quiet and not wrong:
        ended = ", ".join(f"{count} {name}" for name, count in sorted(found["outcomes"].items()))
        ctx.terminal.print(
            f"sound: balance {format_credits(found['balance'])},"
            f" held {format_credits(found['held'])}; charges: {ended or 'none'}"
        )
    if wrong:
        raise OcxError(f"the ledger is not sound: {wrong[0]}", hint=f"{len(wrong)} findings in all")


def reset(ctx: Context, yes: Yes = False, db: _Db = None) -> None:
    """Delete the ledger, keys and all, and begin a new one with its first credits."""
    path = _path(ctx, db)
    ctx.confirm(f"Delete the ledger {path}?", yes)
    remove(path)
    with contextlib.closing(Store.open(path)) as store:
        Ledger(store).account(grant=ServeSettings.grant)
    ctx.note(f"a new ledger, 500 credits: {path}")


def _path(ctx: Context, db: Path | None) -> Path:
    """The database that a command is about.

    Raises:
        UsageError: two databases are named, or words follow `--`.
    """
    if ctx.trailing is not None:
        # Words after `--` are for `serve -- CMD`; refuse them here rather than ignore them.
        raise UsageError("nothing may follow -- here")
    return serve_database(ctx.terminal.env, db, sandbox=bool(ctx.flags.get("sandbox")))

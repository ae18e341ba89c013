"""`ocx serve keys|grant|ledger|check|reset`: the database of the server, opened as a file.

There is no administration over HTTP: who may open the file may do all of this, also beside a
running server.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocx.commands.context import shared
from ocx.config.paths import state_dir
from ocx.errors import ConfigError, CreditsError, OcxError, UsageError
from ocx.output.json_output import write_json
from ocx.output.table import write_table
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.serve.ledger.ledger import Key, Ledger

DATABASE = "serve.sqlite3"
SANDBOX = "sandbox.sqlite3"
DAY = 86400

Db = Annotated[
    Path | None, typer.Option("--db", help="Ledger instead of the default one.", metavar="FILE")
]
AccountName = Annotated[
    str, typer.Option("--account", help="Account, made where missing.", metavar="NAME")
]


def database(run: Runtime, db: Path | None, configured: Path | None = None) -> Path:
    """The ledger that is meant: --db, --sandbox, `database` of serve.toml, the default."""
    sandbox = run.flags.get("sandbox")
    if db is not None and sandbox:
        raise UsageError("--db and --sandbox name two different ledgers")
    folder = state_dir(run.terminal.env)
    return db or (folder / SANDBOX if sandbox else configured or folder / DATABASE)


def _file(run: Runtime, db: Path | None) -> Path:
    if run.trailing is not None:
        # main() has split them off for `serve -- CMD`; dropping them silently would be worse.
        raise UsageError("nothing may follow -- here")
    return database(run, db)


@contextlib.contextmanager
def opened(run: Runtime, db: Path | None, *, make: bool = False) -> Iterator[Ledger]:
    """The ledger, made where missing only with `make`. Raises ConfigError."""
    from ocx.serve.ledger.ledger import Ledger
    from ocx.serve.ledger.store import Store

    path = _file(run, db)
    if not make and not path.exists():
        raise ConfigError(
            f"there is no ledger at {path}", hint="`ocx serve` makes one, `ocx serve grant` too"
        )
    with contextlib.closing(Store.open(path)) as store:
        yield Ledger(store)


@shared
def keys(
    run: Runtime,
    action: Annotated[
        str, typer.Argument(metavar="[list|add|revoke]", help="What to do.")
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
    db: Db = None,
) -> None:
    """List, add or revoke keys of the local server.

    A new key is printed once, on stdout, and stored only as its SHA-256.
    """
    if action not in ("list", "add", "revoke"):
        raise UsageError(f"no such action: {action}", hint="list, add NAME or revoke NAME")
    if (name is None) != (action == "list"):
        wants = "takes no name" if action == "list" else "needs the name of a key"
        raise UsageError(f"serve keys {action} {wants}")
    with opened(run, db, make=action == "add") as ledger:
        if action == "list":
            _list_keys(run, ledger)
        elif action == "add":
            _add_key(run, ledger, name or "", account, expires, rpm, concurrency)
        elif not ledger.revoke(name or ""):
            raise OcxError(f"no key called {name!r} is in use")


def _add_key(
    run: Runtime,
    ledger: Ledger,
    name: str,
    account: str,
    expires: int | None,
    rpm: int | None,
    concurrency: int | None,
) -> None:
    if any(key.name == name and key.revoked is None for key, _, _ in ledger.list_keys()):
        raise UsageError(f"there is a key called {name!r}", hint="revoke it first, or take another")
    until = None if expires is None else int(time.time()) + expires * DAY
    secret = ledger.add_key(
        _account(ledger, account), name, expires=until, rpm=rpm, concurrency=concurrency
    )
    if run.json:
        write_json(run.terminal, {"name": name, "account": account, "key": secret.reveal()})
    else:
        run.terminal.print(secret.reveal())
    run.note("this key is shown once; it works only here")


def _account(ledger: Ledger, name: str) -> int:
    """The account's id; a new one is granted what every new account is."""
    from ocx.serve.settings import ServeSettings

    return ledger.account(name, grant=ServeSettings.grant).id


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
        ("NAME", "KEY", "ACCOUNT", "CREATED", "STATE", "RPM", "AT ONCE"),
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


@shared
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
    from ocx.serve.ledger.ledger import Overdrawn
    from ocx.serve.ledger.money import credits, parse, show

    try:
        micro = -parse(amount) if take else parse(amount)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if amount.startswith("-") or micro == 0:
        raise UsageError("the number of credits must be above 0", hint="--take takes some away")
    with opened(run, db, make=True) as ledger:
        # Not `_account`: who grants ten to a new account means ten.
        wanted = ledger.account(account)
        try:
            after = ledger.grant(wanted.id, micro)
        except Overdrawn as error:
            raise CreditsError(
                f"{account} has {show(error.available)} credits that can be taken",
                hint="credits that running requests hold come back when they end",
            ) from error
    if run.json:
        write_json(run.terminal, {"account": account, "balance": credits(after.balance)})
    elif not run.quiet:
        run.terminal.print(f"{account}\t{show(after.balance)}")


@shared
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
    from ocx.serve.ledger.audit import entries

    with opened(run, db) as book:
        rows = entries(book.store.db, account)
        if jsonl:
            for row in rows:
                run.terminal.print(_compact(row))
        elif run.json:
            write_json(run.terminal, list(rows))
        else:
            names = ("SEQ", "TIME", "ACCOUNT", "KIND", "AMOUNT", "BALANCE", "MODEL", "OUTCOME")
            write_table(run.terminal, names, [_cells(row) for row in rows], color=run.color)


def _cells(row: dict[str, object]) -> tuple[str, ...]:
    names = ("seq", "time", "account", "kind", "amount", "balance_after", "model", "outcome")
    return tuple("" if row[name] is None else str(row[name]) for name in names)


def _compact(row: dict[str, object]) -> str:
    import json

    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


@shared
def check(run: Runtime, db: Db = None) -> None:
    """Check that every balance is the sum of its entries and nothing is held for nobody.

    Charges that a killed server left behind are released first. Exit 1 names what is wrong.
    """
    from ocx.serve.ledger.audit import counts, findings
    from ocx.serve.ledger.money import credits, show

    with opened(run, db) as book:
        wrong = findings(book.store.db)
        found = counts(book.store.db)
    if run.json:
        amounts = {name: credits(found[name]) for name in ("balance", "held")}
        write_json(run.terminal, {**found, **amounts, "findings": wrong})
    elif not run.quiet and not wrong:
        ended = ", ".join(f"{count} {name}" for name, count in sorted(found["outcomes"].items()))
        run.terminal.print(
            f"sound: balance {show(found['balance'])}, held {show(found['held'])};"
            f" charges: {ended or 'none'}"
        )
    if wrong:
        raise OcxError(f"the ledger is not sound: {wrong[0]}", hint=f"{len(wrong)} findings in all")


@shared
def reset(
    run: Runtime,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    db: Db = None,
) -> None:
    """Delete the ledger, keys and all, and begin a new one with its first credits."""
    from ocx.serve.ledger.ledger import Ledger
    from ocx.serve.ledger.store import Store, remove
    from ocx.serve.settings import ServeSettings

    path = _file(run, db)
    run.confirm(f"Delete the ledger {path}?", yes)
    remove(path)
    with contextlib.closing(Store.open(path)) as store:
        Ledger(store).account(grant=ServeSettings.grant)
    run.note(f"a new ledger, 500 credits: {path}")

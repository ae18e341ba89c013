"""Accounts, keys, and the one way that credits move: reserve, then settle or release.

Every call is one short transaction without an `await` in it, so that nothing can be cancelled in
the middle of a charge. Moving to another database means rewriting this file and `store.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ocx.errors import ConfigError
from ocx.owners import is_out_of_reach
from ocx.secret import Secret
from ocx.serve.admission import digest, mint
from ocx.serve.openai_format import Usage
from ocx.serve.store import Store, transaction

DEFAULT_ACCOUNT = "default"

Source = Literal["upstream", "counted"]
_KEYS = (
    "SELECT k.id, account, k.name, hint, expires, revoked, rpm, concurrency, created, a.name"
    " FROM key k JOIN account a ON a.id = account"
)


@dataclass(frozen=True)
class Key:
    """A row of `key`; `id` is None for the key of this process, which is nowhere stored."""

    id: int | None
    account: int
    name: str
    hint: str
    expires: int | None = None
    revoked: int | None = None
    rpm: int | None = None
    concurrency: int | None = None
    created: int = 0
    owner: str = ""

    def state(self, now: float) -> Literal["good", "revoked", "expired"]:
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "good"


@dataclass(frozen=True)
class Account:
    """Micro-credits; `granted - used` is `balance`."""

    id: int
    balance: int
    held: int
    granted: int

    @property
    def used(self) -> int:
        return self.granted - self.balance


class Overdrawn(Exception):
    """The account has not enough credits left for the reservation."""

    def __init__(self, available: int) -> None:
        super().__init__(available)
        self.available = available


class Ledger:
    """The ledger of one open `Store`; `clock` gives seconds since the epoch."""

    def __init__(self, store: Store, clock: Callable[[], int] | None = None) -> None:
        self.store = store
        self._db = store.db
        self._now = clock or (lambda: int(time.time()))

    def account(self, name: str = DEFAULT_ACCOUNT, *, grant: int = 0) -> Account:
        """The account called `name`; a new one is granted `grant` micro-credits."""
        number = self.number(name)
        if number is not None:
            return self.balance(number)
        with transaction(self._db):
            # Another process may have been first: then the grant is made already.
            made = self._db.execute("INSERT OR IGNORE INTO account (name) VALUES (?)", (name,))
            if made.rowcount and grant and made.lastrowid is not None:
                self._move(made.lastrowid, grant, "grant")
        return self.account(name)

    def number(self, name: str) -> int | None:
        """The id of the account of that name, if there is one."""
        row = self._db.execute("SELECT id FROM account WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def balance(self, account: int) -> Account:
        """The account with every settled charge counted."""
        row = self._db.execute(
            "SELECT id, balance, held, (SELECT coalesce(sum(amount), 0) FROM ledger"
            " WHERE account = a.id AND kind != 'charge') FROM account a WHERE id = ?",
            (account,),
        ).fetchone()
        return Account(*row)

    def _available(self, account: int) -> int:
        # Not by `balance`, which adds up the whole ledger of the account.
        query = "SELECT balance - held FROM account WHERE id = ?"
        return int(self._db.execute(query, (account,)).fetchone()[0])

    def grant(self, account: int, micro: int) -> Account:
        """Add credits, or take some away (`adjust`).

        Raises:
            Overdrawn: less than that is available.
        """
        with transaction(self._db):
            available = self._available(account)
            if available + micro < 0:
                raise Overdrawn(available)
            self._move(account, micro, "grant" if micro >= 0 else "adjust")
        return self.balance(account)

    def _move(self, account: int, micro: int, kind: str) -> None:
        self._db.execute("UPDATE account SET balance = balance + ? WHERE id = ?", (micro, account))
        row = self._db.execute("SELECT balance FROM account WHERE id = ?", (account,)).fetchone()
        self._note(account, micro, kind, None, row[0])

    def _note(self, account: int, micro: int, kind: str, charge: int | None, balance: int) -> None:
        self._db.execute(
            "INSERT INTO ledger (at, account, kind, amount, charge, balance_after)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (self._now(), account, kind, micro, charge, balance),
        )

    def reserve(self, key: Key, model: str, hold: int) -> int:
        """Set `hold` micro-credits aside; the id of the charge.

        Raises:
            Overdrawn: less than `hold` is available.
        """
        # Not synced: a hold that is lost is one that the sweep of a dead process would release.
        with transaction(self._db, durable=False):
            held = self._db.execute(
                "UPDATE account SET held = held + :h WHERE id = :id AND balance - held >= :h",
                {"h": hold, "id": key.account},
            )
            if not held.rowcount:
                raise Overdrawn(self._available(key.account))
            made = self._db.execute(
                "INSERT INTO charge (account, key, model, hold, boot, opened)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (key.account, key.id, model, hold, self.store.owner, self._now()),
            )
            return int(made.lastrowid or 0)

    def cancel(self, charge: int) -> None:
        """Forget a charge whose request was refused before anything was done for it."""
        with transaction(self._db, durable=False):
            self._db.execute(
                "UPDATE account SET held = held - (SELECT hold FROM charge WHERE id = :id)"
                " WHERE id = (SELECT account FROM charge WHERE id = :id)",
                {"id": charge},
            )
            self._db.execute("DELETE FROM charge WHERE id = ?", (charge,))

    def settle(self, charge: int, cost: int, usage: Usage, source: Source, outcome: str) -> int:
        """End a charge; returns what was taken, 0 if it had ended before.

        A cost beyond the hold is paid from what else is left; the rest is the shortfall, noted
        on the charge. A cost of 0 releases the charge. It lasts after `durable`.
        """
        self.store.log.note()
        with transaction(self._db, durable=False):
            row = self._db.execute(
                "SELECT a.id, hold, balance, held FROM charge c JOIN account a ON a.id = account"
                " WHERE c.id = ? AND state = 'held'",
                (charge,),
            ).fetchone()
            if row is None:
                return 0
            account, hold, balance, held = row
            taken: int = min(cost, balance - held + hold)
            state = "settled" if cost else "released"
            counts = (usage.prompt_tokens, usage.completion_tokens)
            self._db.execute(
                "UPDATE charge SET state = ?, cost = ?, shortfall = ?, prompt_tokens = ?,"
                " completion_tokens = ?, source = ?, outcome = ?, closed = ? WHERE id = ?",
                (state, taken, cost - taken, *counts, source, outcome, self._now(), charge),
            )
            self._db.execute(
                "UPDATE account SET balance = ?, held = ? WHERE id = ?",
                (balance - taken, held - hold, account),
            )
            if taken:
                self._note(account, -taken, "charge", charge, balance - taken)
            return taken

    def find_key(self, hashed: str) -> Key | None:
        """The key with this SHA-256, in use or not."""
        row = self._db.execute(f"{_KEYS} WHERE hash = ?", (hashed,)).fetchone()
        return None if row is None else Key(*row)

    def list_keys(self) -> list[Key]:
        """Every key, in the order in which they were made."""
        return [Key(*row) for row in self._db.execute(f"{_KEYS} ORDER BY k.id")]

    def add_key(
        self,
        account: int,
        name: str,
        *,
        secret: Secret | None = None,
        expires: int | None = None,
        rpm: int | None = None,
        concurrency: int | None = None,
    ) -> Secret | None:
        """Make a key; its text is returned here and never again. None if the name is taken."""
        secret = secret or mint()
        stored = (account, digest(secret.reveal()), secret.masked(), name, self._now())
        with transaction(self._db):
            made = self._db.execute(
                "INSERT INTO key (account, hash, hint, name, created, expires, rpm, concurrency)"
                " SELECT ?, ?, ?, ?, ?, ?, ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM key WHERE name = ? AND revoked IS NULL)",
                (*stored, expires, rpm, concurrency, name),
            )
        return secret if made.rowcount else None

    def rotate(self, name: str) -> Secret | None:
        """Replace the key called `name`: a new secret, and the old key is revoked.

        The new key has the account, the limits and the lifetime of the old one. Returns None if
        no key of that name is in use.
        """
        now = self._now()
        secret = mint()
        with transaction(self._db):
            made = self._db.execute(
                "INSERT INTO key (account, hash, hint, name, created, expires, rpm, concurrency)"
                " SELECT account, ?, ?, name, ?, ? + expires - created, rpm, concurrency FROM key"
                " WHERE name = ? AND revoked IS NULL AND (expires IS NULL OR expires > ?)"
                " ORDER BY id DESC LIMIT 1",
                (digest(secret.reveal()), secret.masked(), now, now, name, now),
            )
            if not made.rowcount:
                return None
            self._db.execute(
                "UPDATE key SET revoked = ? WHERE name = ? AND revoked IS NULL AND id != ?",
                (now, name, made.lastrowid),
            )
        return secret

    def revoke(self, name: str) -> int:
        """Revoke the keys called `name`; how many were still good."""
        with transaction(self._db):
            return self._db.execute(
                "UPDATE key SET revoked = ? WHERE name = ? AND revoked IS NULL",
                (self._now(), name),
            ).rowcount


@contextmanager
def open_ledger(path: Path, *, make: bool = False) -> Iterator[Ledger]:
    """The ledger in a file, made only with `make` if there is none.

    Raises:
        ConfigError: there is none, or it cannot be opened.
    """
    if not make and not is_out_of_reach(path) and not path.exists():
        raise ConfigError(
            f"there is no ledger at {path}", hint="`ocx serve` makes one, `ocx serve grant` too"
        )
    with closing(Store.open(path)) as store:
        yield Ledger(store)

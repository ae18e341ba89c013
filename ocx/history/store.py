"""Writing and reading calls and conversations."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from sqlite3 import Connection
from typing import Any, NamedTuple

from ocx.api.prices import token_counts
from ocx.errors import out_of_reach
from ocx.history.call import DAY, Call, Entry, Message, Point, prompt_of, without_keys
from ocx.history.database import (
    ELSEWHERE,
    PATIENCE,
    PATIENCE_OF_ANSWERS,
    HistoryError,
    conversation_lock,
    open_database,
    translated,
    writing,
)
from ocx.history.filters import Filters
from ocx.owners import is_out_of_reach
from ocx.secret import Secret
from ocx.text import compact, loads

FILE = "history.sqlite3"
_MOST = 2**63 - 1  # SQLite's largest number
_KEPT_DAYS = 400  # a check every five minutes would otherwise fill the disk in the end

_JSON = ("options", "tool_calls", "usage")
_STORED = tuple(name.name for name in fields(Call))
_COLUMNS = ", ".join(f"call.{name}" for name in ("id", "conversation", *_STORED))
_SAME = "SELECT count(*) FROM call AS other WHERE other.conversation = call.conversation"
_TURNS = f"({_SAME} AND other.id <= call.id), ({_SAME})"
_FROM = "FROM call JOIN conversation ON conversation.id = call.conversation"


_SWEEP = (
    "DELETE FROM message WHERE id NOT IN (SELECT message FROM call_message)",
    "DELETE FROM conversation WHERE id NOT IN (SELECT conversation FROM call)",
    "INSERT INTO call_text(call_text) VALUES ('optimize')",
)


class Conversation(NamedTuple):
    """Calls that belong together; `name` is None if the user gave none."""

    id: int
    name: str | None
    profile: str


class History:
    """The history in the folder `state`; a context manager.

    Args:
        patience: seconds to wait while another process holds it.

    Raises:
        HistoryError: from everything.
        ConfigError: from its making, if `state` cannot be reached.
    """

    def __init__(self, state: Path, patience: float = PATIENCE) -> None:
        self._path = state / FILE
        self._connection = open_database(self._path, patience)

    def __enter__(self) -> History:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, for an answer that is there already."""
        with translated(self._path), writing(self._connection, PATIENCE_OF_ANSWERS):
            yield self._connection

    def read(self, query: str, values: Any = ()) -> list[Any]:
        """Every row."""
        with translated(self._path):
            return self._connection.execute(query, values).fetchall()

    def conversation(self, name: str, profile: str) -> Conversation:
        """The one of that name, made if there is none."""
        with translated(self._path), writing(self._connection):
            self._connection.execute(
                "INSERT OR IGNORE INTO conversation(name, profile, created) VALUES (?, ?, ?)",
                (name, profile, time.time()),
            )
            return self._conversations("WHERE name = ?", (name,))[0]

    def conversation_names(self) -> list[str]:
        """Of those that have one, and a call; the last that was continued comes first."""
        rows = self.read(
            "SELECT name FROM conversation JOIN call ON call.conversation = conversation.id"
            " WHERE name NOT NULL GROUP BY name ORDER BY max(call.id) DESC"
        )
        return [name for (name,) in rows]

    def numbered_conversation(self, number: int) -> Conversation | None:
        """The one with this number, else that of the call with it; `history list` shows both."""
        where = "WHERE id = :number OR id = (SELECT conversation FROM call WHERE id = :number)"
        order = "ORDER BY id = :number DESC"
        return next(iter(self._conversations(f"{where} {order}", {"number": number})), None)

    def last_conversation(self, profile: str) -> Conversation | None:
        """The one with the newest call of `profile`."""
        newest = "SELECT conversation FROM call WHERE profile = ? ORDER BY id DESC LIMIT 1"
        return next(iter(self._conversations(f"WHERE id = ({newest})", (profile,))), None)

    def _conversations(self, where: str, values: Any) -> list[Conversation]:
        query = f"SELECT id, name, profile FROM conversation {where}"  # noqa: S608 - constants
        rows = self.read(query, values)
        return [Conversation(*row) for row in rows]

    def locked(
        self, conversation: Conversation, wait: float, on_wait: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Nobody else writes into `conversation` inside; as `conversation_lock`."""
        path = self._path.with_name("conversations.lock")
        return conversation_lock(path, conversation.id, wait, on_wait)

    def turns(self, conversation: Conversation) -> tuple[list[Message], Entry | None]:
        """The messages so far, with the last answer, and the call they come from."""
        rows = self.read(
            f"SELECT {_COLUMNS}, conversation.name {_FROM}"
            " WHERE call.conversation = ? AND call.outcome = 'finished'"
            " ORDER BY call.id DESC LIMIT 1",
            (conversation.id,),
        )
        if not rows:
            return [], None
        entry = _entry(rows[0])
        return [*self.messages(entry.id), entry.reply], entry

    def record(
        self,
        call: Call,
        messages: Sequence[Message],
        conversation: Conversation | None = None,
        keys: Sequence[Secret] = (),
    ) -> Conversation:
        """Store a call, in a conversation of its own if none is given.

        Keys never reach the file: those given, and all that look like the provider's, are masked.
        """
        values = {name: without_keys(getattr(call, name), keys) for name in _STORED}
        sent = without_keys(list(messages), keys)
        values["prompt"] = prompt_of(sent)
        for name in _JSON:
            values[name] = None if values[name] is None else compact(values[name])
        values["credits"] = None if call.credits is None else str(call.credits)
        values["prompt_tokens"], values["completion_tokens"] = token_counts(call.usage)
        with self.writing():
            home = self._ensure(conversation, call)
            self._insert({**values, "conversation": home.id}, sent)
        return home

    def messages(self, call: int) -> list[Message]:
        """What was sent, in order."""
        rows = self.read(
            "SELECT json FROM call_message JOIN message ON message.id = message"
            " WHERE call = ? ORDER BY position",
            (call,),
        )
        return [json.loads(text) for (text,) in rows]

    def entries(
        self, filters: Filters, *, limit: int | None = None, oldest_first: bool = False
    ) -> Iterator[Entry]:
        """The newest `limit` calls that `filters` select, newest first unless told."""
        where, values = filters.where()
        order = "ASC" if oldest_first else "DESC"
        with translated(self._path):
            rows = self._connection.execute(
                f"SELECT {_COLUMNS}, conversation.name, {_TURNS} {_FROM}"
                f" WHERE {where} ORDER BY call.id {order} LIMIT ?",
                [*values, -1 if limit is None else min(limit, _MOST)],
            )
            for row in rows:
                yield _entry(row)

    def count(self, filters: Filters) -> int:
        where, values = filters.where()
        return int(self.read(f"SELECT count(*) {_FROM} WHERE {where}", values)[0][0])

    def count_readings(self) -> int:
        """How many balances are kept."""
        return int(self.read("SELECT count(*) FROM reading")[0][0])

    def remove(self, filters: Filters) -> int:
        """Delete the calls that `filters` select, and what only they used; returns how many.

        If it is all calls, the balances that were read go, too.
        """
        where, values = filters.where()
        with translated(self._path):
            with writing(self._connection):
                query = f"SELECT call.id {_FROM} WHERE {where}"
                ids = self._connection.execute(query, values).fetchall()
                self._connection.executemany("DELETE FROM call WHERE id = ?", ids)
                if not filters.selects:
                    self._connection.execute("DELETE FROM reading")
                # What no call uses any more; the index forgets its words.
                for statement in _SWEEP:
                    self._connection.execute(statement)
            if ids or not filters.selects:
                # Else the removed text stays in the log until the next checkpoint.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(ids)

    def _ensure(self, conversation: Conversation | None, call: Call) -> Conversation:
        """The conversation's row, made again if it was removed meanwhile."""
        number, name = (conversation.id, conversation.name) if conversation else (None, None)
        if conversation is None:
            # That of the call to come, so that a conversation is called as its first call is.
            free = self.read(
                "SELECT 1 + seq FROM sqlite_sequence WHERE name = 'call'"
                " AND 1 + seq NOT IN (SELECT id FROM conversation)"
            )
            number = free[0][0] if free else None
        made = self._connection.execute(
            "INSERT OR IGNORE INTO conversation(id, name, profile, created) VALUES (?, ?, ?, ?)",
            (number, name, call.profile, call.started),
        )
        if conversation is None:
            return Conversation(made.lastrowid or 0, None, call.profile)
        where = "WHERE name = :name OR id = :id ORDER BY name IS :name DESC LIMIT 1"
        return self._conversations(where, {"name": name, "id": number})[0]

    def _insert(self, values: dict[str, Any], sent: list[Message]) -> None:
        marks = ", ".join(f":{name}" for name in values)
        cursor = self._connection.execute(
            f"INSERT INTO call({', '.join(values)}) VALUES ({marks})",  # noqa: S608 - constants
            values,
        )
        for position, message in enumerate(sent):
            text = compact(message)
            digest = hashlib.sha256(text.encode()).digest()
            self._connection.execute(
                "INSERT OR IGNORE INTO message(digest, json) VALUES (?, ?)", (digest, text)
            )
            self._connection.execute(
                "INSERT INTO call_message(call, position, message)"
                " SELECT ?, ?, id FROM message WHERE digest = ?",
                (cursor.lastrowid, position, digest),
            )


def _entry(row: Sequence[Any]) -> Entry:
    names = ("id", "conversation", *_STORED, "conversation_name", "turn", "turns")
    values = dict(zip(names, row, strict=False))
    try:
        for name in _JSON:
            if values[name] is not None:
                values[name] = loads(values[name])
        if values["credits"] is not None:
            values["credits"] = Decimal(values["credits"])
    except (ValueError, TypeError, InvalidOperation) as error:
        number = values["id"]
        raise HistoryError(
            f"call {number} of the history is damaged", hint=f"`ocx history rm {number}` removes it"
        ) from error
    return Entry(**values)


@contextmanager
def open_existing(state: Path, note: Callable[[str], None]) -> Iterator[History | None]:
    """The history of a state folder; None, and a note, if nothing was ever kept.

    Looking makes no file.
    """
    if is_out_of_reach(state):
        raise out_of_reach(state, ELSEWHERE)
    if not (state / FILE).exists():
        note("no call is kept yet")
        yield None
        return
    with History(state) as history:
        yield history


class Account(NamedTuple):
    """Whose balance it is; two keys of one profile are one account."""

    profile: str
    base_url: str


class Reading(NamedTuple):
    """An amount, in the unit that the answer names, at a time in seconds since the epoch."""

    at: float
    unit: str
    amount: Decimal


def keep_readings(state: Path, account: Account, readings: Sequence[Reading]) -> None:
    """Add readings of a balance to the history in the folder `state`; very old ones go.

    Raises:
        HistoryError: it cannot be written.
    """
    rows = [(*account, each.unit, each.at, f"{each.amount:f}") for each in readings]
    oldest = max(each.at for each in readings) - _KEPT_DAYS * DAY
    with History(state, PATIENCE_OF_ANSWERS) as history, history.writing() as connection:
        connection.executemany(
            "INSERT INTO reading(profile, base_url, unit, at, amount) VALUES (?, ?, ?, ?, ?)", rows
        )
        connection.execute("DELETE FROM reading WHERE at < ?", (oldest,))


def points(state: Path, account: Account, unit: str, since: float) -> list[Point]:
    """The readings of one account in one unit, oldest first. Looking makes no file.

    Raises:
        HistoryError: the history cannot be read.
    """
    if not (state / FILE).exists():
        return []
    with History(state, PATIENCE_OF_ANSWERS) as history:
        rows = history.read(
            "SELECT at, amount FROM reading"
            " WHERE profile = ? AND base_url = ? AND unit = ? AND at >= ? ORDER BY at",
            (*account, unit, since),
        )
    return [Point(at, Decimal(amount)) for at, amount in rows]

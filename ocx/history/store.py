"""Writing and reading calls and conversations."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ocx.errors import out_of_reach
from ocx.history.call import Call, Entry, Message, prompt_of, without_keys
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
from ocx.jsontext import compact, loads
from ocx.owners import is_out_of_reach
from ocx.secret import Secret

FILE = "history.sqlite3"

_JSON = ("options", "tool_calls", "usage")
_STORED = tuple(name.name for name in fields(Call))
_COLUMNS = ", ".join(f"call.{name}" for name in ("id", "conversation", *_STORED))
_SAME = "SELECT count(*) FROM call AS other WHERE other.conversation = call.conversation"
_TURNS = f"({_SAME} AND other.id <= call.id), ({_SAME})"
_FROM = "FROM call JOIN conversation ON conversation.id = call.conversation"


@dataclass(frozen=True)
class Conversation:
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

    def conversation(self, name: str, profile: str) -> Conversation:
        """The one of that name, made if there is none."""
        with translated(self._path), writing(self._connection):
            self._connection.execute(
                "INSERT OR IGNORE INTO conversation(name, profile, created) VALUES (?, ?, ?)",
                (name, profile, time.time()),
            )
            row = self._connection.execute(
                "SELECT id, name, profile FROM conversation WHERE name = ?", (name,)
            ).fetchone()
        return Conversation(*row)

    def numbered_conversation(self, number: int) -> Conversation | None:
        """The one with this number, else that of the call with it; `history list` shows both."""
        with translated(self._path):
            row = self._connection.execute(
                "SELECT id, name, profile FROM conversation WHERE id = :number OR id ="
                " (SELECT conversation FROM call WHERE id = :number) ORDER BY id = :number DESC",
                {"number": number},
            ).fetchone()
        return Conversation(*row) if row else None

    def last_conversation(self, profile: str) -> Conversation | None:
        """The one with the newest call of `profile`."""
        with translated(self._path):
            row = self._connection.execute(
                "SELECT conversation.id, conversation.name, conversation.profile"
                f" {_FROM} WHERE call.profile = ? ORDER BY call.id DESC LIMIT 1",
                (profile,),
            ).fetchone()
        return Conversation(*row) if row else None

    def locked(
        self, conversation: Conversation, wait: float, on_wait: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Nobody else writes into `conversation` inside.

        Raises:
            DeadlineError: another process held it for `wait` seconds.
        """
        path = self._path.with_name("conversations.lock")
        return conversation_lock(path, conversation.id, wait, on_wait)

    def turns(self, conversation: Conversation) -> tuple[list[Message], Entry | None]:
        """The messages so far, with the last answer, and the call they come from."""
        with translated(self._path):
            row = self._connection.execute(
                f"SELECT {_COLUMNS}, conversation.name {_FROM}"
                " WHERE call.conversation = ? AND call.outcome = 'finished'"
                " ORDER BY call.id DESC LIMIT 1",
                (conversation.id,),
            ).fetchone()
        if row is None:
            return [], None
        entry = _entry(row)
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
        with translated(self._path), writing(self._connection, PATIENCE_OF_ANSWERS):
            home = self._ensure(conversation, call)
            self._insert(values, home, sent, call)
        return home

    def messages(self, call: int) -> list[Message]:
        """What was sent, in order."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT json FROM call_message JOIN message ON message.id = message"
                " WHERE call = ? ORDER BY position",
                (call,),
            ).fetchall()
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
                [*values, -1 if limit is None else limit],
            )
            for row in rows:
                yield _entry(row)

    def count(self, filters: Filters) -> int:
        where, values = filters.where()
        with translated(self._path):
            query = f"SELECT count(*) {_FROM} WHERE {where}"
            found: int = self._connection.execute(query, values).fetchone()[0]
        return found

    def count_readings(self) -> int:
        """How many balances are kept."""
        with translated(self._path):
            query = "SELECT count(*) FROM reading"
            found: int = self._connection.execute(query).fetchone()[0]
        return found

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
                _sweep(self._connection)
            if ids or not filters.selects:
                # Else the removed text stays in the log until the next checkpoint.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(ids)

    def _ensure(self, conversation: Conversation | None, call: Call) -> Conversation:
        """The conversation's row, made again if it was removed meanwhile."""
        new = (
            self._free_number() if conversation is None else conversation.id,
            conversation.name if conversation else None,
            call.profile,
            call.started,
        )
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO conversation(id, name, profile, created) VALUES (?, ?, ?, ?)",
            new,
        )
        if conversation is None:
            return Conversation(cursor.lastrowid or 0, None, call.profile)
        row = self._connection.execute(
            "SELECT id, name, profile FROM conversation WHERE name = :name OR id = :id"
            " ORDER BY name IS :name DESC LIMIT 1",
            {"name": conversation.name, "id": conversation.id},
        ).fetchone()
        return Conversation(*row)

    def _free_number(self) -> int | None:
        """The number of the call to come, so that a conversation is called as its first call is."""
        row = self._connection.execute(
            "SELECT 1 + seq FROM sqlite_sequence WHERE name = 'call'"
            " AND 1 + seq NOT IN (SELECT id FROM conversation)"
        ).fetchone()
        return row[0] if row else None

    def _insert(
        self, values: dict[str, Any], home: Conversation, sent: list[Message], call: Call
    ) -> None:
        values |= {
            "conversation": home.id,
            "prompt_tokens": call.tokens("prompt_tokens"),
            "completion_tokens": call.tokens("completion_tokens"),
        }
        marks = ", ".join(f":{name}" for name in values)
        cursor = self._connection.execute(
            f"INSERT INTO call({', '.join(values)}) VALUES ({marks})",  # noqa: S608 - constants
            values,
        )
        for position, message in enumerate(sent):
            self._insert_message(cursor.lastrowid or 0, position, compact(message))

    def _insert_message(self, call: int, position: int, text: str) -> None:
        digest = hashlib.sha256(text.encode()).digest()
        self._connection.execute(
            "INSERT OR IGNORE INTO message(digest, json) VALUES (?, ?)", (digest, text)
        )
        self._connection.execute(
            "INSERT INTO call_message(call, position, message)"
            " SELECT ?, ?, id FROM message WHERE digest = ?",
            (call, position, digest),
        )


def _sweep(connection: sqlite3.Connection) -> None:
    """Messages and conversations that no call uses any more; the index forgets their words."""
    connection.execute("DELETE FROM message WHERE id NOT IN (SELECT message FROM call_message)")
    connection.execute("DELETE FROM conversation WHERE id NOT IN (SELECT conversation FROM call)")
    connection.execute("INSERT INTO call_text(call_text) VALUES ('optimize')")


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

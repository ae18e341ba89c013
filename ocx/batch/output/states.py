"""What an earlier run left behind, by id: a bit field in an IdTable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ocx.batch.id_table import IdTable, id_key
from ocx.batch.output.batch_row import Written
from ocx.batch.result import OK, RETRYABLE
from ocx.batch.rows.row import BadRow, Row

Retry = Literal["retryable", "all", "none"]
Decision = Literal["send", "skip", "changed"]

_GOOD, _RETRYABLE, _PERMANENT = 1, 2, 3
_HASH_BITS = 60
_HASH = (1 << _HASH_BITS) - 1


@dataclass(frozen=True)
class State:
    """A finished row; `sha256` is cut to 60 bits, 0 if unknown."""

    rank: int
    sha256: int

    @property
    def good(self) -> bool:
        return self.rank == _GOOD

    @property
    def retryable(self) -> bool:
        return self.rank == _RETRYABLE


class States:
    """Of every id that the output holds; success wins, else the last row."""

    def __init__(self) -> None:
        self._table = IdTable()
        self.superseded = 0
        self.good = 0

    def __len__(self) -> int:
        return len(self._table)

    def add(self, written: Written) -> None:
        key = id_key(written.id)
        old = self._table.get(key)
        if old is not None:
            self.superseded += 1
            if old >> _HASH_BITS == _GOOD:
                return
        rank = _rank(written.kind)
        self.good += rank == _GOOD
        self._table.set(key, rank << _HASH_BITS | _short(written.sha256))

    def get(self, row_id: str) -> State | None:
        found = self._table.get(id_key(row_id))
        return None if found is None else State(found >> _HASH_BITS, found & _HASH)

    def has_key(self, key: int) -> bool:
        return self._table.get(key) is not None

    def decide(self, row: Row | BadRow, sha256: str, retry: Retry) -> Decision:
        """Whether a row is sent. `changed`: it was answered, but for another request."""
        state = self.get(row.id)
        if state is None:
            return "send"
        same = not state.sha256 or not sha256 or state.sha256 == _short(sha256)
        if state.good:
            return "skip" if same else "changed"
        if not same or retry == "all":
            return "send"
        return "send" if retry == "retryable" and state.retryable else "skip"


def _rank(kind: str) -> int:
    if kind == OK:
        return _GOOD
    return _RETRYABLE if kind in RETRYABLE else _PERMANENT


def _short(sha256: str) -> int:
    try:
        return int(sha256[:15], 16)
    except ValueError:
        return 0

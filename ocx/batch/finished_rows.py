"""Which rows an output holds, by id, and what became of them.

A set of a million ids as texts needs 100 MB; a table here keeps 64 bits of each id's SHA-256, in
32 MiB, 48 while it grows. Among a million ids, two collide with a probability of 3 in 10^8.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from ocx.batch.row import OK, BadRow, Result, Row, hash_request
from ocx.errors import ERRORS

Retry = Literal["retryable", "all", "none"]
Decision = Literal["send", "skip", "changed"]

_KINDS = ("", OK, *(error.name for error in ERRORS))  # the first is no row
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_HASH_DIGITS = 14
_HASH_BITS = 4 * _HASH_DIGITS
_HASH = (1 << _HASH_BITS) - 1


@lru_cache(1024)  # each row asks a few times, and soon after each other
def id_key(row_id: str) -> int:
    """The 64 bits that stand for an id; never 0."""
    digest = hashlib.sha256(row_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") or 1


class IdTable:
    """A map from keys, none of them 0, to integers; both unsigned and of 64 bits."""

    def __init__(self) -> None:
        self._allocate(1024)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, key: int) -> int | None:
        slot = self._slot(key)
        return self._values[slot] if self._keys[slot] else None

    def items(self) -> Iterator[tuple[int, int]]:
        return ((key, value) for key, value in zip(self._keys, self._values, strict=True) if key)

    def set(self, key: int, value: int) -> None:
        slot = self._slot(key)
        if not self._keys[slot]:
            if self._count >= self._mask * 3 // 4:
                self._grow()
                slot = self._slot(key)
            self._keys[slot] = key
            self._count += 1
        self._values[slot] = value

    def _slot(self, key: int) -> int:
        """Where a key is, or would be: the first free slot from its own place on."""
        keys, mask = self._keys, self._mask
        slot = key & mask
        while (held := keys[slot]) and held != key:
            slot = (slot + 1) & mask
        return slot

    def _allocate(self, capacity: int) -> None:
        self._keys = array("Q", bytes(8)) * capacity
        self._values = array("Q", bytes(8)) * capacity
        self._mask = capacity - 1

    def _grow(self) -> None:
        items = self.items()  # of the arrays that are left
        self._allocate(2 * len(self._keys))
        for key, value in items:
            slot = self._slot(key)
            self._keys[slot] = key
            self._values[slot] = value


class FinishedRow(NamedTuple):
    """What an output says of a row.

    Attributes:
        kind: `ok`, or the class of the failure; empty if there is no such row.
        sha256: of the request, in hex digits; empty if it is unknown.
        rerun_helps: a plain `--resume` sends it again.
        unknown_reason: the finish_reason of an answer, where it is not known.
        unanswered: attempts before the last that may have been charged without an answer.
    """

    id: str
    kind: str
    sha256: str = ""
    rerun_helps: bool = False
    unknown_reason: str | None = None
    unanswered: int = 0

    @property
    def good(self) -> bool:
        return self.kind == OK


class FinishedRows:
    """Of all rows of an id a success counts, else the last one; false without any.

    Attributes:
        repeated: where rows start that are not the first of their id.
        replaced: where a first row starts that does not count, and where the one that does.
    """

    def __init__(self) -> None:
        self._rows = IdTable()
        self._starts = IdTable()  # of the first row of each id
        self.repeated: set[int] = set()
        self.replaced: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: FinishedRow | Result, start: int = 0) -> None:
        """A row that starts there in its file."""
        key = id_key(row.id)
        old = self._rows.get(key)
        if not old:
            self._starts.set(key, start)
        else:
            self.repeated.add(start)
            if _kind(old) == OK:
                return
            self.replaced[self._starts.get(key) or 0] = start
        number = _NUMBERS.get(row.kind, _NUMBERS["failure"])
        packed = (number << 1 | row.rerun_helps) << _HASH_BITS | _shortened(row.sha256)
        self._rows.set(key, packed)

    def get(self, row_id: str) -> FinishedRow:
        """What is known of a row, but for its hash."""
        found = self._rows.get(id_key(row_id)) or 0
        return FinishedRow(row_id, _kind(found), rerun_helps=bool(found >> _HASH_BITS & 1))

    def is_good(self, key: int) -> bool:
        return _kind(self._rows.get(key) or 0) == OK

    def forget(self, key: int) -> None:
        """The row has not been finished after all."""
        if self._rows.get(key):
            self._rows.set(key, 0)

    def move(self, key: int, start: int) -> None:
        """The only row of an id starts there now."""
        self._starts.set(key, start)

    def decide(self, row: Row | BadRow, base_url: str, retry: Retry) -> Decision:
        """Whether a row is sent. `changed`: it was answered, but for another request."""
        found = self._rows.get(id_key(row.id))
        if not found:
            return "send"
        sha256 = hash_request(row, base_url)[0] if isinstance(row, Row) else ""
        held, asked = found & _HASH, _shortened(sha256)
        same = not held or not asked or held == asked
        if _kind(found) == OK:
            return "skip" if same else "changed"
        if not same or retry == "all":
            return "send"
        return "send" if retry == "retryable" and found >> _HASH_BITS & 1 else "skip"


def _kind(packed: int) -> str:
    return _KINDS[packed >> _HASH_BITS + 1]


def _shortened(sha256: str) -> int:
    """0 if it is unknown."""
    try:
        return int(sha256[:_HASH_DIGITS], 16)
    except ValueError:
        return 0

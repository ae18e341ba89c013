"""What an earlier run has finished, by id: a class and a part of the request's hash.

A set of a million ids as texts needs 100 MB; the table here keeps 64 bits of each id's SHA-256, in
24 MiB. Among a million ids, two collide with a probability of 3 in 10^8.
"""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ocx.batch.result import OK, RETRYABLE
from ocx.batch.row import BadRow, Row
from ocx.errors import ERRORS

_FIRST_CAPACITY = 1024
_EMPTY = 0


@lru_cache(1024)  # each row asks a few times, and soon after each other
def id_key(row_id: str) -> int:
    """The 64 bits that stand for an id; never 0."""
    digest = hashlib.sha256(row_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") or 1


class IdTable:
    """Values are unsigned integers of 32 bits; of 64 if `wide`, with 16 bytes a slot.

    Args:
        expected: so many ids make it grow no further.
    """

    def __init__(self, expected: int = 0, *, wide: bool = False) -> None:
        self._type: Literal["Q", "I"] = "Q" if wide else "I"
        capacity = _FIRST_CAPACITY
        while capacity * 3 // 4 < expected:
            capacity *= 2
        self._allocate(capacity)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, key: int) -> int | None:
        slot = self._slot(key)
        return self._values[slot] if self._keys[slot] else None

    def set(self, key: int, value: int) -> None:
        slot = self._slot(key)
        if self._keys[slot] == _EMPTY:
            if self._count >= self._most:
                self._grow()
                slot = self._slot(key)
            self._keys[slot] = key
            self._count += 1
        self._values[slot] = value

    def clear_bits(self, bits: int) -> None:
        """Clear these bits in every value."""
        for slot, value in enumerate(self._values):
            if value & bits:
                self._values[slot] = value & ~bits

    def _slot(self, key: int) -> int:
        keys, mask = self._keys, self._mask
        slot = key & mask
        while (held := keys[slot]) and held != key:
            slot = (slot + 1) & mask
        return slot

    def _allocate(self, capacity: int) -> None:
        self._keys = array("Q", bytes(8)) * capacity
        self._values = array(self._type, [0]) * capacity
        self._mask = capacity - 1
        self._most = capacity * 3 // 4

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._allocate(2 * len(keys))
        for key, value in zip(keys, values, strict=True):
            if key:
                slot = self._slot(key)
                self._keys[slot] = key
                self._values[slot] = value


Retry = Literal["retryable", "all", "none"]
Decision = Literal["send", "skip", "changed"]

_CLASSES = (OK, *(error.name for error in ERRORS))
# Of two classes the error decides whether a rerun helps, against the rule of the class. No row
# ends as the two whose places they take.
_EXCEPTIONS = {"below": ("incomplete", False), "partial": ("invalid_answer", True)}
_SLOTS = tuple(_EXCEPTIONS.get(name, (name, name in RETRYABLE)) for name in _CLASSES)
_GOOD = 1
_HASH_BITS = 60
_HASH = (1 << _HASH_BITS) - 1
_SHORT_BITS = 28
_SHORT = (1 << _SHORT_BITS) - 1


@dataclass(frozen=True)
class State:
    """A finished row; `sha256` is cut to 28 bits, 0 if unknown."""

    kind: str
    sha256: int
    retryable: bool = False

    @property
    def good(self) -> bool:
        return self.kind == OK


@dataclass(frozen=True, slots=True)
class Written:
    """What an output row says about its row.

    Attributes:
        rerun_helps: of a failure; None leaves it to the class.
        unknown_reason: the finish_reason of an answer, where it is not known.
        unanswered: attempts before the last that may have been charged without an answer.
    """

    id: str
    kind: str
    sha256: str
    rerun_helps: bool | None = None
    unknown_reason: str | None = None
    unanswered: int = 0


class States:
    """Of every id that the output holds; success wins, else the last row."""

    def __init__(self) -> None:
        self._table = IdTable()
        self.superseded = 0
        self.good = 0

    def __len__(self) -> int:
        return len(self._table)

    def add(self, written: Written) -> None:
        state = pack_state(written.kind, written.sha256, written.rerun_helps)
        self.add_packed(id_key(written.id), state)

    def add_packed(self, key: int, state: int) -> None:
        old = self._table.get(key)
        if old is not None:
            self.superseded += 1
            if old >> _SHORT_BITS == _GOOD:
                return
        self.good += is_good(state)
        number, sha256 = state >> _HASH_BITS, state & _HASH
        self._table.set(key, number << _SHORT_BITS | _shortened(sha256))

    def get(self, row_id: str) -> State | None:
        found = self._table.get(id_key(row_id))
        if found is None:
            return None
        kind, retryable = _SLOTS[(found >> _SHORT_BITS) - 1]
        return State(kind, found & _SHORT, retryable)

    def has_key(self, key: int) -> bool:
        return self._table.get(key) is not None

    def decide(self, row: Row | BadRow, sha256: str, retry: Retry) -> Decision:
        """Whether a row is sent. `changed`: it was answered, but for another request."""
        state = self.get(row.id)
        if state is None:
            return "send"
        same = not state.sha256 or not sha256 or state.sha256 == _shortened(_cut(sha256))
        if state.good:
            return "skip" if same else "changed"
        if not same or retry == "all":
            return "send"
        return "send" if retry == "retryable" and state.retryable else "skip"


def pack_state(kind: str, sha256: str, rerun_helps: bool | None = None) -> int:
    """15 classes and 60 bits of the hash in one integer; None leaves a rerun to the class."""
    return _numbered(kind, rerun_helps) | _cut(sha256)


@lru_cache(64)  # of few classes
def _numbered(kind: str, rerun_helps: bool | None) -> int:
    slot = (kind, kind in RETRYABLE if rerun_helps is None else rerun_helps)
    known = next((each for each in (slot, (kind, kind in RETRYABLE)) if each in _SLOTS), None)
    number = _SLOTS.index(known or ("failure", False))
    return (number + 1) << _HASH_BITS


def is_good(state: int) -> bool:
    return state >> _HASH_BITS == _GOOD


def request_key(found: str | int) -> int:
    """The 60 bits of a request's hash, of its digits or of a packed state; never 0."""
    return (_cut(found) if isinstance(found, str) else found & _HASH) or 1


def _shortened(sha256: int) -> int:
    """From 60 bits to 28; 0 stays for what is unknown."""
    return sha256 and (sha256 >> (_HASH_BITS - _SHORT_BITS) or 1)


def _cut(sha256: str) -> int:
    try:
        return int(sha256[:15], 16)
    except ValueError:
        return 0

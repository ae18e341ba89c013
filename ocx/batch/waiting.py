"""Rows that wait for others: for an earlier one (`--ordered`), for an equal one (`--dedup`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Generic, TypeVar

from ocx.batch.row import BadRow, Result, Row, RowAnswer

SOURCE = "dedup"

T = TypeVar("T")
U = TypeVar("U")


class ReorderBuffer(Generic[T]):
    """What ended, given out in the order of the input.

    Args:
        size: rows between the oldest that has not ended and the newest that is let in.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._expected: deque[int] = deque()
        self._early: dict[int, T] = {}

    def rows(self, rows: Iterable[U]) -> Iterator[U | None]:
        """The rows as they are let in; None while it is full."""
        for row in rows:
            if isinstance(row, Row | BadRow):
                self.expect(row.line)
            yield row
            while len(self._expected) >= self._size:
                yield None

    def expect(self, line: int) -> None:
        """This row of the input is next."""
        self._expected.append(line)

    def put(self, line: int, ended: T) -> list[T]:
        """Those whose turn it is, now that this one is here."""
        self._early[line] = ended
        ready = []
        while self._expected and self._expected[0] in self._early:
            ready.append(self._early.pop(self._expected.popleft()))
        return ready

    def rest(self) -> list[T]:
        """After the end: what is left, once rows that have not ended are passed over."""
        return [self._early.pop(line) for line in self._expected if line in self._early]


class Dedup:
    """Equal requests are sent once, and every row gets the answer.

    Args:
        find: the answer to a request that is in the output, or kept for it.

    Attributes:
        waiting: rows whose equal is being sent.
    """

    def __init__(self, find: Callable[[str], RowAnswer | None]) -> None:
        self._find = find
        self._followers: dict[str, list[Row]] = {}
        self.waiting = 0

    def claim(self, row: Row, sha256: str) -> Result | bool:
        """The result of an equal row as this one's; else whether this row is to be sent now.

        False: an equal one is being sent, and `finished` will bring this row's result.
        """
        if row.expect is not None:
            return True  # an answer that one row expects may be wrong for another
        if sha256 in self._followers:
            self._followers[sha256].append(row)
            self.waiting += 1
            return False
        known = self._find(sha256)
        if known is not None:
            return _unpaid(Result(row, known, sha256))
        self._followers[sha256] = []
        return True

    def finished(self, result: Result) -> Iterator[Result]:
        """It, and the results of the rows that waited for it."""
        yield result
        expects = isinstance(result.row, Row) and result.row.expect is not None
        if expects or result.credits_source == SOURCE:
            return
        followers = self._followers.pop(result.sha256, [])
        self.waiting -= len(followers)
        for row in followers:
            yield _unpaid(replace(result, row=row))


def _unpaid(result: Result) -> Result:
    return replace(result, attempts=0, credits=Decimal(0), credits_source=SOURCE)

"""`--dedup`: equal requests are sent once, and every row gets the answer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import IO

from ocx.batch.finished_rows import IdTable
from ocx.batch.output.spool import dump_result, load_result
from ocx.batch.result import OK, Result
from ocx.batch.row import Row
from ocx.errors import OcxError

SOURCE = "dedup"


class Dedup:
    """Answers are kept in a temporary file and found by a table: memory does not grow with them.

    Args:
        earlier: finds the answer of an earlier run.

    Attributes:
        waiting: rows whose equal is being sent.
        saved: rows that were answered without a request.
    """

    def __init__(self, earlier: Callable[[Row, str], Result | None] | None = None) -> None:
        self._earlier = earlier
        self._answers = _temporary_file()
        self._places = IdTable(wide=True)
        self._leaders: dict[int, list[tuple[Row, str]]] = {}
        self.waiting = 0
        self.saved = 0

    def claim(self, row: Row, sha256: str) -> Result | bool:
        """A copy of the result of an equal row; else whether this row is to be sent now.

        False: an equal one is being sent, and `finished` will bring this row's result.
        """
        key = _key(sha256)
        place = self._places.get(key)
        if place is not None:
            self.saved += 1
            self._answers.seek(place)
            return _unpaid(load_result(self._answers.readline(), row))
        followers = self._leaders.get(key)
        if followers is None:
            known = self._earlier(row, sha256) if self._earlier is not None else None
            if known is not None:
                self.saved += 1
                return _unpaid(known)
            self._leaders[key] = []
            return True
        followers.append((row, sha256))
        self.waiting += 1
        return False

    def finished(self, result: Result) -> Iterator[Result]:
        """The results of the rows that waited for this one; failures are not kept for later."""
        if not result.sha256:  # a row that could not be read
            return
        key = _key(result.sha256)
        followers = self._leaders.pop(key, [])
        if result.kind == OK and self._places.get(key) is None:
            self._places.set(key, self._answers.seek(0, 2))
            self._answers.write(dump_result(result))
        self.waiting -= len(followers)
        self.saved += len(followers)
        for row, _ in followers:
            yield _unpaid(replace(result, row=row))

    def close(self) -> None:
        self._answers.close()


def _unpaid(result: Result) -> Result:
    return replace(result, attempts=0, credits=Decimal(0), credits_source=SOURCE)


def _key(sha256: str) -> int:
    return int(sha256[:16], 16) or 1


def _temporary_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise OcxError(
            f"no temporary file for --dedup: {error.strerror or error}",
            hint="TMPDIR names a folder for temporary files",
        ) from error

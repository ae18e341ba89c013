"""`--ordered`: results in the order of the input, within a window.

A result that must wait for an earlier row is saved in a small file at once: it is paid for. A
resumed run takes it from there.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ocx.batch.finished_rows import id_key
from ocx.batch.journal import unwritable
from ocx.batch.output.spool import dump_result, load_result, saved_id
from ocx.batch.result import Result
from ocx.batch.row import BadRow, Row
from ocx.files import open_beside

WINDOW = 1024
"""Rows between the oldest unfinished one and the newest."""

T = TypeVar("T")


class Window:
    """Args:
    spool: the file for results that wait; None keeps them in memory alone.
    """

    def __init__(self, spool: Path | None = None, size: int = WINDOW) -> None:
        self._size = size
        self._expected: deque[int] = deque()
        self._early: dict[int, Result] = {}
        self._spool = spool
        self._saved: dict[int, bytes] = {}
        self._fd: int | None = None
        self._lines = 0
        self._unwritten = False
        if spool is not None:
            self._open(spool)

    @property
    def waiting(self) -> int:
        """Results that wait for an earlier row."""
        return len(self._early)

    def take_up(self, is_written: Callable[[int], bool]) -> set[int]:
        """The keys of rows whose results an earlier run has saved here and not written."""
        self._saved = {key: line for key, line in self._saved.items() if not is_written(key)}
        return set(self._saved)

    def rows(self, rows: Iterator[T]) -> Iterator[T | None]:
        """The rows as they are taken in; None while the window is full."""
        while True:
            if len(self._expected) >= self._size:
                yield None
                continue
            try:
                row = next(rows)
            except StopIteration:
                return
            if isinstance(row, Row | BadRow):
                self._expected.append(row.line)
            yield row

    def saved(self, row: Row, sha256: str) -> Result | None:
        """What an earlier run has saved for this very request."""
        line = self._saved.pop(id_key(row.id), None)
        try:
            result = load_result(line, row) if line is not None else None
        except ValueError:  # not by us
            return None
        return result if result is not None and result.sha256 == sha256 else None

    def put(self, result: Result) -> Iterator[Result]:
        """The results that are next, now that this one is here."""
        self._early[result.row.line] = result
        if self._expected[0] != result.row.line:
            self._save(result)
            return
        self._unwritten = True
        while self._expected and self._expected[0] in self._early:
            yield self._early.pop(self._expected.popleft())

    def written(self) -> None:
        """What `put` gave back is in the output; only now may it go from the file."""
        self._unwritten = False
        if not self._early and not self._saved:
            self._clear()

    def rest(self) -> Iterator[Result]:
        """After the end: what is left once rows without a result are passed over, in order."""
        for line in self._expected:
            result = self._early.pop(line, None)
            if result is not None:
                yield result

    def close(self) -> None:
        if self._fd is None or self._spool is None:
            return
        os.close(self._fd)
        self._fd = None
        if not (self._early or self._saved or self._unwritten):
            self._spool.unlink(missing_ok=True)

    def _open(self, spool: Path) -> None:
        try:
            self._fd = open_beside(spool, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise unwritable(spool, error) from error
        end = 0
        with spool.open("rb") as file:
            for line in file:
                try:
                    self._saved[id_key(saved_id(line))] = line
                except ValueError:  # the torn last one
                    break
                end += len(line)
                self._lines += 1
        os.ftruncate(self._fd, end)

    def _save(self, result: Result) -> None:
        if self._fd is None or self._spool is None:
            return
        self._lines += 1
        try:
            if self._lines > 8 * self._size:  # most of them have been written since
                self._rewrite(self._fd)
            else:
                data = dump_result(result)
                if os.write(self._fd, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise unwritable(self._spool, error) from error

    def _rewrite(self, fd: int) -> None:
        """Only what still waits; a death in the middle costs what waits, at most a window."""
        lines = [dump_result(result) for result in self._early.values()]
        os.ftruncate(fd, 0)
        os.write(fd, b"".join([*self._saved.values(), *lines]))
        self._lines = len(lines) + len(self._saved)

    def _clear(self) -> None:
        if self._fd is not None and self._lines:
            os.ftruncate(self._fd, 0)
            self._lines = 0


def spool_path(output: Path) -> Path:
    return output.with_name(f".{output.name}.window")

"""Rows of a pipe: read by a thread of its own, so that results go on while the pipe is silent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from ocx.batch.rows.row import BadRow, Row

_AHEAD = 64


class RowStream:
    """An iterator over `rows` that never blocks: None means that there is no row yet.

    Attributes:
        on_row: called, from the reading thread, when there is something new.
    """

    def __init__(self, rows: Iterator[Row | BadRow]) -> None:
        self._rows = rows
        self._read: deque[Row | BadRow] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._error: Exception | None = None
        self.on_row: Callable[[], None] = lambda: None
        self._started = False

    def __iter__(self) -> Iterator[Row | BadRow | None]:
        return self

    def __next__(self) -> Row | BadRow | None:
        with self._changed:
            if not self._started:
                self._started = True
                # A daemon: nothing wakes it from a pipe that stays silent.
                threading.Thread(target=self._run, daemon=True).start()
            if self._read:
                self._changed.notify()
                return self._read.popleft()
            if self._error is not None:
                raise self._error
            if self._over:
                raise StopIteration
            return None

    def _run(self) -> None:
        try:
            for row in self._rows:
                with self._changed:
                    self._read.append(row)
                    self._changed.wait_for(lambda: len(self._read) < _AHEAD)
                self.on_row()
        except Exception as error:  # handed to the thread that asks for rows
            with self._changed:
                self._error = error
        with self._changed:
            self._over = True
        self.on_row()

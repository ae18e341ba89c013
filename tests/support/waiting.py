"""Waiting for something that another thread or process does: never a sleep, never for ever."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

DEADLINE = 10.0
"""Seconds until a test gives up. No test asserts that anything is quicker or slower than this."""


class Clock:
    """Time that stands still: a test moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Board:
    """Facts that one thread notes and another waits for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def note(self, change: Callable[[], object]) -> None:
        """Run `change` and wake whoever waits."""
        with self._changed:
            change()
            self._changed.notify_all()

    def wait_for(
        self, condition: Callable[[], object], what: str, seconds: float = DEADLINE
    ) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise AssertionError(f"gave up after {seconds:.0f} s waiting for {what}")


class Collected:
    """Everything that comes out of a file descriptor, read by a thread of its own."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._data = bytearray()
        self._ended = False
        self._board = Board()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while piece := self._next_piece():
            self._board.note(lambda piece=piece: self._data.extend(piece))
        self._board.note(lambda: setattr(self, "_ended", True))

    def _next_piece(self) -> bytes:
        try:
            return os.read(self._fd, 65536)
        except OSError:  # EIO: how Linux says that nobody holds the other end of a pty any more
            return b""

    def until(self, marker: bytes) -> bytes:
        """All that has come, as soon as `marker` is in it."""
        self._board.wait_for(
            lambda: marker in self._data or self._ended, f"{marker!r} in {bytes(self._data)!r}"
        )
        if marker not in self._data:
            raise AssertionError(f"ended without {marker!r}: {bytes(self._data)!r}")
        return bytes(self._data)

    def comes_again(self, marker: bytes, count: int, seconds: float) -> bool:
        """Whether `marker` comes `count` times in all within a while: to try once more if not."""
        with contextlib.suppress(AssertionError):
            self._board.wait_for(lambda: self._data.count(marker) >= count, f"{marker!r}", seconds)
            return True
        return False

    def until_count(self, marker: bytes, count: int) -> None:
        """As soon as `marker` has come `count` times."""
        self._board.wait_for(
            lambda: self._data.count(marker) >= count, f"{count} x {marker!r} in {self.so_far()!r}"
        )

    def until_holds(self, condition: Callable[[bytes], object], what: str) -> None:
        """As soon as `condition` is true of all that has come; it is asked after each piece."""
        self._board.wait_for(lambda: condition(bytes(self._data)), what)

    def all(self) -> bytes:
        """All of it, when the other end has been closed."""
        self._board.wait_for(lambda: self._ended, f"the end of {bytes(self._data)!r}")
        self._reader.join()
        return bytes(self._data)

    def so_far(self) -> bytes:
        return bytes(self._data)

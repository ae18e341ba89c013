"""Which rows were being sent when a run died: a slot each in a small mapped file.

What is stored in a mapping survives `kill -9` without a system call a row. It does not survive a
power cut, and neither do the rows of the last second.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

from ocx.batch.journal import unwritable
from ocx.files import open_beside

SLOTS = 4096
_SLOT = struct.Struct("=Q")


class InFlight:
    """Attributes:
    left_over: the keys (`id_key`) that an earlier run left behind.
    earlier: how many the runs before that one left, since the last that came to its end.

    Raises: OcxError if the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        size = (SLOTS + 1) * _SLOT.size
        try:
            fd = open_beside(path, os.O_RDWR)
            try:
                if os.fstat(fd).st_size < size:
                    # Not a hole: a full disk must be an error here, not SIGBUS later.
                    _fill(fd, size)
                self._map = mmap.mmap(fd, size)
            finally:
                os.close(fd)
        except OSError as error:
            raise unwritable(path, error) from error
        self.earlier: int
        *held, self.earlier = struct.unpack(f"={SLOTS + 1}Q", self._map[:])
        self.left_over = {key for key in held if key}
        # In this order: a run that dies in between counts some twice, and loses none.
        _SLOT.pack_into(self._map, SLOTS * _SLOT.size, self.earlier + len(self.left_over))
        self._map[: SLOTS * _SLOT.size] = bytes(SLOTS * _SLOT.size)
        self._free = list(range(SLOTS - 1, -1, -1))
        self._slots: dict[int, int] = {}

    def begin(self, key: int) -> None:
        """The row is about to be sent."""
        if key not in self._slots and self._free:
            slot = self._slots[key] = self._free.pop()
            _SLOT.pack_into(self._map, slot * _SLOT.size, key)

    def end(self, key: int) -> None:
        """The row is written, or it is known that it was not sent."""
        slot = self._slots.pop(key, None)
        if slot is not None:
            _SLOT.pack_into(self._map, slot * _SLOT.size, 0)
            self._free.append(slot)

    @property
    def count(self) -> int:
        return len(self._slots)

    def close(self, *, remove: bool) -> None:
        """The end of a run that could tell; `remove` if no slot is in use."""
        _SLOT.pack_into(self._map, SLOTS * _SLOT.size, 0)
        self._map.flush()
        self._map.close()
        if remove:
            self._path.unlink(missing_ok=True)


def _fill(fd: int, size: int) -> None:
    """Zeros, all of them. Raises OSError if there is no room."""
    written = 0
    while written < size:  # the system writes what fits, and tells the reason the next time
        written += os.pwrite(fd, bytes(size - written), written)

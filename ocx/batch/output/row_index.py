"""An index beside an output whose rows do not tell their ids: what each row is, and where it ends.

Fixed records, appended after the row. A checksum of every row shows that index and output belong
together, however the two were copied or a run died.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ocx.batch.journal import AppendFile
from ocx.errors import UsageError

HEADER_KEY = 1
"""Of the record for what stands before the first row, maybe nothing."""

_RECORD = struct.Struct("<QQQI")


class Entry(NamedTuple):
    """A row of an output from `start` to `end`; `state` as `pack_state` makes it.

    How many attempts of it were `unanswered`, only a row that describes itself can tell.
    """

    key: int
    state: int
    start: int
    end: int
    unanswered: int = 0


def index_path(output: Path) -> Path:
    return output.with_name(f".{output.name}.index")


def pack_entry(entry: Entry, row: bytes) -> bytes:
    return _RECORD.pack(entry.key, entry.state, entry.end, zlib.crc32(row))


class RowIndex:
    """The index as it stands on the disk."""

    record_size = _RECORD.size

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self, output: AppendFile) -> Iterator[Entry]:
        """The rows that are whole in both files, the header as the first one.

        Raises: UsageError if the index does not belong to the output.
        """
        start = 0
        for record in self._records():
            key, state, end, checksum = _RECORD.unpack(record)
            if end > output.size:
                return
            if end < start or zlib.crc32(output.read_at(start, end)) != checksum:
                raise UsageError(
                    f"{output.path} was changed since its last run, so it cannot be resumed",
                    hint="use another -o; nothing was changed",
                )
            yield Entry(key, state, start, end)
            start = end

    def starting_at(self, start: int) -> Entry:
        """The row at an offset, found by halving."""
        with self.path.open("rb") as file:
            low, high = 0, os.fstat(file.fileno()).st_size // _RECORD.size
            while low < high:
                middle = (low + high) // 2
                if self._end(file.fileno(), middle) <= start:
                    low = middle + 1
                else:
                    high = middle
            record = os.pread(file.fileno(), _RECORD.size, low * _RECORD.size)
        key, state, end, _ = _RECORD.unpack(record)
        return Entry(key, state, start, end)

    def _records(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while len(record := file.read(_RECORD.size)) == _RECORD.size:
                yield record

    @staticmethod
    def _end(fd: int, number: int) -> int:
        record = os.pread(fd, _RECORD.size, number * _RECORD.size)
        return int(_RECORD.unpack(record)[2])

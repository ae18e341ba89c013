"""Lines of a file, plain or gzipped: bounded, decoded, each with its number."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from ocx.batch.rows.row import BadRecord
from ocx.errors import UsageError

LINE_LIMIT = 10 * 2**20
"""Bytes; a line of this length or more is an error, so that memory has a bound."""

_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def open_input(path: Path) -> IO[bytes]:
    """The file, unpacked if its name ends in `.gz`. Raises UsageError."""
    try:
        if path.is_dir():
            raise UsageError(f"cannot read {path}: it is a folder")
        if path.suffix == ".gz":
            return cast(IO[bytes], gzip.open(path, "rb"))
        return path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {path}: {reason}") from None


def read_lines(stream: IO[bytes]) -> Iterator[tuple[int, str] | BadRecord]:
    """Numbered lines with their line ends; a line that is no text becomes a BadRecord."""
    number = 0
    while True:
        number += 1
        try:
            data = stream.readline(LINE_LIMIT)
            if len(data) >= LINE_LIMIT:
                _skip_rest(stream, data)
                yield BadRecord(number, f"is longer than {LINE_LIMIT // 2**20} MiB")
                continue
        except EOFError:
            yield BadRecord(number, "the gzip file is cut off here")
            return
        except (gzip.BadGzipFile, zlib.error) as error:
            yield BadRecord(number, f"the gzip file is damaged: {error}")
            return
        except OSError as error:
            yield BadRecord(number, f"cannot be read: {error.strerror or error}")
            return
        if not data:
            return
        if number == 1:
            if data.startswith(_UTF_16):
                yield BadRecord(1, "is UTF-16, not UTF-8; convert the file first with iconv")
                return
            data = data.removeprefix(_BOM)
        yield _decoded(number, data)


def _decoded(number: int, data: bytes) -> tuple[int, str] | BadRecord:
    if b"\x00" in data:
        return BadRecord(number, f"holds a NUL byte at offset {data.index(0)}")
    try:
        return number, data.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        return BadRecord(number, f"is not UTF-8: byte 0x{byte:02x} at offset {error.start}")


def _skip_rest(stream: IO[bytes], data: bytes) -> None:
    while data and not data.endswith(b"\n"):
        data = stream.readline(LINE_LIMIT)

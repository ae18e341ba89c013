"""Lines of a file, plain or gzipped: bounded, decoded, each with its number."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ocx.batch.row import BadRecord
from ocx.decoding import looks_like
from ocx.errors import UsageError

Line = tuple[int, str] | BadRecord

_SAMPLE = 64 * 1024
LINE_LIMIT = 10 * 2**20
"""Bytes; a line of this length or more is an error, so that memory has a bound."""

_BOM = b"\xef\xbb\xbf"
_INVALID = "\udcff"
codecs.register_error("ocx-mark", lambda error: (_INVALID, _end(error)))


@dataclass
class Dialect:
    """How an input is written; what is not given is found in its first lines.

    Attributes:
        delimiter: between the fields of a table.
        encoding: None is UTF-8.
        line_end, bom: what its spreadsheet expects of a table that is written from it.
        preamble: a first line `sep=;`.
    """

    delimiter: str | None = None
    encoding: str | None = None
    line_end: str = "\n"
    bom: bool = False
    preamble: str = ""


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


def read_lines(stream: IO[bytes], dialect: Dialect | None = None) -> Iterator[Line]:
    """Numbered lines with their line ends; a line that is no text becomes a BadRecord."""
    dialect = dialect or Dialect()
    if dialect.encoding is not None:
        stream = cast(IO[bytes], io.BufferedReader(_Recoded(stream, dialect.encoding)))
        dialect.bom = True  # what is written is UTF-8, which a spreadsheet knows by its BOM
    decoder = _LineDecoder(stream, dialect.encoding)
    number = 0
    while not decoder.ended:
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
        if number == 1 and data.startswith(_BOM):
            dialect.bom = True
            data = data.removeprefix(_BOM)
        yield decoder.line(number, data)


class _LineDecoder:
    """Lines to texts. What is not UTF-8 is guessed at once, with what follows the first such line.

    Attributes:
        ended: the lines after this one mean nothing.
    """

    def __init__(self, stream: IO[bytes], encoding: str | None) -> None:
        self._stream = stream
        self._encoding = encoding
        self._guess: str | None = None
        self._guessed = False
        self.ended = False

    def line(self, number: int, data: bytes) -> Line:
        try:
            if b"\x00" not in data:
                return number, data.decode("utf-8")
            problem = f"holds a NUL byte at offset {data.index(0)}"
        except UnicodeDecodeError as error:
            problem = f"is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        if self._encoding is not None:
            return BadRecord(number, problem if b"\x00" in data else f"is not {self._encoding}")
        if not self._guessed:
            peek = getattr(self._stream, "peek", lambda _: b"")
            self._guess, self._guessed = looks_like(data + peek(_SAMPLE)), True
        if self._guess is not None:
            problem = f"is not UTF-8: {self._guess}"  # the same for each line, and so told once
            self.ended = "utf-16" in self._guess
        return BadRecord(number, problem)


class _Recoded(io.RawIOBase):
    """UTF-8 of a stream in another encoding; a byte that is not UTF-8 where it is invalid."""

    def __init__(self, source: IO[bytes], encoding: str) -> None:
        self._source = source
        self._read = getattr(source, "read1", source.read)
        self._decoder = codecs.getincrementaldecoder(encoding)("ocx-mark")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # as io calls it
        data = b"x"
        while data and not self._rest:
            data = self._read(_SAMPLE)
            text = self._decoder.decode(data, not data)
            self._rest = text.encode("utf-8", "surrogatepass")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _end(error: UnicodeError) -> int:
    """Where decoding goes on."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.end


def _skip_rest(stream: IO[bytes], data: bytes) -> None:
    while data and not data.endswith(b"\n"):
        data = stream.readline(LINE_LIMIT)

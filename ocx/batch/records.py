"""Records of a file: JSON objects, tables with a header (RFC 4180), or one prompt a line.

Lines are bounded and decoded, each with its number; files may be gzipped.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePath
from typing import IO, Any, Literal, NamedTuple, cast

from ocx.batch.row import BadRow, bad_line
from ocx.decoding import looks_like
from ocx.errors import UsageError, os_errors_as
from ocx.text import finite

Format = Literal["jsonl", "csv", "tsv", "text", "parquet"]
Line = tuple[int, str] | BadRow

LINE_LIMIT = 10 * 2**20
"""Bytes; a line of this length or more is an error, so that memory has a bound."""

DELIMITERS = (",", ";", "\t")
_SAMPLE = 64 * 1024
_SUFFIXES = {".ndjson": ".jsonl", ".json": ".jsonl", ".tab": ".tsv", ".pq": ".parquet"}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SEP_LINE = re.compile(r'"?sep=([^\r\n"])"?\r?\n?')
"""A first line that spreadsheets read and some write: it names the delimiter."""

_INVALID = "\udcff"  # in the place of a byte that its encoding does not know


class Record(NamedTuple):
    """The fields of one row, before they are a request; `text` rows have the field `prompt`.

    Attributes:
        unchecked: they may hold what no JSON in UTF-8 can: half a surrogate pair (an escape of
            JSON may be one), a number that is none.
    """

    line: int
    fields: Mapping[str, Any]
    unchecked: bool = False


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


def format_of(name: str) -> Format:
    """The format that a file's name says. Raises UsageError if it says none."""
    path = PurePath(name)
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    found = _SUFFIXES.get(suffix, suffix)
    if found not in {".jsonl", ".csv", ".tsv", ".parquet"}:
        raise UsageError(
            f"cannot tell the format of {name} from its name",
            hint="end it in .jsonl, .csv, .tsv or .parquet, or use --text: one prompt a line",
        )
    return cast(Format, found[1:])


def open_input(path: Path) -> IO[bytes]:
    """The file, unpacked if its name ends in `.gz`. Raises UsageError."""
    with os_errors_as(UsageError, f"cannot read {path}"):
        if path.is_dir():
            raise UsageError(f"cannot read {path}: it is a folder")
        if path.suffix == ".gz":
            return cast(IO[bytes], gzip.open(path, "rb"))
        return path.open("rb")


def read_records(stream: IO[bytes], form: Format, dialect: Dialect) -> Iterator[Record | BadRow]:
    """Every record of `stream` in order; it may end early after a BadRow.

    Args:
        dialect: what the first lines show is kept in it.
    """
    if form == "parquet":
        from ocx.batch.parquet import read_parquet  # noqa: PLC0415 - pyarrow, only for it

        yield from read_parquet(stream)
    elif form in {"csv", "tsv"}:
        if form == "tsv":
            dialect.delimiter = dialect.delimiter or "\t"
        yield from _table_records(read_lines(stream, dialect), dialect)
    else:
        read = _json_record if form == "jsonl" else _text_record
        for line in read_lines(stream, dialect):
            if isinstance(line, BadRow):
                yield line
            elif not line[1].isspace():
                yield read(*line)


def read_lines(stream: IO[bytes], dialect: Dialect) -> Iterator[Line]:
    """Numbered lines with their line ends; a line that is no text becomes a BadRow."""
    source: IO[Any] = stream
    bom: Any = codecs.BOM_UTF8
    if dialect.encoding is not None:
        source = io.TextIOWrapper(cast(Any, stream), dialect.encoding, "ocx-mark", newline="\n")
        bom = "\ufeff"
        dialect.bom = True  # what is written is UTF-8, which a spreadsheet knows by its BOM
    guess, guessed = None, dialect.encoding is not None
    for number in count(1):
        try:
            data = source.readline(LINE_LIMIT)
            if len(data) >= LINE_LIMIT:
                while data and data[-1] not in {"\n", 10}:
                    data = source.readline(LINE_LIMIT)
                yield bad_line(number, f"is longer than {LINE_LIMIT // 2**20} MiB")
                continue
        except (EOFError, OSError, zlib.error) as error:
            yield bad_line(number, _unreadable(error))
            return
        if not data:
            return
        if number == 1 and data.startswith(bom):
            dialect.bom = True
            data = data.removeprefix(bom)
        text, problem = _decoded(data, dialect.encoding)
        if not problem:
            yield number, text
            continue
        if not guessed:  # at once, with what follows the first such line
            peek = getattr(stream, "peek", lambda _: b"")
            guess, guessed = looks_like(data + peek(_SAMPLE)), True
        if guess is not None:
            problem = f"is not UTF-8: {guess}"  # the same for each line, and so told once
        yield bad_line(number, problem)
        if guess is not None and "utf-16" in guess:
            return  # the lines after this one mean nothing


def _decoded(data: bytes | str, encoding: str | None) -> tuple[str, str]:
    """A line as text, and what is wrong with it."""
    try:
        text = data if isinstance(data, str) else data.decode()
    except UnicodeDecodeError as error:
        return "", f"is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start}"
    if "\0" in text:
        offset = text.encode("utf-8", "surrogatepass").index(0)
        return "", f"holds a NUL byte at offset {offset}"
    return text, f"is not {encoding}" if _INVALID in text else ""


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _INVALID, error.end


codecs.register_error("ocx-mark", _mark_invalid)


def _unreadable(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the gzip file is cut off here"
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return f"the gzip file is damaged: {error}"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _json_record(number: int, text: str) -> Record | BadRow:
    try:
        document = _decode(text)
    except json.JSONDecodeError as error:
        return bad_line(number, f"is not JSON: {error.msg} at column {error.colno}")
    except ValueError as error:
        return bad_line(number, f"is not JSON: {error}")
    except RecursionError:
        return bad_line(number, "is nested too deeply")
    if not isinstance(document, dict):
        return bad_line(number, "is not a JSON object")
    return Record(number, document, _SURROGATE.search(text) is not None)


def _not_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


# json.loads makes a decoder for each text, where it has a hook.
_decode = json.JSONDecoder(parse_float=finite, parse_constant=_not_json).decode


def _text_record(number: int, text: str) -> Record:
    return Record(number, {"prompt": text.removesuffix("\n").removesuffix("\r")})


def _table_records(lines: Iterator[Line], dialect: Dialect) -> Iterator[Record | BadRow]:
    """The rows below the header; what the header shows is kept in `dialect`."""
    csv.field_size_limit(LINE_LIMIT)
    begun = _from_header(lines, dialect)
    above = 1 if dialect.preamble else 0  # lines that the reader does not see
    problems: list[BadRow] = []  # of the row that is being read

    def texts() -> Iterator[str]:
        """The lines for csv.reader, which cannot carry problems itself."""
        for line in begun:
            if isinstance(line, BadRow):
                problems.append(line)
            yield "\n" if isinstance(line, BadRow) else line[1]

    reader = csv.reader(texts(), delimiter=dialect.delimiter or ",", strict=True)
    header: list[str] = []
    while True:
        number = above + reader.line_num + 1
        problems.clear()
        try:
            cells = next(reader)
        except StopIteration:
            yield from problems[:1]
            return
        except csv.Error as error:
            cells = []
            problems.append(bad_line(number, _csv_problem(error, above + reader.line_num)))
        if cells and not header and not problems:
            problem = _header_problem(cells)
            if problem is None:
                header = cells
                continue
            problems.append(bad_line(number, problem))
        if problems:
            yield problems[0]
            if not header:
                return
        elif cells and len(cells) == len(header):
            yield Record(number, dict(zip(header, cells, strict=True)))
        elif cells:
            message = f"has {len(cells)} fields, the header has {len(header)}"
            yield bad_line(number, message)


def _from_header(lines: Iterator[Line], dialect: Dialect) -> Iterator[Line]:
    """The lines from the header on, once it has told how the table is written."""
    read: list[Line] = []
    texts: list[str] = []
    for line in lines:
        text = line[1] if isinstance(line, tuple) else ""
        named = _SEP_LINE.fullmatch(text) if not read else None
        if named is not None:
            dialect.delimiter, dialect.preamble = dialect.delimiter or named[1], text
            continue
        read.append(line)
        if not text.isspace():
            texts.append(text)
        if len(texts) > 1 or (texts and (dialect.delimiter or _is_certain(texts[0]))):
            break
    if texts:
        dialect.line_end = "\r\n" if texts[0].endswith("\r\n") else "\n"
        dialect.delimiter = dialect.delimiter or find_delimiter(*texts)
    return chain(read, lines)


def _is_certain(header: str) -> bool:
    """Whether it alone tells the delimiter: a pipe is not waited for without need."""
    return sum(sign in _QUOTED.sub("", header) for sign in DELIMITERS) < 2


def find_delimiter(header: str, following: str = "") -> str:
    """The delimiter of a table that begins with these two lines, comma if nothing tells.

    Of several that the header holds, one that cuts both lines into as many fields; else the one
    that it holds most often.
    """
    first, second = (_QUOTED.sub("", line) for line in (header, following))
    found = [sign for sign in DELIMITERS if sign in first]
    alike = [sign for sign in found if first.count(sign) == second.count(sign)]
    return max(alike or found or DELIMITERS[:1], key=first.count)


def _header_problem(cells: list[str]) -> str | None:
    if any(not cell.strip() for cell in cells):
        return f"column {[bool(cell.strip()) for cell in cells].index(False) + 1} has no name"
    twice = next((cell for cell in cells if cells.count(cell) > 1), None)
    return f"has the column {twice} twice" if twice is not None else None


def _csv_problem(error: csv.Error, last: int) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quoted field is not closed"
    if "field larger" in text:
        return f"a quoted field is longer than {LINE_LIMIT // 2**20} MiB; is a quote not closed?"
    if "expected after" in text:
        return f"has text after a closing quote (line {last})"
    return f"is not CSV: {text}"

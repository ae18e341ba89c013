"""Records of a file: JSON objects, tables with a header (RFC 4180), or one prompt a line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import PurePath
from typing import IO, Any, Literal

from ocx.batch.lines import LINE_LIMIT, Dialect, Line, read_lines
from ocx.batch.row import BadRecord, Record
from ocx.errors import UsageError

Format = Literal["jsonl", "csv", "tsv", "text", "parquet"]

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def format_of(name: str) -> Format:
    """The format that a file's name says. Raises UsageError if it says none."""
    path = PurePath(name)
    path = path.with_suffix("") if path.suffix == ".gz" else path
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"cannot tell the format of {name} from its name",
            hint="end it in .jsonl, .csv, .tsv or .parquet, or use --text: one prompt a line",
        )
    return found


def read_records(
    stream: IO[bytes], form: Format, dialect: Dialect | None = None
) -> Iterator[Record | BadRecord]:
    """Every record of `stream` in order; it may end early after a BadRecord."""
    dialect = dialect or Dialect()
    if form == "tsv":
        dialect.delimiter = dialect.delimiter or "\t"
    lines = read_lines(stream, dialect)
    if form == "jsonl":
        return _json_records(lines)
    if form == "text":
        return _text_records(lines)
    return table_records(lines, dialect)


def _json_records(lines: Iterable[Line]) -> Iterator[Record | BadRecord]:
    for line in lines:
        if isinstance(line, BadRecord):
            yield line
        elif not line[1].isspace():
            yield _json_record(*line)


def _json_record(number: int, text: str) -> Record | BadRecord:
    try:
        document = _decode(text)
    except json.JSONDecodeError as error:
        return BadRecord(number, f"is not JSON: {error.msg} at column {error.colno}")
    except ValueError as error:
        return BadRecord(number, f"is not JSON: {error}")
    except RecursionError:
        return BadRecord(number, "is nested too deeply")
    if not isinstance(document, dict):
        return BadRecord(number, "is not a JSON object")
    return Record(number, document, _SURROGATE.search(text) is not None)


def _not_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


# json.loads makes a decoder for each text, where it has a hook.
_decode = json.JSONDecoder(parse_constant=_not_json).decode


def _text_records(lines: Iterable[Line]) -> Iterator[Record | BadRecord]:
    for line in lines:
        if isinstance(line, BadRecord):
            yield line
            continue
        text = line[1].removesuffix("\n").removesuffix("\r")
        if text.strip():
            yield Record(line[0], {"prompt": text}, escaped=False)


DELIMITERS = (",", ";", "\t")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SEP_LINE = re.compile(r'"?sep=([^\r\n"])"?\r?\n?')
"""A first line that spreadsheets read and some write: it names the delimiter."""


class _Feed:
    """The lines of a table for csv.reader, which cannot carry numbers and problems itself."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self.first = 0
        self.last = 0
        self.problem: BadRecord | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        number, text = (line.line, "\n") if isinstance(line, BadRecord) else line
        if isinstance(line, BadRecord):
            self.problem = self.problem or line
        self.first = self.first or number
        self.last = number
        return text

    def begin(self) -> None:
        self.first, self.problem = 0, None


def table_records(lines: Iterator[Line], dialect: Dialect) -> Iterator[Record | BadRecord]:
    """The rows below the header; what the header shows is kept in `dialect`."""
    csv.field_size_limit(LINE_LIMIT)
    feed = _Feed(_begun(lines, dialect))
    reader = csv.reader(feed, delimiter=dialect.delimiter or ",", strict=True)
    header: list[str] | None = None
    while True:
        feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            if feed.problem:
                yield feed.problem
            return
        except csv.Error as error:
            yield feed.problem or BadRecord(feed.first, _csv_problem(error, feed.last))
            if header is None:
                return
            continue
        if feed.problem:
            yield feed.problem
            if header is None:
                return
        elif cells and header is None:
            problem = _header_problem(cells)
            if problem:
                yield BadRecord(feed.first, problem)
                return
            header = cells
        elif cells and header is not None:
            yield _table_record(feed.first, header, cells)


def find_delimiter(header: str, following: str = "") -> str:
    """The delimiter of a table that begins with these two lines, comma if nothing tells.

    Of several that the header holds, one that cuts both lines into as many fields; else the one
    that it holds most often.
    """
    first, second = (_QUOTED.sub("", line) for line in (header, following))
    found = [sign for sign in DELIMITERS if sign in first]
    alike = [sign for sign in found if first.count(sign) == second.count(sign)]
    return max(alike or found or DELIMITERS[:1], key=first.count)


def _begun(lines: Iterator[Line], dialect: Dialect) -> Iterator[Line]:
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


def _table_record(line: int, header: list[str], cells: list[str]) -> Record | BadRecord:
    if len(cells) != len(header):
        return BadRecord(line, f"has {len(cells)} fields, the header has {len(header)}")
    return Record(line, dict(zip(header, cells, strict=True)), escaped=False)


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

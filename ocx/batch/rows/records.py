"""Records of a file: JSON objects, CSV and TSV with a header, or one prompt a line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import IO, Any, Literal

from ocx.batch.rows.lines import LINE_LIMIT, read_lines
from ocx.batch.rows.row import BadRecord, Record
from ocx.errors import UsageError

Format = Literal["jsonl", "csv", "tsv", "text"]

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DELIMITERS = {"csv": ",", "tsv": "\t"}

Line = tuple[int, str] | BadRecord


def format_of(name: str) -> Format:
    """The format that a file's name says. Raises UsageError if it says none."""
    path = PurePath(name)
    path = path.with_suffix("") if path.suffix == ".gz" else path
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"cannot tell the format of {name} from its name",
            hint="end it in .jsonl, .csv or .tsv (.gz is fine), or use --text: one prompt a line",
        )
    return found


def read_records(stream: IO[bytes], form: Format) -> Iterator[Record | BadRecord]:
    """Every record of `stream` in order; it may end early after a BadRecord."""
    lines = read_lines(stream)
    if form == "jsonl":
        return _json_records(lines)
    if form == "text":
        return _text_records(lines)
    return _table_records(lines, _DELIMITERS[form])


def _json_records(lines: Iterable[Line]) -> Iterator[Record | BadRecord]:
    for line in lines:
        if isinstance(line, BadRecord):
            yield line
        elif not line[1].isspace():
            yield _json_record(*line)


def _json_record(number: int, text: str) -> Record | BadRecord:
    try:
        document = json.loads(text, parse_constant=_not_json)
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


def _text_records(lines: Iterable[Line]) -> Iterator[Record | BadRecord]:
    for line in lines:
        if isinstance(line, BadRecord):
            yield line
            continue
        text = line[1].removesuffix("\n").removesuffix("\r")
        if text.strip():
            yield Record(line[0], {"prompt": text}, escaped=False)


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


def _table_records(lines: Iterable[Line], delimiter: str) -> Iterator[Record | BadRecord]:
    csv.field_size_limit(LINE_LIMIT)
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
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

"""Records of a file: JSON objects, CSV and TSV with a header, or one prompt a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import IO, Any, Literal

from ocx.batch.rows.lines import Dialect, Line, read_lines
from ocx.batch.rows.row import BadRecord, Record
from ocx.batch.rows.tables import table_records
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

"""The rows of an input: a file is read twice, a stream once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ocx.batch.id_table import IdTable, id_key
from ocx.batch.rows.composer import Composer
from ocx.batch.rows.lines import Dialect, open_input
from ocx.batch.rows.records import Format, read_records
from ocx.batch.rows.row import BadRow, Row, line_id
from ocx.errors import UsageError

MOST_SHOWN = 20
_MOST_LINES = 4


@dataclass
class Problems:
    """What is wrong with an input: each fault once, with its first lines; all of them counted."""

    faults: dict[str, list[int]] = field(default_factory=dict)
    alike: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def add(self, line: int, message: str) -> None:
        self.count += 1
        if message in self.faults or len(self.faults) < MOST_SHOWN:
            lines = self.faults.setdefault(message, [])
            self.alike[message] += 1
            if len(lines) < _MOST_LINES:
                lines.append(line)

    def error(self, name: str) -> UsageError:
        """All of them as one error."""
        told = "; ".join(map(self._told, self.faults))
        more = self.count - sum(self.alike.values())
        return UsageError(
            f"{name}: {told}{f'; and {more} more' if more else ''}",
            hint="nothing was sent; --keep-going turns such rows into error rows",
        )

    def _told(self, message: str) -> str:
        first, *others = self.faults[message]
        if not others:
            return f"line {first} {message}"
        more = ", …" if self.alike[message] > _MOST_LINES else ""
        lines = f"{self.alike[message] - 1:,} more: {', '.join(map(str, others))}{more}"
        return f"line {first} {message} (the same in {lines})"


@dataclass(frozen=True)
class FileSource:
    """An input that can be read again."""

    path: Path
    form: Format
    composer: Composer
    dialect: Dialect = field(default_factory=Dialect)

    def rows(self, expected: int = 0) -> Iterator[Row | BadRow]:
        """Every row from the start; a second row with an id becomes a BadRow.

        Args:
            expected: how many there are, if that is known: less memory then.
        """
        with closing(open_input(self.path)) as stream:
            rows = read_rows(stream, self.form, self.composer, self.dialect)
            yield from unique(rows, expected)


def read_rows(
    stream: IO[bytes], form: Format, composer: Composer, dialect: Dialect | None = None
) -> Iterator[Row | BadRow]:
    """The rows of an open stream as they come."""
    if form == "parquet":
        from ocx.batch.parquet import read_parquet  # noqa: PLC0415 - pyarrow, only for it

        yield from map(composer.compose, read_parquet(stream))
        return
    for record in read_records(stream, form, dialect):
        yield composer.compose(record)


def stream_rows(
    stream: IO[bytes], form: Format, composer: Composer, dialect: Dialect | None = None
) -> Iterator[Row | BadRow]:
    """The same, where a second row with an id becomes a BadRow."""
    return unique(read_rows(stream, form, composer, dialect))


def unique(rows: Iterator[Row | BadRow], expected: int = 0) -> Iterator[Row | BadRow]:
    seen = IdTable(expected)
    for row in rows:
        key = id_key(row.id)
        first = seen.get(key)
        if first is None:
            seen.set(key, row.line)
            yield row
        else:
            message = f"has the id {row.id!r} of line {first}"
            # Its own id would make two output rows of one id.
            yield BadRow(line_id(row.line), row.line, message, row.source)

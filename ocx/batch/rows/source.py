"""The rows of an input: a file is read twice, a stream once."""

from __future__ import annotations

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

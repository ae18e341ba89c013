"""The rows of an input: a file is read twice, a stream once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ocx.batch.id_table import IdTable, id_key
from ocx.batch.rows.composer import Composer
from ocx.batch.rows.lines import open_input
from ocx.batch.rows.records import Format, read_records
from ocx.batch.rows.row import BadRow, Row, line_id
from ocx.errors import UsageError

MOST_SHOWN = 20


@dataclass
class Problems:
    """What is wrong with an input: the first ones in words, all of them counted."""

    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, message: str) -> None:
        self.count += 1
        if len(self.shown) < MOST_SHOWN:
            self.shown.append(f"line {line} {message}")

    def error(self, name: str) -> UsageError:
        """All of them as one error."""
        more = self.count - len(self.shown)
        rest = f"; and {more} more" if more else ""
        return UsageError(
            f"{name}: {'; '.join(self.shown)}{rest}",
            hint="nothing was sent; --keep-going turns such rows into error rows",
        )


@dataclass(frozen=True)
class FileSource:
    """An input that can be read again."""

    path: Path
    form: Format
    composer: Composer

    def rows(self, expected: int = 0) -> Iterator[Row | BadRow]:
        """Every row from the start; a second row with an id becomes a BadRow.

        Args:
            expected: how many there are, if that is known: less memory then.
        """
        with closing(open_input(self.path)) as stream:
            yield from unique(read_rows(stream, self.form, self.composer), expected)


def read_rows(stream: IO[bytes], form: Format, composer: Composer) -> Iterator[Row | BadRow]:
    """The rows of an open stream as they come."""
    for record in read_records(stream, form):
        yield composer.compose(record)


def stream_rows(stream: IO[bytes], form: Format, composer: Composer) -> Iterator[Row | BadRow]:
    """The same, where a second row with an id becomes a BadRow."""
    return unique(read_rows(stream, form, composer))


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

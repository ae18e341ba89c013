"""Parquet in and out, a row group at a time; pyarrow is imported only here, and only for it.

An output is written at the end of a run, from its journal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ocx.batch.batch_row import data_of
from ocx.batch.finished_rows import id_key
from ocx.batch.output_files import MergedFile, not_empty
from ocx.batch.records import Record
from ocx.batch.row import BadRow, Result, Row
from ocx.batch.row_formats import ReadBack, RowFormat, error_words
from ocx.batch.row_output import EndedRow, RowOutput
from ocx.errors import OcxError, UsageError
from ocx.files import sync
from ocx.text import without_infinities

SUFFIX = ".parquet"
_BATCH = 1024
_JSON = (str, int, float, bool, type(None))


def read_parquet(stream: IO[bytes]) -> Iterator[Record]:
    """The rows of a file; dates, decimals and the like become texts. Raises UsageError."""
    pyarrow, parquet = _imported()
    try:
        line = 0
        for batch in parquet.ParquetFile(stream).iter_batches(_BATCH):
            for fields in batch.to_pylist():
                line += 1
                yield Record(line, {name: _plain(fields[name]) for name in fields}, unchecked=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"the Parquet file cannot be read: {error}") from None


class ParquetFile(MergedFile):
    """A Parquet file with its answers as a column, which is written when all of them are there."""

    form: AnswerColumn
    _holds_all = True

    def finish(self, *, whole: bool) -> None:
        if whole and self.adoption is not None:
            pyarrow, _ = _imported()
            try:
                self._write_all(iter(self.adoption.rows()))
            except (pyarrow.ArrowException, OSError) as error:
                hint = "--resume writes it again"
                raise OcxError(f"cannot write {self.path}: {error}", hint=hint) from None

    def _open(self, given: Path) -> None:
        size = given.stat().st_size if given.is_file() else 0
        self._take_up_all(size, resume=True)
        if (size or self.finished) and not self.resume:
            raise not_empty(given)

    def _write(self, rows: Sequence[EndedRow]) -> Sequence[Result]:
        return RowOutput._write(self, rows)

    def _write_all(self, rows: Iterator[Row | BadRow]) -> None:
        """Write these rows of the source, in its order; their lines count its rows from 1."""
        pyarrow, parquet = _imported()
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        writer, row, before = None, next(rows, None), 0
        try:
            for batch in parquet.ParquetFile(self.form.source).iter_batches(_BATCH):
                places, answers = [], []
                while row is not None and row.line <= before + batch.num_rows:
                    places.append(row.line - before - 1)
                    answers.append(self._answer_of(row))
                    row = next(rows, None)
                before += batch.num_rows
                part = pyarrow.Table.from_batches([batch])
                part = part.take(pyarrow.array(places, pyarrow.int64()))
                for number, name in enumerate((self.form.field, self.form.error_field)):
                    column = pyarrow.array([each[number] for each in answers], pyarrow.string())
                    if name in part.column_names:
                        part = part.drop_columns([name])
                    part = part.append_column(name, column)
                writer = writer or parquet.ParquetWriter(temporary, part.schema)
                writer.write_table(part)
            if writer is not None:
                writer.close()
                with temporary.open("rb+") as file:  # before its journal goes
                    sync(file.fileno())
                os.replace(temporary, self.path)  # noqa: PTH105 - beside the other calls of os
        finally:
            temporary.unlink(missing_ok=True)

    def _answer_of(self, row: Row | BadRow) -> Sequence[str | None]:
        start = self._held.get(id_key(row.id))
        if start is None:
            return (None, None)
        answer: Sequence[str | None] = json.loads(data_of(self._journal.line_at(start)))
        return answer


class AnswerColumn(RowFormat):
    """What is added to the rows of a Parquet file: their answers, and why they failed.

    Args:
        source: the file that they are added to.
        field: the new column; FIELD_error holds why a row failed.
    """

    def __init__(self, source: Path, field: str) -> None:
        self.source = source
        self.field = field

    def row(self, result: Result) -> bytes:
        return json.dumps([result.text, error_words(result)]).encode()

    def read_back(self, file: IO[bytes]) -> Iterator[ReadBack]:
        for record in read_parquet(file):
            fields = dict(record.fields)
            answer, error = fields.pop(self.field, None), fields.pop(self.error_field, None)
            source = without_infinities(fields)  # NaN is not equal to itself
            yield ReadBack(json.dumps([answer, error]).encode(), source, error)


def _plain(value: Any) -> Any:
    if isinstance(value, _JSON):
        return value
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return str(value)


def _imported() -> tuple[Any, Any]:
    try:
        import pyarrow  # noqa: PLC0415 - the extra `parquet`
        from pyarrow import parquet  # noqa: PLC0415 - the same
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow", hint="pip install 'opencodex-cli[parquet]'"
        ) from None
    return pyarrow, parquet

"""Parquet in and out, a row group at a time; pyarrow is imported only here, and only for it.

An output is written at the end of a run: until then its answers are in a hidden file beside it,
which is what `--resume` goes on from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ocx.batch.batch_row import encode_row, output_row
from ocx.batch.finished_rows import IdTable, id_key
from ocx.batch.output.resume import read_output
from ocx.batch.records import Record
from ocx.batch.result import Result
from ocx.batch.row import BadRow, Row
from ocx.batch.row_formats import ReadBack
from ocx.errors import OcxError, UsageError

SUFFIX = ".parquet"
_BATCH = 1024
_JSON = (str, int, float, bool, type(None))


def answers_path(output: Path) -> Path:
    return output.with_name(f".{output.name}.answers")


def read_parquet(stream: IO[bytes]) -> Iterator[Record]:
    """The rows of a file; dates, decimals and the like become texts. Raises UsageError."""
    pyarrow, parquet = _imported()
    try:
        line = 0
        for batch in parquet.ParquetFile(stream).iter_batches(_BATCH):
            for fields in batch.to_pylist():
                line += 1
                yield Record(line, {name: _plain(value) for name, value in fields.items()})
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"the Parquet file cannot be read: {error}") from None


class AnswerLines:
    """The answers of a run whose output is written at its end, a line each."""

    self_describing = True

    def header(self) -> bytes:
        return b""

    def row(self, result: Result) -> bytes:
        row = output_row(result)
        error = result.error
        row["response"] = {"status_code": 200, "body": {}} if error is None else row["response"]
        words = None if error is None else f"{error.name}: {error.message}"
        return encode_row({**row, "answer": result.text, "words": words})

    def read_back(self, file: IO[bytes]) -> Iterator[ReadBack]:
        raise NotImplementedError  # only asked of forms that do not describe themselves

    def source_of(self, row: Row | BadRow) -> object:
        raise NotImplementedError  # the same


def adopt_parquet(
    output: Path, rows: Iterator[Row | BadRow], sha256: Callable[[Row], str], field: str
) -> None:
    """Make the hidden file again from a complete output: rows are known by their columns.

    Raises: UsageError if the output is of another input.
    """
    with output.open("rb") as file, answers_path(output).open("wb") as answers:
        done = read_parquet(file)
        current = next(done, None)
        for row in rows:
            if current is None:
                return
            fields = dict(current.fields)
            answer, words = fields.pop(field, None), fields.pop(f"{field}_error", None)
            source = {k: v for k, v in (row.source or {}).items() if k in fields}
            if fields != source or not isinstance(row, Row):
                continue
            current = next(done, None)
            if words is None:
                ours = {"request_sha256": sha256(row), "class": "ok"}
                response = {"status_code": 200, "body": {}}
                line = {"custom_id": row.id, "response": response, "ocx": ours}
                answers.write(encode_row({**line, "answer": answer, "words": None}))
    if current is not None:
        answers_path(output).unlink()
        raise UsageError(
            f"{output} does not hold answers to this input: row {current.line} is none of it",
            hint="--resume goes on with the output of an earlier run; use another -o",
        )


def write_parquet(
    output: Path, source: Path, rows: Iterator[Row | BadRow], chosen: Iterator[Row | BadRow],
    field: str,
) -> None:  # fmt: skip
    """Write the chosen rows of a Parquet file with their answers, in its order.

    Args:
        rows: all of the source, in step with it.
        field: the new column; FIELD_error holds why a row failed.

    Raises: OcxError if it cannot be written.
    """
    pyarrow, parquet = _imported()
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    answers = _Answers(answers_path(output))
    try:
        given = parquet.ParquetFile(source)
        writer, wanted = None, next(chosen, None)
        for batch in given.iter_batches(_BATCH):
            kept, found = [], []
            for at, row in zip(range(batch.num_rows), rows, strict=False):
                if wanted is not None and wanted.line == row.line:
                    kept.append(at)
                    found.append(answers.of(row))
                    wanted = next(chosen, None)
            part = pyarrow.Table.from_batches([batch]).take(pyarrow.array(kept, pyarrow.int64()))
            for name, values in ((field, 0), (f"{field}_error", 1)):
                column = pyarrow.array([each[values] for each in found], pyarrow.string())
                if name in part.column_names:
                    part = part.drop_columns([name])
                part = part.append_column(name, column)
            writer = writer or parquet.ParquetWriter(temporary, part.schema)
            writer.write_table(part)
        if writer is not None:
            writer.close()
            os.replace(temporary, output)  # noqa: PTH105 - beside the other calls of os
    except (pyarrow.ArrowException, OSError) as error:
        raise OcxError(f"cannot write {output}: {error}", hint="--resume writes it again") from None
    finally:
        temporary.unlink(missing_ok=True)


class _Answers:
    """Found by the id of a row; the last one counts, a good one first."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._places = IdTable(wide=True)
        for line in read_output(path):
            key = id_key(line.row.id)
            if line.row.kind == "ok" or self._places.get(key) is None:
                self._places.set(key, line.start + 1)

    def of(self, row: Row | BadRow) -> Sequence[str | None]:
        place = self._places.get(id_key(row.id))
        if place is None:
            return (None, None)
        self._file.seek(place - 1)
        document = json.loads(self._file.readline())
        return (document["answer"], document["words"])


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

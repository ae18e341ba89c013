"""The input of a run: a file, which is checked first, or a stream, sent as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Protocol

from ocx.batch.engine import Fed
from ocx.batch.options import RowsIn, Words
from ocx.batch.output.states import Retry, States
from ocx.batch.plan import Hash, Plan, Seen, make_plan
from ocx.batch.rows.columns import check_columns
from ocx.batch.rows.composer import Composer
from ocx.batch.rows.lines import Dialect
from ocx.batch.rows.records import Format
from ocx.batch.rows.row import BadRow, Row
from ocx.batch.rows.selection import Selection
from ocx.batch.rows.source import FileSource, stream_rows
from ocx.batch.rows.stream import RowStream
from ocx.batch.shards import Shard
from ocx.chat.messages import STDIN
from ocx.errors import UsageError
from ocx.runtime import Runtime


class Input(Protocol):
    """Attributes:
    form: how it is read.
    dialect: how it is written, once its columns are known.
    """

    form: Format

    @property
    def dialect(self) -> Dialect: ...

    def columns(self) -> Sequence[str]:
        """The names of the fields of its first row: of a table, its header."""
        ...

    def plan(
        self, states: States | None, sha256: Hash, retry: Retry, on_row: Seen | None = None
    ) -> Plan | None:
        """Check it and count its rows; None for what can be read once."""
        ...

    def rows(self, plan: Plan | None) -> Iterator[Fed]:
        """The rows of this run."""
        ...


@dataclass
class FileInput:
    source: FileSource
    form: Format
    selection: Selection
    keep_going: bool

    @property
    def dialect(self) -> Dialect:
        return self.source.dialect

    def columns(self) -> Sequence[str]:
        return next((tuple(row.source) for row in self.source.rows() if row.source), ())

    def plan(
        self, states: States | None, sha256: Hash, retry: Retry, on_row: Seen | None = None
    ) -> Plan | None:
        if self.form != "jsonl":
            _check(self.source.composer, self.columns(), str(self.source.path))
        return make_plan(
            self.source,
            self.selection,
            states,
            sha256=sha256,
            retry=retry,
            keep_going=self.keep_going,
            on_row=on_row,
        )

    def rows(self, plan: Plan | None) -> Iterator[Fed]:
        return self.chosen(plan)

    def chosen(self, plan: Plan | None) -> Iterator[Row | BadRow]:
        """The rows of this run, from the start."""
        count = plan.of_shard if plan is not None else 0
        return self.selection.of_file(count, self.source.rows(count))


class StreamInput:
    def __init__(
        self,
        stream: IO[bytes],
        form: Format,
        composer: Composer,
        dialect: Dialect,
        selection: Selection,
    ) -> None:
        self.form = form
        self.dialect = dialect
        self._composer = composer
        self._rows = stream_rows(stream, form, composer, dialect)
        self._selection = selection

    def columns(self) -> Sequence[str]:
        """Waits for the first row."""
        read: list[Row | BadRow] = []
        for row in self._rows:
            read.append(row)
            if row.source:
                break
        self._rows = chain(read, self._rows)
        return tuple(read[-1].source or ()) if read else ()

    def plan(self, *_: object, **__: object) -> Plan | None:
        """Waits for the first row of a table: nothing is sent before its columns are known."""
        if self.form in {"csv", "tsv"}:
            _check(self._composer, self.columns(), "stdin")
        return None

    def rows(self, plan: Plan | None) -> Iterator[Fed]:  # noqa: ARG002 - as a file has it
        return RowStream(self._selection.of_stream(self._rows))


def open_rows(
    run: Runtime, words: Words, rows_in: RowsIn, composer: Composer, shard: Shard | None
) -> Input:
    """The input that the arguments name.

    Raises:
        UsageError: there is none, or its form is unknown.
    """
    name = _name(run, words)
    form, dialect = rows_in.form_of(name), rows_in.dialect()
    selection = Selection(shard, rows_in.limit, rows_in.sample, rows_in.seed)
    if name != STDIN:
        return FileInput(
            FileSource(Path(name), form, composer, dialect), form, selection, rows_in.keep_going
        )
    if form == "parquet":
        raise UsageError("Parquet needs a file: its rows stand before their index")
    if rows_in.sample is not None:
        raise UsageError("--sample needs a file: stdin can be read once", hint="or use --limit")
    stdin = run.terminal.stdin
    if stdin is None:
        raise UsageError("cannot read stdin: it is closed")
    return StreamInput(stdin, form, composer, dialect, selection)


def _check(composer: Composer, columns: Sequence[str], name: str) -> None:
    if columns:  # else what is wrong with the header is told with its line
        check_columns(composer, columns, name)


def _name(run: Runtime, words: Words) -> str:
    if words.source is not None:
        return words.source
    if run.terminal.stdin_piped:
        return STDIN
    raise UsageError("there are no rows", hint="name a file, or - for stdin: ocx batch rows.jsonl")

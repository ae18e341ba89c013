"""The rows of a run: of a file, which is checked first, or of a pipe, sent as they come."""

from __future__ import annotations

import random
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Protocol

from ocx.batch.engine import Fed
from ocx.batch.finished_rows import IdTable, Retry, States, id_key
from ocx.batch.lines import Dialect, open_input
from ocx.batch.options import InputArguments, RowsIn
from ocx.batch.plan import Hash, Plan, Seen, make_plan
from ocx.batch.records import Format, read_records
from ocx.batch.request_builder import Composer, check_columns
from ocx.batch.row import BadRow, Row, line_id
from ocx.batch.shards import Shard
from ocx.chat.messages import STDIN
from ocx.errors import UsageError
from ocx.runtime import Runtime


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


@dataclass(frozen=True)
class Selection:
    """Attributes:
    limit: the first rows of the shard; None takes all.
    sample: this many rows at random, the same ones for the same seed.
    """

    shard: Shard | None = None
    limit: int | None = None
    sample: int | None = None
    seed: int = 0

    def of_file(self, count: int, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Of `count` rows of the shard that a first pass has seen."""
        chosen = self._sampled(count)
        return _nth(self.of_stream(rows), chosen) if chosen is not None else self.of_stream(rows)

    def of_stream(self, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Without --sample, which must know how many rows there are."""
        taken = 0
        for row in rows:
            if self.limit is not None and taken >= self.limit:
                return
            if self.shard is None or row.id in self.shard:
                taken += 1
                yield row

    def size(self, count: int) -> int:
        """How many of `count` rows of the shard are taken."""
        if self.limit is not None:
            count = min(count, self.limit)
        return count if self.sample is None else min(count, self.sample)

    def _sampled(self, count: int) -> array[int] | None:
        if self.limit is not None:
            count = min(count, self.limit)
        if self.sample is None or self.sample >= count:
            return None
        # Not for secrets: the same rows for the same seed are the point.
        return array("Q", sorted(random.Random(self.seed).sample(range(count), self.sample)))  # noqa: S311


def _nth(rows: Iterator[Row | BadRow], chosen: array[int]) -> Iterator[Row | BadRow]:
    at = 0
    for number, row in enumerate(rows):
        if at == len(chosen):
            return
        if number == chosen[at]:
            at += 1
            yield row


_AHEAD = 64


class RowStream:
    """An iterator over `rows` that never blocks: None means that there is no row yet.

    Attributes:
        on_row: called, from the reading thread, when there is something new.
    """

    def __init__(self, rows: Iterator[Row | BadRow]) -> None:
        self._rows = rows
        self._read: deque[Row | BadRow] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._error: Exception | None = None
        self.on_row: Callable[[], None] = lambda: None
        self._started = False

    def __iter__(self) -> Iterator[Row | BadRow | None]:
        return self

    def __next__(self) -> Row | BadRow | None:
        with self._changed:
            if not self._started:
                self._started = True
                # A daemon: nothing wakes it from a pipe that stays silent.
                threading.Thread(target=self._run, daemon=True).start()
            if self._read:
                self._changed.notify()
                return self._read.popleft()
            if self._error is not None:
                raise self._error
            if self._over:
                raise StopIteration
            return None

    def _run(self) -> None:
        try:
            for row in self._rows:
                with self._changed:
                    self._read.append(row)
                    self._changed.wait_for(lambda: len(self._read) < _AHEAD)
                self.on_row()
        except Exception as error:  # handed to the thread that asks for rows
            with self._changed:
                self._error = error
        with self._changed:
            self._over = True
        self.on_row()


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
    run: Runtime, words: InputArguments, rows_in: RowsIn, composer: Composer, shard: Shard | None
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


def _name(run: Runtime, words: InputArguments) -> str:
    if words.source is not None:
        return words.source
    if run.terminal.stdin_piped:
        return STDIN
    raise UsageError("there are no rows", hint="name a file, or - for stdin: ocx batch rows.jsonl")

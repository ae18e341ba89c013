"""The rows of a run: of a file, which is checked first, or of a pipe, sent as they come."""

from __future__ import annotations

import queue
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import compress, islice, tee
from pathlib import Path
from typing import IO, Literal

from ocx.batch.finished_rows import IdTable, id_key
from ocx.batch.options import BatchOptions, Shard
from ocx.batch.records import Dialect, Format, Record, open_input, read_records
from ocx.batch.request_builder import RequestBuilder, check_columns
from ocx.batch.row import BadRow, Row, line_id
from ocx.context import Context
from ocx.decoding import STDIN
from ocx.errors import UsageError

Rows = Iterator[Row | BadRow]
Decide = Callable[[Row | BadRow], Literal["send", "skip", "changed"]]
"""What is to be done with a row after an earlier run; `changed`: it was another request then."""

CHANGED = (
    "the input, the base URL or the options changed since the last run; use another -o for them"
)
MOST_SHOWN = 20
_MOST_LINES = 4
_AHEAD = 64


class ChangedInputError(UsageError):
    """Rows were answered for another request."""

    default_hint = CHANGED


@dataclass
class Problems:
    """What is wrong with an input: each fault once, with its first lines; all of them counted."""

    count: int = 0
    _lines: dict[str, list[int]] = field(default_factory=dict)
    _alike: Counter[str] = field(default_factory=Counter)

    def add(self, line: int, message: str) -> None:
        self.count += 1
        if message in self._lines or len(self._lines) < MOST_SHOWN:
            self._alike[message] += 1
            if self._alike[message] <= _MOST_LINES:
                self._lines.setdefault(message, []).append(line)

    def text(self, name: str) -> str:
        """All of them in one line."""
        told = "; ".join(self._told(*fault) for fault in self._lines.items())
        more = self.count - self._alike.total()
        return f"{name}: {told}{f'; and {more} more' if more else ''}"

    def _told(self, message: str, lines: list[int]) -> str:
        first, *others = lines
        if not others:
            return f"line {first} {message}"
        alike, more = self._alike[message], ", …" if self._alike[message] > _MOST_LINES else ""
        listed = f"{alike - 1:,} more: {', '.join(map(str, others))}{more}"
        return f"line {first} {message} (the same in {listed})"


@dataclass
class Plan:
    """What the first pass over a file has found; nothing of a stream.

    Attributes:
        of_shard: rows of the file that belong to the shard.
        total: of those, what --limit and --sample leave.
        models: that the rows ask for which are left to be sent; two stand for any number.
    """

    of_shard: int = 0
    total: int | None = None
    models: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Selection:
    """`--limit`, `--sample` and `--shard`: the rows of an input that a run is about.

    Attributes:
        limit: the first rows of the shard; None takes all.
        sample: this many rows at random, the same ones for the same seed.
    """

    shard: Shard | None = None
    limit: int | None = None
    sample: int | None = None
    seed: int = 0

    def of_stream(self, rows: Iterable[Row | BadRow]) -> Rows:
        """Without --sample, which must know how many rows there are."""
        shard = self.shard
        ours = rows if shard is None else (row for row in rows if row.id in shard)
        return islice(ours, self.limit)

    def of_file(self, count: int, rows: Iterable[Row | BadRow]) -> Rows:
        """Of `count` rows of the shard that a first pass has seen."""
        most = count if self.limit is None else min(count, self.limit)
        if self.sample is None or self.sample >= most:
            return self.of_stream(rows)
        taken = bytearray(most)
        # Not for secrets: the same rows for the same seed are the point.
        for number in random.Random(self.seed).sample(range(most), self.sample):  # noqa: S311
            taken[number] = True
        return compress(self.of_stream(rows), taken)

    def size(self, count: int) -> int:
        """How many of `count` rows of the shard are taken."""
        return min(count, *(n for n in (self.limit, self.sample) if n is not None), count)


@dataclass
class FileInput:
    """A file, which can be read again.

    Attributes:
        dialect: how it is written; what was not given is known once its first lines are read.
    """

    path: Path
    form: Format
    builder: RequestBuilder
    dialect: Dialect = field(default_factory=Dialect)
    selection: Selection = field(default_factory=Selection)
    keep_going: bool = False

    def rows(self) -> Rows:
        """Every row from the start; a second row with an id becomes a BadRow."""
        with closing(open_input(self.path)) as stream:
            yield from build_rows(self.builder, read_records(stream, self.form, self.dialect))

    def columns(self) -> Sequence[str]:
        """The names of the fields of its first row: of a table, its header."""
        return _columns(self.rows())

    def chosen(self, plan: Plan) -> Rows:
        """The rows of this run, from the start."""
        return self.selection.of_file(plan.of_shard, self.rows())

    def plan(
        self, decide: Decide | None = None, on_row: Callable[[Row], None] | None = None
    ) -> Plan:
        """Read the file to its end.

        Args:
            decide: knows what an earlier run has done.
            on_row: told of every row that is to be sent.

        Raises: UsageError naming every line that is wrong, or whose row was answered for another
            request; also if there is no row.
        """
        if self.form != "jsonl":
            check_columns(self.builder, self.columns(), str(self.path))
        plan, select, count = Plan(), self.selection, 0
        problems, changed = Problems(), Problems()

        def take(row: Row | BadRow) -> None:
            decision = "send" if decide is None else decide(row)
            if decision == "changed":
                changed.add(row.line, f"has another request for {row.id!r} than was answered")
            elif decision == "send" and isinstance(row, Row):
                if len(plan.models) < 2:
                    plan.models.add(row.model)
                if on_row is not None:
                    on_row(row)

        for row in self.rows():
            count += 1
            if isinstance(row, BadRow):
                problems.add(row.line, row.message)
            if select.shard is None or row.id in select.shard:
                plan.of_shard += 1
                if select.sample is None and plan.of_shard == select.size(plan.of_shard):
                    take(row)
        if problems.count and not self.keep_going:
            hint = "nothing was sent; --keep-going turns such rows into error rows"
            raise UsageError(problems.text(str(self.path)), hint=hint)
        if not count:
            hint = "one request, object or prompt a line"
            raise UsageError(f"{self.path} holds no rows", hint=hint)
        plan.total = select.size(plan.of_shard)
        if select.sample is not None:  # which rows these are is known only now
            for row in self.chosen(plan):
                take(row)
        if changed.count:
            raise ChangedInputError(changed.text(str(self.path)))
        return plan


@dataclass
class StreamInput:
    """A pipe, whose rows can be read once."""

    stream: IO[bytes]
    form: Format
    builder: RequestBuilder
    dialect: Dialect
    selection: Selection

    def __post_init__(self) -> None:
        records = read_records(self.stream, self.form, self.dialect)
        self._rows = build_rows(self.builder, records)

    def columns(self) -> Sequence[str]:
        """As those of a file; waits for the first row."""
        ahead, self._rows = tee(self._rows)
        return _columns(ahead)

    def plan(self, *_: object) -> Plan:
        """Waits for the first row of a table: nothing is sent before its columns are known."""
        if self.form in {"csv", "tsv"}:
            check_columns(self.builder, self.columns(), "stdin")
        return Plan()

    def chosen(self, _plan: Plan) -> RowStream:
        return RowStream(self.selection.of_stream(self._rows))


Input = FileInput | StreamInput


def _columns(rows: Rows) -> Sequence[str]:
    return next((tuple(row.source) for row in rows if row.source), ())


class RowStream:
    """An iterator over rows that never blocks: None means that there is no row yet.

    A thread of its own reads them, so that results go on while the pipe is silent.

    Attributes:
        on_row: called, from the reading thread, when there is something new.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._read: queue.Queue[Row | BadRow | Exception] = queue.Queue(_AHEAD)
        self.on_row: Callable[[], None] = lambda: None

    def __iter__(self) -> Iterator[Row | BadRow | None]:
        # A daemon: nothing wakes it from a pipe that stays silent.
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __next__(self) -> Row | BadRow | None:
        if self._read.empty():
            return None
        read = self._read.get()
        if isinstance(read, Exception):
            raise read
        return read

    def _run(self) -> None:
        end: Exception = StopIteration()
        try:
            for row in self._rows:
                self._read.put(row)
                self.on_row()
        except Exception as error:  # handed to the thread that asks for rows
            end = error
        self._read.put(end)
        self.on_row()


def open_rows(
    ctx: Context, options: BatchOptions, builder: RequestBuilder, shard: Shard | None
) -> Input:
    """The input that the arguments name.

    Raises:
        UsageError: there is none, or its form is unknown.
    """
    name, rows_in = options.rows_in.source, options.rows_in
    if name is None and ctx.terminal.stdin_piped:
        name = STDIN
    if name is None:
        hint = "name a file, or - for stdin: ocx batch rows.jsonl"
        raise UsageError("there are no rows", hint=hint)
    form, dialect = rows_in.form_of(name), rows_in.dialect()
    selection = Selection(shard, rows_in.limit, rows_in.sample, rows_in.seed)
    if name != STDIN:
        return FileInput(Path(name), form, builder, dialect, selection, rows_in.keep_going)
    if form == "parquet":
        raise UsageError("Parquet needs a file: its rows stand before their index")
    if rows_in.sample is not None:
        raise UsageError("--sample needs a file: stdin can be read once", hint="or use --limit")
    if options.budget.estimate:
        raise UsageError("--estimate needs a file: stdin can be read once")
    stdin = ctx.terminal.stdin
    if stdin is None:
        raise UsageError("cannot read stdin: it is closed")
    return StreamInput(stdin, form, builder, dialect, selection)


def build_rows(builder: RequestBuilder, records: Iterable[Record | BadRow]) -> Rows:
    """Their rows as they come; a second one with an id becomes a BadRow with an id of its own."""
    seen = IdTable()
    for row in map(builder.build, records):
        key = id_key(row.id)
        first = seen.get(key)
        if first is None:
            seen.set(key, row.line)
            yield row
        else:
            message = f"has the id {row.id!r} of line {first}"
            yield BadRow(line_id(row.line), row.line, message, row.source)

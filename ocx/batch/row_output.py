"""Where the rows of a run go: nowhere, or to stdout; `output_files` has those in files."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from ocx.batch.batch_row import answer_in, kept_row
from ocx.batch.finished_rows import FinishedRow, FinishedRows, IdTable, id_key
from ocx.batch.journal import AppendFile, Journal
from ocx.batch.row import OK, BadRow, Result, Row, RowAnswer
from ocx.batch.row_formats import RowFormat
from ocx.output.writers import Sink, escaped_json
from ocx.text import CONTROL

T = TypeVar("T")


class EndedRow(NamedTuple):
    """A row on its way to the output: what ended now, or where the journal has it since before."""

    key: int
    data: bytes = b""
    result: Result | None = None
    start: int = 0


class ReorderBuffer:
    """Rows that ended, given out in the order of the input.

    Args:
        size: rows between the oldest that has not ended and the newest that is let in.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._expected: deque[int] = deque()
        self._early: dict[int, EndedRow] = {}

    def rows(self, rows: Iterable[T]) -> Iterator[T | None]:
        """The rows as they are let in; None while it is full."""
        for row in rows:
            if isinstance(row, Row | BadRow):
                self.expect(row.line)
            yield row
            while len(self._expected) >= self._size:
                yield None

    def expect(self, line: int) -> None:
        """This row of the input is next."""
        self._expected.append(line)

    def put(self, line: int, ended: EndedRow) -> list[EndedRow]:
        """Those whose turn it is, now that this one is here."""
        self._early[line] = ended
        ready = []
        while self._expected and self._expected[0] in self._early:
            ready.append(self._early.pop(self._expected.popleft()))
        return ready

    def rest(self) -> list[EndedRow]:
        """After the end: what is left, once rows that have not ended are passed over."""
        return [self._early.pop(line) for line in self._expected if line in self._early]


@dataclass
class RowOutput:
    """Where the rows of a run go; here nowhere.

    Attributes:
        buffer: set for the order of the input.
        dedup: keep answers for equal requests.
        finished: what the output held when it was opened.
        unanswered: how often earlier runs sent a row and got no answer, by `id_key`.
        maybe_paid: requests of earlier runs that may have been paid for in vain.
        complete: nothing is left to be done, so nothing is to be left beside the output.
    """

    form: RowFormat = field(default_factory=RowFormat)
    buffer: ReorderBuffer | None = None
    dedup: bool = False

    def __post_init__(self) -> None:
        self.finished = FinishedRows()
        self.unanswered: dict[int, int] = {}
        self.maybe_paid = 0
        self.complete = False
        self._files: list[AppendFile] = []  # the output, and last its journal
        # Twice where they start, plus 1 in the last.
        self._answers = IdTable() if self.dedup else None

    def let_in(self, rows: Iterable[T]) -> Iterator[T | None]:
        """The rows of the input that may begin now; None while too many wait for an earlier one."""
        return self.buffer.rows(rows) if self.buffer is not None else iter(rows)

    def skip(self, row: Row | BadRow) -> None:
        """An earlier run has finished the row. Raises OcxError."""

    def append(self, results: Sequence[Result]) -> Sequence[Result]:
        """Take what ended, and write what is next; which that was. Raises OcxError."""
        ready: list[EndedRow] = []
        for result in results:
            row = EndedRow(id_key(result.id), self.form.row(result), result)
            now = self.buffer.put(result.row.line, row) if self.buffer is not None else [row]
            self._keep(row, result, waits=not now)
            ready += now
        return self._write(ready)

    def rest(self) -> Sequence[Result]:
        """After the end: what waits for rows that have not ended, where nothing else keeps it."""
        return self._write(self.buffer.rest() if self.buffer is not None else [])

    def finish(self, *, whole: bool) -> None:
        """After a run that did not fail; whether every row has ended. Raises OcxError."""

    def note_sent(self, key: int) -> None:
        """A row is about to be sent. Raises OcxError."""

    def note_unpaid(self, key: int) -> None:
        """It is known that it was not charged. Raises OcxError."""

    def answer_to(self, sha256: str) -> RowAnswer | None:
        """A good answer to an equal request."""
        place = self._answers.get(id_key(sha256)) if self._answers is not None else None
        if place is None:
            return None
        return answer_in(self._files[-(place & 1)].line_at(place >> 1), sha256)

    def sync(self) -> None:
        """Make all rows last through a power cut. Raises OcxError."""
        for file in reversed(self._files):
            file.sync()

    def _keep(self, row: EndedRow, result: Result, *, waits: bool) -> None:
        """What is to be known of a row before it is written."""

    def _write(self, rows: Sequence[EndedRow]) -> Sequence[Result]:
        return [row.result for row in rows if row.result is not None]

    def _remember(self, row: FinishedRow | Result, start: int, *, in_journal: bool) -> None:
        if self._answers is not None and row.kind == OK and row.sha256:
            self._answers.set(id_key(row.sha256), 2 * start + in_journal)


@dataclass(kw_only=True)
class PrintedRows(RowOutput):
    """Rows on stdout, or in a device or pipe. For a person control characters are written out.

    Attributes:
        kept: for answers to equal requests.
    """

    out: Sink
    to_person: bool = False
    kept: Journal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kept is not None:
            self._files.append(self.kept)

    def let_in(self, rows: Iterable[T]) -> Iterator[T | None]:
        if header := self.form.header():
            self.out.write(header)
        return super().let_in(rows)

    def _keep(self, row: EndedRow, result: Result, *, waits: bool) -> None:  # noqa: ARG002
        if self.kept is not None:
            start = self.kept.append(kept_row(result, b"", whole=True))
            self._remember(result, start, in_journal=True)

    def _write(self, rows: Sequence[EndedRow]) -> Sequence[Result]:
        if data := b"".join([row.data for row in rows]):
            if self.to_person and re.search(CONTROL, text := data.decode("utf-8", "replace")):
                data = escaped_json(text).encode()
            self.out.write(data)
        return super()._write(rows)

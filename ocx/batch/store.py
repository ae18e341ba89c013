"""Where the rows of a run go: nowhere, or into a file with a journal beside it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from ocx.batch.batch_row import answer_in, read_output, read_row
from ocx.batch.finished_rows import FinishedRow, FinishedRows, IdTable, id_key
from ocx.batch.journal import AppendFile, Journal, file_beside
from ocx.batch.row import OK, BadRow, Result, Row, RowAnswer
from ocx.batch.row_formats import RowFormat
from ocx.errors import UsageError
from ocx.files import journal_path

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


class RowOutput:
    """Where the rows of a run go; here nowhere.

    Args:
        buffer: set for the order of the input.
        dedup: keep answers for equal requests.

    Attributes:
        finished: what the output held when it was opened.
        unanswered: how often earlier runs sent a row and got no answer, by `id_key`.
        maybe_paid: requests of earlier runs that may have been paid for in vain.
    """

    def __init__(
        self,
        form: RowFormat | None = None,
        buffer: ReorderBuffer | None = None,
        *,
        dedup: bool = False,
    ) -> None:
        self.finished = FinishedRows()
        self.unanswered: dict[int, int] = {}
        self.maybe_paid = 0
        self._form = form if form is not None else RowFormat()
        self._buffer = buffer
        self._files: list[AppendFile] = []  # the output, and last its journal
        self._answers = IdTable() if dedup else None  # twice where they start, plus 1 in the last

    def let_in(self, rows: Iterable[T]) -> Iterator[T | None]:
        """The rows of the input that may begin now; None while too many wait for an earlier one."""
        return self._buffer.rows(rows) if self._buffer is not None else iter(rows)

    def skip(self, row: Row | BadRow) -> None:
        """An earlier run has finished the row. Raises OcxError."""

    def append(self, results: Sequence[Result]) -> Sequence[Result]:
        """Take what ended, and write what is next; which that was. Raises OcxError."""
        ready: list[EndedRow] = []
        for result in results:
            row = EndedRow(id_key(result.id), self._form.row(result), result)
            now = self._buffer.put(result.row.line, row) if self._buffer is not None else [row]
            self._keep(row, result, waits=not now)
            ready += now
        return self._write(ready)

    def rest(self) -> Sequence[Result]:
        """After the end: what waits for rows that have not ended, where nothing else keeps it."""
        return self._write(self._buffer.rest() if self._buffer is not None else [])

    def finish(self, *, whole: bool, complete: bool) -> None:
        """After a run that did not fail. Raises OcxError.

        Args:
            whole: every row has ended.
            complete: nothing is left to be done, so nothing is to be left beside the output.
        """

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


class BatchFile(RowOutput):
    """A file that can be gone on with, whatever ended the run; a context manager.

    Its rows tell their ids; the journal has only those that wait for an earlier one.

    Args:
        resume: go on with what is there; else a file with content is refused.

    Raises: UsageError, OcxError.
    """

    def __init__(
        self,
        path: Path,
        form: RowFormat,
        buffer: ReorderBuffer | None = None,
        *,
        resume: bool,
        dedup: bool = False,
    ) -> None:
        super().__init__(form, buffer, dedup=dedup)
        self.path = Path(os.path.realpath(path))
        self._complete = False
        self._held = IdTable()  # where the journal has a row that the output has not, 0 if nowhere
        self._indexed = False  # what is written is entered in `finished`, too
        self._adopted_to = 0  # the journal's rows before stand in the output as they came
        self._stack = ExitStack()
        try:
            self._open(path, resume=resume)
        except BaseException:
            self._stack.close()
            raise
        self.unanswered = counts = self._journal.unanswered
        for key in [key for key in counts if self.finished.is_good(key)]:
            del counts[key]  # the row itself tells it
        self.maybe_paid += counts.total()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def skip(self, row: Row | BadRow) -> None:
        key = id_key(row.id)
        start = self._held.get(key)
        if start and self._buffer is not None:
            self._buffer.expect(row.line)
            self._write(self._buffer.put(row.line, EndedRow(key, start=start)))

    def rest(self) -> Sequence[Result]:
        return ()

    def finish(self, *, whole: bool, complete: bool) -> None:
        if whole:
            self._write_held()  # they are not in the input any more
        if whole and self.finished.repeated:
            self._compact()
            self.unanswered.clear()
        self._complete = complete

    def note_sent(self, key: int) -> None:
        self._journal.note_sent(key)

    def note_unpaid(self, key: int) -> None:
        self._journal.note_unpaid(key)

    def close(self) -> None:
        """Save everything and let go of the locks."""
        with self._stack:
            self.sync()
            journal = self._journal
            holds_rows = any(start >= self._adopted_to for start, _ in journal.rows())
            if self._complete or not (journal.in_flight or self.unanswered or holds_rows):
                journal.path.unlink(missing_ok=True)

    def _open(self, path: Path, *, resume: bool) -> None:
        """Open the files, and take up what is there."""
        self._file = self._open_file(path, resume=resume)
        journal = self._open_journal(self._file.size, resume=resume)
        rows_end = 0
        for start, end, row in read_output(self._file.path):
            rows_end = end
            self.finished.add(row, start)
            self._remember(row, start, in_journal=False)
            self.maybe_paid += row.unanswered
            if start >= journal.base:
                journal.answered_before(id_key(row.id))
        if self._file.size > rows_end:
            self._file.truncate(rows_end)
        elif rows_end and self._file.line_at(rows_end - 1) != b"\n":
            self._file.append(b"\n")
        self._take_up()
        self._indexed = len(self.finished) > 0
        if self._buffer is None:
            self._write_held()

    def _open_file(self, path: Path, *, resume: bool) -> AppendFile:
        file = self._stack.enter_context(AppendFile(path))
        if file.size and not resume:
            raise not_empty(path)
        self._files.append(file)
        return file

    def _open_journal(self, output_size: int, *, resume: bool) -> Journal:
        journal = self._journal = Journal(journal_path(self.path), output_size)
        self._files.append(self._stack.enter_context(journal))
        if not resume and not journal.is_new:
            for _, row in self._rows_of_journal():
                journal.answered_before(id_key(row.id))
            journal.begin_anew(output_size)
        return journal

    def _rows_of_journal(self) -> Iterator[tuple[int, FinishedRow]]:
        """Each with where it starts."""
        for start, line in self._journal.rows():
            try:
                row = read_row(line)
            except (ValueError, RecursionError):
                raise self._journal.unreadable() from None
            yield start, row

    def _take_up(self) -> None:
        """Take up the rows of the journal, which maybe were written since."""
        for start, row in self._rows_of_journal():
            key = id_key(row.id)
            self._journal.answered_before(key)
            if self.finished.is_good(key):
                continue
            if self.finished.get(row.id) is None or self._held.get(key):
                self._hold(key, row, start)
                self._remember(row, start, in_journal=True)
            elif row.good:  # the failure is in the output, and so has the row's place
                self.finished.add(row, self._file.append(self._journal.line_at(start)))

    def _hold(self, key: int, row: FinishedRow | Result, start: int) -> None:
        """The journal has a row there, in the place of one that it had."""
        self.finished.forget(key)
        self.finished.add(row)
        self._held.set(key, start)

    def _write_held(self) -> None:
        """Write what the journal alone has, in the order in which it came."""
        for start, key in sorted((start, key) for key, start in self._held.items() if start):
            self._write([EndedRow(key, start=start)])

    def _keep(self, row: EndedRow, result: Result, *, waits: bool) -> None:
        if self._held.get(row.key):  # a failure that was sent again
            self._held.set(row.key, 0)
            self.finished.forget(row.key)
        if waits:
            start = self._journal.append(row.data)
            self._held.set(row.key, start)
            self._answered(row.key)
            self._remember(result, start, in_journal=True)

    def _answered(self, key: int) -> None:
        self._journal.in_flight.discard(key)
        self.unanswered.pop(key, None)

    def _write(self, rows: Sequence[EndedRow]) -> Sequence[Result]:
        for key, data, result, place in rows:
            start = self._file.append(data or self._journal.line_at(place))
            if self._held.get(key):
                self._held.set(key, 0)
            self._answered(key)
            if result is None:
                self.finished.move(key, start)
                continue
            self._remember(result, start, in_journal=False)
            if self._indexed:
                self.finished.add(result, start)
        return super()._write(rows)

    def _compact(self) -> None:
        """One row an id: the one that counts stands where the first of its id stood."""
        with file_beside(self._file) as new:
            for start, line in self._file.lines():
                if start not in self.finished.repeated:
                    winner = self.finished.replaced.get(start)
                    new.append(line if winner is None else self._file.line_at(winner))
            self._file.replace_by(new)


def not_empty(path: Path) -> UsageError:
    return UsageError(f"{path} is not empty", hint="--resume goes on with it, or use another -o")

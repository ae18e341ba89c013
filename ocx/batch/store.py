"""Where the rows of a run go: nowhere, or into a file with a journal beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from ocx.batch.batch_row import answer_in, read_output, read_row
from ocx.batch.finished_rows import FinishedRow, FinishedRows, IdTable, id_key
from ocx.batch.journal import AppendFile, Journal
from ocx.batch.result import Answer, Result
from ocx.batch.row import BadRow, Row
from ocx.batch.row_formats import RowFormat
from ocx.batch.waiting import ReorderBuffer
from ocx.errors import UsageError
from ocx.files import journal_path

T = TypeVar("T")


class EndedRow(NamedTuple):
    """A row on its way to the output: what ended now, or where the journal has it since before."""

    key: int
    data: bytes = b""
    result: Result | None = None
    start: int = 0


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
        buffer: ReorderBuffer[EndedRow] | None = None,
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

    def answer_to(self, sha256: str) -> Answer | None:
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

    def _remember(self, row: FinishedRow, start: int, *, in_journal: bool) -> None:
        if self._answers is not None and row.good and row.sha256:
            self._answers.set(id_key(row.sha256), 2 * start + in_journal)


class JournaledOutput(RowOutput):
    """A file that can be gone on with, whatever ended the run; a context manager.

    Args:
        resume: go on with what is there; else a file with content is refused.

    Raises: UsageError, OcxError.
    """

    _journal: Journal

    def __init__(
        self,
        path: Path,
        form: RowFormat,
        buffer: ReorderBuffer[EndedRow] | None = None,
        *,
        resume: bool,
        dedup: bool = False,
    ) -> None:
        super().__init__(form, buffer, dedup=dedup)
        self.path = Path(os.path.realpath(path))
        self._complete = False
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
        start = self._kept_at(key)
        if start and self._buffer is not None:
            self._buffer.expect(row.line)
            self._write(self._buffer.put(row.line, EndedRow(key, start=start)))

    def rest(self) -> Sequence[Result]:
        return ()

    def note_sent(self, key: int) -> None:
        self._journal.note_sent(key)

    def note_unpaid(self, key: int) -> None:
        self._journal.note_unpaid(key)

    def close(self) -> None:
        """Save everything and let go of the locks."""
        with self._stack:
            self.sync()
            needed = self._journal.in_flight or self.unanswered or self._holds_rows()
            if self._complete or not needed:
                self._journal.path.unlink(missing_ok=True)

    def _open(self, path: Path, *, resume: bool) -> None:
        """Open the files, and take up what is there."""
        raise NotImplementedError

    def _kept_at(self, key: int) -> int | None:
        """Where the journal has a row that is still to be written."""
        raise NotImplementedError

    def _holds_rows(self) -> bool:
        """Whether the journal has rows that the output has not, or not as they came."""
        raise NotImplementedError

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
            for _ in self._rows_of_journal():
                pass
            journal.begin_anew(output_size)
        return journal

    def _rows_of_journal(self) -> Iterator[tuple[int, FinishedRow]]:
        """Each with where it starts; that it was sent is explained then."""
        for start, line in self._journal.rows():
            try:
                row = read_row(line)
            except (ValueError, RecursionError):
                raise self._journal.unreadable() from None
            self._journal.answered_before(id_key(row.id))
            yield start, row

    def _answered(self, key: int) -> None:
        self._journal.in_flight.discard(key)
        self.unanswered.pop(key, None)


class BatchFile(JournaledOutput):
    """Rows that tell their id; the journal has only those that wait for an earlier one."""

    def finish(self, *, whole: bool, complete: bool) -> None:
        if whole:
            self._write_waiting()  # they are not in the input any more
        if whole and self.finished.repeated:
            self._compact()
            self.unanswered.clear()
        self._complete = complete

    def _open(self, path: Path, *, resume: bool) -> None:
        self._file = self._open_file(path, resume=resume)
        journal = self._open_journal(self._file.size, resume=resume)
        self._waiting: dict[int, int] = {}  # where the journal has rows that the output has not
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
        for start, row in self._rows_of_journal():
            self._take_up(start, row)
        self._resumed = len(self.finished) > 0
        if self._buffer is None:
            self._write_waiting()

    def _take_up(self, start: int, row: FinishedRow) -> None:
        """A row that waited for an earlier one, and maybe was written since."""
        key = id_key(row.id)
        if self.finished.is_good(key):
            return
        if self.finished.get(row.id) is None or key in self._waiting:
            self.finished.forget(key)
            self.finished.add(row)
            self._waiting[key] = start
            self._remember(row, start, in_journal=True)
        elif row.good:  # the failure is in the output, and so has the row's place
            self.finished.add(row, self._file.append(self._journal.line_at(start)))

    def _kept_at(self, key: int) -> int | None:
        return self._waiting.get(key)

    def _holds_rows(self) -> bool:
        return bool(self._waiting)

    def _keep(self, row: EndedRow, result: Result, *, waits: bool) -> None:
        if self._waiting.pop(row.key, None) is not None:  # a failure that was sent again
            self.finished.forget(row.key)
        if waits:
            start = self._waiting[row.key] = self._journal.append(row.data)
            self._answered(row.key)
            self._remember(finished_row(result), start, in_journal=True)

    def _write(self, rows: Sequence[EndedRow]) -> Sequence[Result]:
        for key, data, result, place in rows:
            start = self._file.append(data or self._journal.line_at(place))
            self._waiting.pop(key, None)
            self._answered(key)
            if result is None:
                self.finished.move(key, start)
                continue
            if self._answers is not None:
                self._remember(finished_row(result), start, in_journal=False)
            if self._resumed:
                self.finished.add(finished_row(result), start)
        return super()._write(rows)

    def _write_waiting(self) -> None:
        self._write([EndedRow(key, start=start) for key, start in self._waiting.items()])

    def _compact(self) -> None:
        """One row an id: the one that counts stands where the first of its id stood."""
        with file_beside(self._file) as new:
            for start, line in self._file.lines():
                if start not in self.finished.repeated:
                    winner = self.finished.replaced.get(start)
                    new.append(line if winner is None else self._file.line_at(winner))
            self._file.replace_by(new)


@contextmanager
def file_beside(file: AppendFile) -> Iterator[AppendFile]:
    """A new file that may come in the place of this one; removed if it does not."""
    path = file.path.with_name(f".{file.path.name}.new")
    with AppendFile(path, beside=True, new=True) as new:
        try:
            yield new
        finally:
            path.unlink(missing_ok=True)


def not_empty(path: Path) -> UsageError:
    return UsageError(f"{path} is not empty", hint="--resume goes on with it, or use another -o")


def finished_row(result: Result) -> FinishedRow:
    return FinishedRow(result.id, result.kind, result.sha256, result.rerun_helps)

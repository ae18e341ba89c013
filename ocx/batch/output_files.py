"""Output files that `--resume` goes on with, each with a journal beside it."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from ocx.batch.batch_row import data_of, kept_row, read_output, read_row
from ocx.batch.finished_rows import FinishedRow, IdTable, id_key
from ocx.batch.journal import AppendFile, ForeignOutputError, Journal, file_beside
from ocx.batch.row import BadRow, Result, Row, RowAnswer, RowFailure, hash_request
from ocx.batch.row_formats import ReadBack
from ocx.batch.row_output import EndedRow, RowOutput
from ocx.errors import ERRORS, ServerError, UsageError
from ocx.files import journal_path

_CLASSES = {error.name: error for error in ERRORS}


@dataclass(kw_only=True)
class BatchFile(RowOutput):
    """A file that can be gone on with, whatever ended the run; to be closed.

    Its rows tell their ids; the journal has only those that wait for an earlier one.

    Attributes:
        resume: go on with what is there; else a file with content is refused.

    Raises: UsageError, OcxError.
    """

    path: Path
    resume: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        given, self.path = self.path, Path(os.path.realpath(self.path))
        self._was_there = self.path.exists()  # else it was deleted, to begin anew
        self._held = IdTable()  # where the journal has a row that the output has not, 0 if nowhere
        self._adopted_to = 0  # the journal's rows before stand in the output as they came
        with ExitStack() as self._stack:  # closed if it cannot be opened
            self._open(given)
            opened = self._stack.pop_all()
        self._stack = opened
        self.unanswered = counts = self._journal.unanswered
        for key in [key for key in counts if self.finished.is_good(key)]:
            del counts[key]  # the row itself tells it
        self.maybe_paid += counts.total()

    def skip(self, row: Row | BadRow) -> None:
        key = id_key(row.id)
        start = self._held.get(key)
        if start and self.buffer is not None:
            self.buffer.expect(row.line)
            self._write(self.buffer.put(row.line, EndedRow(key, start=start)))

    def rest(self) -> Sequence[Result]:
        return ()

    def finish(self, *, whole: bool) -> None:
        if whole:
            self._write_held()  # they are not in the input any more
        if whole and self.finished.repeated:
            self._compact()
            self.unanswered.clear()

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
            of_use = journal.in_flight or self.unanswered or holds_rows
            if not of_use or (self.complete and not self.form.of_sample):
                journal.path.unlink(missing_ok=True)

    def _open(self, given: Path) -> None:
        """Open the files, and take up what is there."""
        self._file = self._open_file(given)
        journal = self._open_journal(self._file.size, resume=self.resume)
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
        if self.buffer is None:
            self._write_held()

    def _open_file(self, given: Path) -> AppendFile:
        file = self._stack.enter_context(closing(AppendFile(given)))
        if file.size and not self.resume:
            raise not_empty(given)
        self._files.append(file)
        return file

    def _open_journal(self, output_size: int, *, resume: bool) -> Journal:
        journal = self._journal = Journal(journal_path(self.path), output_size)
        self._files.append(self._stack.enter_context(closing(journal)))
        if not resume and not journal.is_new:
            if self._was_there and next(journal.rows(), None) is not None:
                told = f"{journal.path} holds answers of an earlier run to {self.path.name}"
                raise UsageError(told, hint="--resume goes on with them, or use another -o")
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
            if not self.finished.get(row.id).kind or self._held.get(key):
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
            if self.finished:
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


class Adoption(NamedTuple):
    """How to go on with a complete output: by comparing it with its input.

    Attributes:
        rows: those of the input that the run is about, from the start.
    """

    rows: Callable[[], Iterable[Row | BadRow]]
    base_url: str


@dataclass(kw_only=True)
class MergedFile(BatchFile):
    """Rows of the input with their answers, in its order; the journal has them all.

    A run that goes on with earlier ones writes them anew beside the output, and puts that in its
    place at the end.

    Attributes:
        adoption: None for an input that can be read once.
    """

    adoption: Adoption | None = None
    _holds_all: ClassVar[bool] = False  # the rows of a first run, too

    def finish(self, *, whole: bool) -> None:  # noqa: ARG002
        if self._changed and self._target is not self._file:
            self._write_held()  # not in the input, or not yet reached
            self._file.replace_by(self._target)

    def _open(self, given: Path) -> None:
        self._file = self._target = self._open_file(given)
        self._take_up_all(self._file.size, resume=self.resume)
        self._changed = not self._is_intact()
        if self.finished:
            self._target = self._stack.enter_context(file_beside(self._file))
        else:
            self._file.truncate(0)
        self._target.append(self.form.header())

    def _take_up_all(self, output_size: int, *, resume: bool) -> None:
        journal = self._open_journal(output_size, resume=resume)
        # A journal that was begun after the output is of use once it has adopted all of that.
        if output_size and journal.base and not journal.adopted:
            journal.begin_anew(output_size)
            try:
                self._adopt()
            except BaseException:
                journal.path.unlink(missing_ok=True)
                raise
        if journal.is_new and journal.adopted:
            self._adopted_to = journal.size
        self._take_up()

    def _keep(self, row: EndedRow, result: Result, *, waits: bool) -> None:  # noqa: ARG002
        self._changed = True
        start = self._journal.append(kept_row(result, row.data, whole=self.dedup))
        self._answered(row.key)
        self._remember(result, start, in_journal=True)
        if self.finished or self._holds_all:
            self._hold(row.key, result, start)

    def _write(self, rows: Sequence[EndedRow]) -> Sequence[Result]:
        for key, data, _, place in rows:
            self._target.append(data or data_of(self._journal.line_at(place)))
            if self._held.get(key):
                self._held.set(key, 0)
        return RowOutput._write(self, rows)

    def _adopt(self) -> None:
        """Make the journal from an output that is in the order of its input.

        A row of the input that is not next in the output is new.

        Raises: UsageError if the output is of another input.
        """
        if self.adoption is None:
            raise UsageError(
                f"{self.path} was not written by a run that can be resumed: it has no journal",
                hint="use another -o",
            )
        number, header = 1, self.form.header()
        try:
            with self.path.open("rb") as file:
                if file.read(len(header)) != header:
                    raise self._foreign("its header is another")
                found = self.form.read_back(file)
                current = next(found, None)
                for row in self.adoption.rows():
                    if current is None:
                        break
                    if current.source == self.form.source_of(row):
                        self._journal.append(self._adopted(row, current, self.adoption))
                        current, number = next(found, None), number + 1
        except (ValueError, csv.Error) as error:
            raise self._foreign(f"it cannot be read: {error}") from None
        if current is not None:
            raise self._foreign(f"its row {number:,} is none of the input, or out of order")
        self._journal.note_adopted()

    @staticmethod
    def _adopted(row: Row | BadRow, found: ReadBack, adoption: Adoption) -> bytes:
        outcome: RowAnswer | RowFailure = RowAnswer("", {})
        if found.error:
            name, _, message = found.error.partition(": ")
            outcome = RowFailure(_CLASSES.get(name, ServerError)(message))
        sha256 = hash_request(row, adoption.base_url)[0] if isinstance(row, Row) else ""
        return kept_row(Result(row, outcome, sha256), found.data, whole=False)

    def _foreign(self, reason: str) -> UsageError:
        return ForeignOutputError(f"{self.path} does not hold answers to this input: {reason}")

    def _is_intact(self) -> bool:
        """Whether the output has all rows of the journal. Raises UsageError if it has others."""
        known, count, longest = IdTable(), 0, 0
        for _, line in self._journal.rows():
            data = data_of(line)
            known.set(_content_key(data), 1)
            count, longest = count + 1, max(longest, len(data))
        found, rest, header = 0, b"", self.form.header()
        with self.path.open("rb") as file:
            begin = file.read(len(header))
            for line in file:
                rest += line
                if known.get(_content_key(rest)):
                    found, rest = found + 1, b""
                elif len(rest) > longest:
                    break
        rest = rest.rstrip(b"\0")  # of a power cut
        rows = (data_of(line) for _, line in self._journal.rows())
        if not header.startswith(begin) or (rest and not any(row.startswith(rest) for row in rows)):
            told = f"{self.path} was changed since its last run, so it cannot be resumed"
            raise UsageError(told, hint="use another -o; nothing was changed")
        return not rest and begin == header and found == count == len(self.finished)


def _content_key(data: bytes) -> int:
    return hash(data) & (1 << 64) - 1 or 1

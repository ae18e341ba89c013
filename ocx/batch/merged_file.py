"""Outputs whose rows do not tell their ids: the journal has all, and they are made from it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocx.batch.batch_row import data_of, kept_row
from ocx.batch.finished_rows import IdTable
from ocx.batch.journal import file_beside
from ocx.batch.row import BadRow, Result, Row, RowAnswer, RowFailure
from ocx.batch.row_formats import ReadBack
from ocx.batch.store import BatchFile, EndedRow, RowOutput
from ocx.errors import ERRORS, ServerError, UsageError

_CLASSES = {error.name: error for error in ERRORS}


@dataclass(frozen=True)
class Adoption:
    """How to go on with a complete output: by comparing it with its input.

    Attributes:
        rows: those of the input that the run is about, from the start.
        sha256: of a row's request.
    """

    rows: Callable[[], Iterable[Row | BadRow]]
    sha256: Callable[[Row], str]


class MergedFile(BatchFile):
    """Rows of the input with their answers, in its order; the journal has them all.

    A run that goes on with earlier ones writes them anew beside the output, and puts that in its
    place at the end.

    Args:
        adoption: None for an input that can be read once.
    """

    def __init__(self, *args: Any, adoption: Adoption | None = None, **options: Any) -> None:
        self._adoption = adoption
        super().__init__(*args, **options)

    def finish(self, *, whole: bool, complete: bool) -> None:  # noqa: ARG002
        if self._changed and self._target is not self._file:
            self._write_held()  # not in the input, or not yet reached
            self._file.replace_by(self._target)
        self._complete = complete

    def _open(self, path: Path, *, resume: bool) -> None:
        self._file = self._target = self._open_file(path, resume=resume)
        self._take_up_all(self._file.size, resume=resume)
        self._changed = not self._is_intact()
        if self._indexed:
            self._target = self._stack.enter_context(file_beside(self._file))
        else:
            self._file.truncate(0)
        if header := self._form.header():
            self._target.append(header)

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
        self._indexed = len(self.finished) > 0

    def _keep(self, row: EndedRow, result: Result, *, waits: bool) -> None:  # noqa: ARG002
        self._changed = True
        whole = self._answers is not None
        start = self._journal.append(kept_row(result, row.data, whole=whole))
        self._answered(row.key)
        self._remember(result, start, in_journal=True)
        if self._indexed:
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
        if self._adoption is None:
            raise UsageError(
                f"{self.path} was not written by a run that can be resumed: it has no journal",
                hint="use another -o",
            )
        number, header = 1, self._form.header()
        try:
            with self.path.open("rb") as file:
                if file.read(len(header)) != header:
                    raise self._foreign("its header is another")
                found = self._form.read_back(file)
                current = next(found, None)
                for row in self._adoption.rows():
                    if current is None:
                        break
                    if current.source == self._form.source_of(row):
                        self._journal.append(self._adopted(row, current, self._adoption))
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
        sha256 = adoption.sha256(row) if isinstance(row, Row) else ""
        return kept_row(Result(row, outcome, sha256), found.data, whole=False)

    def _foreign(self, reason: str) -> UsageError:
        return UsageError(
            f"{self.path} does not hold answers to this input: {reason}",
            hint="--resume goes on with the output of an earlier run; use another -o",
        )

    def _is_intact(self) -> bool:
        """Whether the output has all rows of the journal. Raises UsageError if it has others."""
        known, count, longest = IdTable(), 0, 0
        for _, line in self._journal.rows():
            data = data_of(line)
            known.set(_content_key(data), 1)
            count, longest = count + 1, max(longest, len(data))
        found, rest, header = 0, b"", self._form.header()
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
            raise UsageError(
                f"{self.path} was changed since its last run, so it cannot be resumed",
                hint="use another -o; nothing was changed",
            )
        return not rest and begin == header and found == count == len(self.finished)


def _content_key(data: bytes) -> int:
    return hash(data) & (1 << 64) - 1 or 1

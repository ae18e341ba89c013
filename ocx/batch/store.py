"""The output of a run on disk: taken up, appended to, saved, and compacted at a clean end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ocx.batch.finished_rows import IdTable, States, id_key, is_good, pack_state, request_key
from ocx.batch.journal import AppendFile, unwritable
from ocx.batch.output.adoption import Adoption
from ocx.batch.output.compaction import compact
from ocx.batch.output.in_flight import InFlight
from ocx.batch.output.resume import answer_at, entry_at, read_output
from ocx.batch.output.row_index import HEADER_KEY, Entry, RowIndex, index_path, pack_entry
from ocx.batch.result import Result
from ocx.batch.row import Row
from ocx.batch.row_formats import Renderer
from ocx.errors import OcxError, UsageError
from ocx.files import journal_path, open_beside, sync
from ocx.owners import check_ours


class Store:
    """An output file with its journal; a context manager.

    Args:
        resume: go on with what is there; else a file with content is refused.
        by_request: also find answers by their request (`answer_to`).
        adoption: goes on with a complete output, which has no index.

    Attributes:
        complete: nothing is left to be done, so nothing is left beside the output.
        states: what the output held when it was opened.
        left_over: keys of rows that an earlier run was sending when it died, and that are not
            in the output.
        unanswered: requests that earlier runs sent again although they may have been charged.

    Raises: UsageError, OcxError.
    """

    def __init__(
        self,
        path: Path,
        renderer: Renderer,
        *,
        resume: bool,
        by_request: bool = False,
        adoption: Adoption | None = None,
    ) -> None:
        self.complete = False
        self.unanswered = 0
        self._file = AppendFile(path)
        self._renderer = renderer
        self._index: AppendFile | None = None
        try:
            if self._file.size and not resume:
                raise UsageError(
                    f"{path} is not empty", hint="--resume goes on with it, or use another -o"
                )
            if not renderer.self_describing:
                _recover_index(self._file)
                adopts = self._file.size and not index_path(self._file.path).exists()
                self._index = AppendFile(index_path(self._file.path), beside=True)
                if adopts:
                    self._adopt(adoption)
            self.states = States()
            # Other forms do not hold an answer as it came.
            self._starts = IdTable(wide=True) if by_request and renderer.self_describing else None
            self._take_up()
            self.journal = InFlight(journal_path(self._file.path))
        except BaseException:
            self.close_files()
            raise
        self.left_over = {key for key in self.journal.left_over if not self.states.has_key(key)}

    @property
    def path(self) -> Path:
        return self._file.path

    def append(self, results: Sequence[Result]) -> None:
        """Write rows in one go, and forget that they are on their way.

        Raises: OcxError; every row that fits has been written then.
        """
        rows = [_Written.of(result, self._renderer) for result in results]
        try:
            self._write(rows)
        except OcxError:
            if len(rows) == 1:
                raise
            for row in rows:  # all but the ones that the disk has no room for
                self._write([row])
        for row in rows:
            self.journal.end(row.key)

    def answer_to(self, row: Row, sha256: str) -> Result | None:
        """The good answer of an earlier run to an equal request, as the result of this row."""
        start = self._starts.get(request_key(sha256)) if self._starts is not None else None
        if start is None:
            return None
        answered = answer_at(self._file.path, start, sha256)
        return None if answered is None else Result(row, answered, sha256)

    def sync(self) -> None:
        """Make all rows last through a power cut. Raises OcxError."""
        self._file.sync()
        if self._index is not None:
            self._index.sync()

    def compact(self, order: Iterable[int] | None = None) -> None:
        """Drop the rows that later ones replaced; `states` is empty then. Raises OcxError.

        Args:
            order: keys of the rows as they shall stand; None leaves them where they are.
        """
        self.states, self._starts = States(), None  # their memory is needed
        try:
            self._compact(order)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        """Save everything and let go of the lock."""
        try:
            self.sync()
            self.journal.close(remove=not self.journal.count)
            if self.complete and self._index is not None:
                self._index.path.unlink(missing_ok=True)
        finally:
            self.close_files()

    def close_files(self) -> None:
        self._file.close()
        if self._index is not None:
            self._index.close()

    def _take_up(self) -> None:
        end = records = 0
        for entry in self._entries():
            end = entry.end
            records += 1
            self.unanswered += entry.unanswered
            if entry.key != HEADER_KEY:
                self.states.add_packed(entry.key, entry.state)
                if self._starts is not None and is_good(entry.state):
                    self._starts.set(request_key(entry.state), entry.start)
        if self._file.size > end:
            self._file.truncate(end)
        if self._index is not None:
            self._cut_index(records)
        elif end and self._file.read_at(end - 1, end) != b"\n":
            self._file.append(b"\n")

    def _cut_index(self, records: int) -> None:
        if self._index is not None:
            self._index.truncate(records * RowIndex.record_size)
        if not records:
            self._write([_Written(HEADER_KEY, 0, self._renderer.header())])

    def _write(self, rows: Sequence[_Written]) -> None:
        end = self._file.size
        self._file.append(b"".join([row.data for row in rows]))
        if self._index is None:
            return
        entries = []
        for row in rows:
            start, end = end, end + len(row.data)
            entries.append(pack_entry(Entry(row.key, row.state, start, end), row.data))
        self._index.append(b"".join(entries))

    def _entries(self) -> Iterable[Entry]:
        if self._index is not None:
            return RowIndex(self._index.path).entries(self._file)
        return (line.entry() for line in read_output(self._file.path))

    def _starting_at(self, start: int) -> Entry:
        if self._index is not None:
            return RowIndex(self._index.path).starting_at(start)
        return entry_at(self._file.path, start)

    def _adopt(self, adoption: Adoption | None) -> None:
        path, index = self._file.path, self._index
        if adoption is None or index is None:
            raise UsageError(
                f"{path} was not written by a run that can be resumed: it has no index",
                hint="use another -o",
            )
        try:
            for entry, row in adoption.entries(path, self._renderer):
                index.append(pack_entry(entry, row))
        except BaseException:
            index.path.unlink(missing_ok=True)
            raise

    def _compact(self, order: Iterable[int] | None) -> None:
        path = self._file.path
        if self._index is None:
            new = compact(path, self._entries, self._starting_at, lambda _entry, _row: None)
            if new is not None:
                os.replace(new, path)  # noqa: PTH105 - beside the other calls of os
            return
        with os.fdopen(open_beside(_new_index(path), os.O_WRONLY | os.O_TRUNC), "wb") as index:
            new = compact(
                path,
                self._entries,
                self._starting_at,
                lambda entry, row: index.write(pack_entry(entry, row)),
                order,
            )
            index.flush()
            sync(index.fileno())
        if new is None:
            _new_index(path).unlink()
            return
        # A run that dies between the two finds the right index by its checksums.
        os.replace(new, path)  # noqa: PTH105
        os.replace(_new_index(path), self._index.path)  # noqa: PTH105


class _Written(NamedTuple):
    """A row as it goes to the disk."""

    key: int
    state: int
    data: bytes

    @classmethod
    def of(cls, result: Result, renderer: Renderer) -> _Written:
        again = None if result.error is None else result.rerun_helps
        state = pack_state(result.kind, result.sha256, again)
        return cls(id_key(result.id), state, renderer.row(result))


def _new_index(path: Path) -> Path:
    return path.with_name(f".{path.name}.index.new")


def _recover_index(output: AppendFile) -> None:
    """A run that died between replacing the output and its index left the right index beside."""
    new, old = _new_index(output.path), index_path(output.path)
    for path in (old, new):
        try:
            check_ours(path.lstat(), path.parent)
        except FileNotFoundError:
            continue
        except OSError as error:
            hint = "remove it, or use another -o"
            raise UsageError(f"cannot write {path}: {error.strerror}", hint=hint) from error
    if new.exists():
        last = _last_end(new, output)
        if last == output.size:
            os.replace(new, old)  # noqa: PTH105 - beside the other calls of os
        else:
            new.unlink()


def _last_end(index: Path, output: AppendFile) -> int:
    end = 0
    try:
        for entry in RowIndex(index).entries(output):
            end = entry.end
    except UsageError:
        return -1
    return end

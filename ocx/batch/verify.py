"""`ocx batch verify IN OUT...`: whether every row of the input has one good row of output."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ocx.batch.batch_row import read_output
from ocx.batch.finished_rows import FinishedRows
from ocx.batch.row import BadRow, Row
from ocx.errors import PartialError, UsageError, os_errors_as

_FAULTS = ("missing", "failed", "doubled", "not in the input")
_MOST_NAMED = 10


class Verification:
    """Both sides are streamed; memory holds tables of ids.

    Attributes:
        counts: of rows by their fault: missing, failed, doubled (ids with more than one row of
            output), not in the input (rows of output).
        named: the first ten ids of each.
        classes: of the rows that failed.
        unknown_reasons: the finish_reasons of answers that are not known, and how often.
    """

    def __init__(self, outputs: Iterable[Path]) -> None:
        """Raises: UsageError for a file that is no output of a batch."""
        self.rows = self.good = 0
        self.counts: Counter[str] = Counter()
        self.named: defaultdict[str, list[str]] = defaultdict(list)
        self.classes: Counter[str] = Counter()
        self.unknown_reasons: Counter[str] = Counter()
        self._finished = FinishedRows()
        for path in outputs:
            with os_errors_as(UsageError, f"cannot read {path}"):
                for _, _, row in read_output(path):
                    if self._finished.get(row.id).kind:
                        self._add("doubled", row.id)
                    self._finished.add(row)
                    if row.unknown_reason is not None:
                        self.unknown_reasons[row.unknown_reason] += 1

    def faulty(self, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Compare with the input: the rows that are missing or failed. Read it to its end."""
        for row in rows:
            self.rows += 1
            found = self._finished.get(row.id)
            if found.good:
                self.good += 1
                continue
            self._add("failed" if found.kind else "missing", row.id)
            if found.kind:
                self.classes[found.kind] += 1
            yield row
        unknown = len(self._finished) - self.good - self.counts["failed"]
        self.counts["not in the input"] = unknown

    @property
    def complete(self) -> bool:
        return not self.counts.total()

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "rows": self.rows,
            "good": self.good,
            "missing": self.counts["missing"],
            "failed": dict(self.classes),
            "doubled": self.counts["doubled"],
            "not_in_input": self.counts["not in the input"],
            "complete": self.complete,
        }

    def error(self) -> PartialError:
        """What to raise if it is not complete."""
        told = "; ".join(self._words(fault) for fault in _FAULTS if self.counts[fault])
        return PartialError(
            f"of {self.rows} rows: {told}",
            hint="--failed prints the rows that are missing or failed, for another run",
        )

    def _add(self, fault: str, row_id: str) -> None:
        self.counts[fault] += 1
        if len(self.named[fault]) < _MOST_NAMED:
            self.named[fault].append(row_id)

    def _words(self, fault: str) -> str:
        count, ids = self.counts[fault], self.named[fault]
        more = ", …" if count > len(ids) else ""
        return f"{count} {fault}" + (f" ({', '.join(ids)}{more})" if ids else "")

"""`ocx batch verify IN OUT...`: whether every row of the input has one good row of output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocx.batch.batch_row import read_output
from ocx.batch.finished_rows import FinishedRows
from ocx.batch.row import BadRow, Row
from ocx.errors import PartialError, UsageError, os_errors_as

MOST_NAMED = 10


@dataclass
class Group:
    """Rows with one fault: all counted, the first ten named."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, row_id: str) -> None:
        self.count += 1
        if len(self.ids) < MOST_NAMED:
            self.ids.append(row_id)

    def words(self, what: str) -> str:
        more = ", …" if self.count > len(self.ids) else ""
        names = f" ({', '.join(self.ids)}{more})" if self.ids else ""
        return f"{self.count} {what}{names}" if self.count else ""


class Verification:
    """Both sides are streamed; memory holds tables of ids.

    Attributes:
        doubled: ids with more than one row of output.
        unknown: rows of output whose id the input does not have.
        unknown_reasons: the finish_reasons of answers that are not known, and how often.
    """

    def __init__(self, outputs: Iterable[Path]) -> None:
        """Raises: UsageError for a file that is no output of a batch."""
        self.rows = 0
        self.good = 0
        self.missing = Group()
        self.failed = Group()
        self.classes: Counter[str] = Counter()
        self.doubled = Group()
        self.unknown = 0
        self.unknown_reasons: Counter[str] = Counter()
        self._finished = FinishedRows()
        for path in outputs:
            self._read(path)

    def faulty(self, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Compare with the input: the rows that are missing or failed. Read it to its end."""
        for row in rows:
            self.rows += 1
            state = self._finished.get(row.id)
            if state is not None and state.good:
                self.good += 1
                continue
            (self.missing if state is None else self.failed).add(row.id)
            if state is not None:
                self.classes[state.kind] += 1
            yield row
        self.unknown = len(self._finished) - self.good - self.failed.count

    @property
    def complete(self) -> bool:
        faults = (self.missing.count, self.failed.count, self.doubled.count, self.unknown)
        return not any(faults)

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "rows": self.rows,
            "good": self.good,
            "missing": self.missing.count,
            "failed": dict(self.classes),
            "doubled": self.doubled.count,
            "not_in_input": self.unknown,
            "complete": self.complete,
        }

    def error(self) -> PartialError:
        """What to raise if it is not complete."""
        parts = [
            self.missing.words("missing"),
            self.failed.words("failed"),
            self.doubled.words("doubled"),
            f"{self.unknown} not in the input" if self.unknown else "",
        ]
        return PartialError(
            f"of {self.rows} rows: {'; '.join(part for part in parts if part)}",
            hint="--failed prints the rows that are missing or failed, for another run",
        )

    def _read(self, path: Path) -> None:
        with os_errors_as(UsageError, f"cannot read {path}"):
            for line in read_output(path):
                if self._finished.get(line.row.id) is not None:
                    self.doubled.add(line.row.id)
                self._finished.add(line.row)
                if line.row.unknown_reason is not None:
                    self.unknown_reasons[line.row.unknown_reason] += 1

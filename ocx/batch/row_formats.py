"""The forms of an output: OpenAI's rows, the input's rows with the answer, plain lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from ocx.batch.batch_row import encode_row, output_row, row_line
from ocx.batch.finished_rows import FinishedRow
from ocx.batch.records import Dialect
from ocx.batch.request_builder import as_text
from ocx.batch.row import OK, UNMET, BadRow, Result, Row
from ocx.decoding import BOM
from ocx.text import without_infinities


class ReadBack(NamedTuple):
    """A row of a complete output, what it keeps of its row of the input, and why it failed."""

    data: bytes
    source: object
    error: str | None = None


class RowFormat:
    """How rows are written; this one not at all.

    Those that do not tell their ids can be read back, where the output is in the input's order.

    Attributes:
        field: the answer's, if the fields of the input stand beside it.
        of_sample: even of a complete output, the journal alone tells which rows it has.
    """

    tells_ids = False
    of_sample = False
    field: str = ""

    @property
    def error_field(self) -> str:
        return f"{self.field}_error"

    def header(self) -> bytes:
        return b""

    def row(self, result: Result) -> bytes:  # noqa: ARG002
        return b""

    def read_back(self, file: IO[bytes]) -> Iterator[ReadBack]:
        """The rows of an output, from behind its header. Raises ValueError, csv.Error."""
        # Asked only of a form whose rows do not tell their ids; each of those has its own.
        raise NotImplementedError

    def source_of(self, row: Row | BadRow) -> object:
        """What a row of the output keeps of its row of the input; None if nothing."""
        if not self.field:
            return None
        added = {self.field, self.error_field}
        source = {name: value for name, value in (row.source or {}).items() if name not in added}
        return without_infinities(source)


class BatchRows(RowFormat):
    """Rows of OpenAI's Batch API; the first row of a run says where all of them were asked."""

    tells_ids = True

    def __init__(self, base_url: str | None = None) -> None:
        self._untold = base_url

    def row(self, result: Result) -> bytes:
        if self._untold is None:
            return row_line(result)
        row = output_row(result)
        row["ocx"]["base_url"], self._untold = self._untold, None
        return encode_row(row)


@dataclass(frozen=True)
class MergedJson(RowFormat):
    """The input's object with `field` added; null, and `FIELD_error`, if the row failed.

    With `parse`, the answer is JSON by a schema and is added as such.
    """

    field: str = "answer"
    parse: bool = False

    def row(self, result: Result) -> bytes:
        document = dict(result.row.source or {})
        text = result.text
        document[self.field] = json.loads(text) if text is not None and self.parse else text
        document.pop(self.error_field, None)
        if result.error is not None:
            document[self.error_field] = error_words(result)
        return encode_row(document)

    def read_back(self, file: IO[bytes]) -> Iterator[ReadBack]:
        for line in file:
            document = json.loads(line)
            if not isinstance(document, dict):
                raise ValueError("a line is no JSON object")
            error = document.pop(self.error_field, "")
            found = self.field in document
            empty = document.pop(self.field, None) is None and not (error or self.parse)
            if not found or empty or not isinstance(error, str):
                raise ValueError("a line holds no answer")
            yield ReadBack(line, document, error or None)


@dataclass
class MergedTable(RowFormat):
    """The input's table with columns added: `field`, or one for each property of a schema.

    It is written as the input was: a spreadsheet that opened the one opens the other.
    A column `FIELD_error` at the end is empty but for rows that failed.
    """

    columns: Iterable[str]
    dialect: Dialect
    field: str = "answer"
    properties: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._added = [*self.properties] or [self.field]
        added = {*self._added, self.error_field}
        self._own = [name for name in self.columns if name not in added]

    def header(self) -> bytes:
        begin = (BOM if self.dialect.bom else "") + self.dialect.preamble
        return begin.encode() + self._line([*self._own, *self._added, self.error_field])

    def row(self, result: Result) -> bytes:
        error = error_words(result) or ""
        return self._line([*self.source_of(result.row), *self._answer(result.text), error])

    def read_back(self, file: IO[bytes]) -> Iterator[ReadBack]:
        read: list[bytes] = []

        def lines() -> Iterator[str]:
            for line in file:
                read.append(line)
                yield line.decode()

        own = len(self._own)
        reader = csv.reader(lines(), delimiter=self.dialect.delimiter or ",", strict=True)
        for cells in reader:
            if cells:  # else an empty line, which a spreadsheet left
                yield ReadBack(b"".join(read), cells[:own], cells[-1] or None)
            read.clear()

    def source_of(self, row: Row | BadRow) -> list[str]:
        source = row.source or {}
        return [str(source.get(name, "")) for name in self._own]

    def _answer(self, text: str | None) -> list[str]:
        if text is None:
            return [""] * len(self._added)
        if not self.properties:
            return [text]
        document = json.loads(text)
        values = document if isinstance(document, Mapping) else {}
        return [as_text(values.get(name)) for name in self.properties]

    def _line(self, cells: Sequence[str]) -> bytes:
        buffer = io.StringIO()
        # With "\n" as its line end, the writer of Python 3.11 leaves a bare CR unquoted.
        writer = csv.writer(buffer, delimiter=self.dialect.delimiter or ",", lineterminator="\r\n")
        writer.writerow(cells)
        line = buffer.getvalue().removesuffix("\r\n") + self.dialect.line_end
        return line.encode("utf-8", "replace")


class TextLines(RowFormat):
    """One line a row, newlines and backslashes of the answer escaped; empty if it failed."""

    def __init__(self, *, of_sample: bool = False) -> None:
        self.of_sample = of_sample

    def row(self, result: Result) -> bytes:
        text = (result.text or "").replace("\\", "\\\\").replace("\n", "\\n")
        return text.replace("\r", "\\r").encode("utf-8", "replace") + b"\n"

    def read_back(self, file: IO[bytes]) -> Iterator[ReadBack]:
        for line in file:
            yield ReadBack(line, None)  # its place alone tells


def error_words(result: Result) -> str | None:
    error = result.error
    return None if error is None else f"{error.name}: {error.message}"


_UNKNOWN = "\ufffd"
# What XML 1.0 cannot hold, in any form (its production 2, Char).
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class TestCases:
    """The rows with `expect` as test cases, for `--junit FILE`.

    In the form that Jenkins, GitLab and GitHub's actions read (testmoapp/junitxml).

    Args:
        suite: what the cases belong to: the input.
    """

    def __init__(self, suite: str) -> None:
        self._suite = _attribute(suite)
        self._cases: list[str] = []
        self._kinds: Counter[str] = Counter()
        self._seconds = 0.0

    def take(self, results: Sequence[Result]) -> None:
        """Add what ended; rows that cannot be read fail, too."""
        for result in results:
            if isinstance(result.row, BadRow) or result.row.expect is not None:
                message = result.error.message if result.error is not None else ""
                self._add(result.id, result.seconds, result.kind, message, result.text or "")

    def skipped(self, row: Row | BadRow, before: FinishedRow) -> None:
        """Add a row that an earlier run has finished."""
        if isinstance(row, Row) and row.expect is not None:
            self._add(row.id, 0.0, before.kind, "in an earlier run", "")

    def document(self) -> str:
        """Failures are answers that are not as expected; everything else that fails is an error."""
        total, failures = self._kinds.total(), self._kinds[UNMET]
        counts = (
            f'tests="{total}" failures="{failures}" errors="{total - failures - self._kinds[OK]}"'
            f' time="{self._seconds:.3f}"'
        )
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {counts}>\n'
            f"<testsuite name={self._suite} {counts}>\n{''.join(self._cases)}"
            "</testsuite>\n</testsuites>\n"
        )

    def _add(self, name: str, seconds: float, kind: str, message: str, text: str) -> None:
        self._kinds[kind] += 1
        self._seconds += seconds
        inner = ""
        if kind != OK:
            tag = "failure" if kind == UNMET else "error"
            inner = f"<{tag} type={_attribute(kind)} message={_attribute(message)}/>"
        elif text:
            inner = f"<system-out>{escape(_NO_CHARACTER.sub(_UNKNOWN, text))}</system-out>"
        names = f"name={_attribute(name)} classname={self._suite}"
        self._cases.append(f'<testcase {names} time="{seconds:.3f}">{inner}</testcase>\n')


def _attribute(text: str) -> str:
    return quoteattr(_NO_CHARACTER.sub(_UNKNOWN, text))

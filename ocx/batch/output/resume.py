"""Reading an output of batch rows again: what is torn, what is foreign, what every row says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ocx.batch.batch_row import ROW_PREFIX, read_row
from ocx.batch.finished_rows import Written, id_key, pack_state
from ocx.batch.output.row_index import Entry
from ocx.batch.result import Answer
from ocx.errors import UsageError


class Line(NamedTuple):
    """A row of an output, from `start` to `end` in bytes."""

    start: int
    end: int
    row: Written

    def entry(self) -> Entry:
        state = pack_state(self.row.kind, self.row.sha256, self.row.rerun_helps)
        return Entry(id_key(self.row.id), state, self.start, self.end, self.row.unanswered)


def read_output(path: Path) -> Iterator[Line]:
    """Every row but a torn last one; one that only misses its line end counts, it was paid for.

    Raises: UsageError, naming the line that is no output row.
    """
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = read_row(line)
            except (ValueError, RecursionError) as error:
                if _is_torn(line, first=number == 1):
                    return
                raise _foreign(path, number, error) from None
            yield Line(start, start + len(line), row)
            start += len(line)


def asked_at(path: Path) -> str | None:
    """The base URL that the first run of an output asked; None if no row tells."""
    with path.open("rb") as file:
        for line in file:
            if b'"base_url":' in line:
                with suppress(ValueError, KeyError, TypeError):
                    return str(json.loads(line)["ocx"]["base_url"])
    return None


def _is_torn(line: bytes, *, first: bool) -> bool:
    """Whether a line that is no row is what a run that died has left.

    After a power cut that can be zeros. A file of one unfinished line may be anybody's.
    """
    if not line.strip(b"\x00"):
        return True
    if line.endswith(b"\n"):
        return False
    return not first or line.startswith(ROW_PREFIX) or ROW_PREFIX.startswith(line)


def entry_at(path: Path, start: int) -> Entry:
    """The row that begins at an offset."""
    with path.open("rb") as file:
        file.seek(start)
        line = file.readline()
    return Line(start, start + len(line), read_row(line)).entry()


def answer_at(path: Path, start: int, sha256: str) -> Answer | None:
    """The answer in the row that begins at an offset; None if it answers another request."""
    with path.open("rb") as file:
        file.seek(start)
        document = json.loads(file.readline())
    if document["ocx"]["request_sha256"] != sha256:
        return None
    response = document["response"]
    return Answer("", response["body"], response["status_code"], response["request_id"])


def _foreign(path: Path, number: int, error: Exception) -> UsageError:
    return UsageError(
        f"{path}, line {number}, is no output row of a batch: {error}",
        hint="--resume goes on with the output of an earlier run; use another -o",
    )

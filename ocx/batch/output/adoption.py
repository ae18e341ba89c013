"""A complete output has no index beside it: a later run makes one by comparing it with its input.

The output is in the order of the input. A row of the input that is not next in the output is new.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ocx.batch.finished_rows import id_key, pack_state
from ocx.batch.output.row_index import HEADER_KEY, Entry
from ocx.batch.result import OK
from ocx.batch.row import BadRow, Row
from ocx.batch.row_formats import Renderer
from ocx.errors import UsageError


class Adoption:
    """Args:
    rows: those of the input that the run is about, from the start.
    sha256: of a row's request.
    """

    def __init__(
        self, rows: Callable[[], Iterable[Row | BadRow]], sha256: Callable[[Row], str]
    ) -> None:
        self._rows = rows
        self._sha256 = sha256

    def entries(self, path: Path, renderer: Renderer) -> Iterator[tuple[Entry, bytes]]:
        """An entry of the index for each row of the output, with the row's bytes.

        Raises: UsageError if the output is of another input.
        """
        header = renderer.header()
        with path.open("rb") as file, path.open("rb") as again:
            if file.read(len(header)) != header:
                raise _foreign(path, "its header is another")
            yield Entry(HEADER_KEY, 0, 0, len(header)), again.read(len(header))
            found, start = renderer.read_back(file), len(header)
            try:
                current = next(found, None)
                for row in self._rows():
                    if current is None:
                        return
                    if current.source == renderer.source_of(row):
                        kind = "failure" if current.failed else OK
                        sha256 = self._sha256(row) if isinstance(row, Row) else ""
                        state = pack_state(kind, sha256, current.failed or None)
                        end = start + current.size
                        yield Entry(id_key(row.id), state, start, end), again.read(current.size)
                        current, start = next(found, None), end
            except (ValueError, csv.Error) as error:
                raise _foreign(path, f"it cannot be read: {error}") from None
        if current is not None:
            raise _foreign(path, f"the row at byte {start:,} is none of the input, or out of order")


def _foreign(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"{path} does not hold answers to this input: {reason}",
        hint="--resume goes on with the output of an earlier run; use another -o",
    )

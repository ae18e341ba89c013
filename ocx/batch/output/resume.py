"""Reading an output again: a torn tail is cut off, a foreign file is refused untouched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ocx.batch.output.append_file import AppendFile
from ocx.batch.output.batch_row import Written, read_row
from ocx.batch.output.states import States
from ocx.errors import UsageError


class Line(NamedTuple):
    """A complete row of an output: where it stands, from `start` to `end` in bytes."""

    start: int
    end: int
    row: Written


def read_output(path: Path) -> Iterator[Line]:
    """Every complete row. Raises UsageError, naming the line that is no output row."""
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n") and not _is_whole(line):
                return
            try:
                row = read_row(line)
            except (ValueError, RecursionError) as error:
                if not any(file):  # the tail of a power cut can be zeros with a line end
                    _refuse_if_foreign(path, number, error)
                    return
                raise _foreign(path, number, error) from None
            yield Line(start, start + len(line), row)
            start += len(line)


def take_up(file: AppendFile) -> States:
    """The states of all rows in the output, which is ready to be appended to afterwards.

    Raises: UsageError if it holds anything but rows; nothing is changed then.
    """
    states, end = States(), 0
    for line in read_output(file.path):
        states.add(line.row)
        end = line.end
    if end < file.size:
        file.truncate(end)
    elif end and file.read_at(end - 1, end) != b"\n":
        file.append(b"\n")
    return states


def _is_whole(line: bytes) -> bool:
    """The last row, of which only the line end is missing, was paid for."""
    try:
        read_row(line)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_if_foreign(path: Path, number: int, error: Exception) -> None:
    if number == 1:
        raise _foreign(path, number, error) from None


def _foreign(path: Path, number: int, error: Exception) -> UsageError:
    return UsageError(
        f"{path}, line {number}: {error}",
        hint="--resume goes on with the output of an earlier run; use another -o",
    )

"""One row an id: after a clean end the rows that a later one replaced are dropped."""

from __future__ import annotations

import os
from pathlib import Path

from ocx.batch.id_table import IdTable, id_key
from ocx.batch.output.resume import read_output
from ocx.batch.result import OK

_SUCCESS = 1 << 63


def compact(path: Path) -> int:
    """Rewrite the output with one row an id; how many rows were dropped.

    The winner (the success, else the last row) stands where the first row of its id stood, so
    that an ordered output stays ordered. Raises OSError; the output is then as it was.
    """
    winners, dropped = _winners(path)
    if not dropped:
        return 0
    temporary = path.with_name(f".{path.name}.{os.getpid()}-compact")
    try:
        with path.open("rb") as old, temporary.open("wb") as new:
            os.fchmod(new.fileno(), os.fstat(old.fileno()).st_mode & 0o777)
            for line in read_output(path):
                key = id_key(line.row.id)
                start = winners.get(key)
                if start:
                    old.seek(start - 1)
                    new.write(old.readline())
                    winners.set(key, 0)
            new.flush()
            os.fsync(new.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - beside the other calls of os
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return dropped


def _winners(path: Path) -> tuple[IdTable, int]:
    """Where the winner of each id starts, plus 1; and how many rows have lost."""
    table, rows = IdTable(), 0
    for line in read_output(path):
        rows += 1
        key = id_key(line.row.id)
        if not (table.get(key) or 0) & _SUCCESS:
            table.set(key, line.start + 1 | (_SUCCESS if line.row.kind == OK else 0))
    table.clear_bits(_SUCCESS)
    return table, rows - len(table)

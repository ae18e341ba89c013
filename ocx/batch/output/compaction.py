"""One row an id: after a clean end the rows that a later one replaced are dropped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ocx.batch.finished_rows import IdTable, is_good
from ocx.batch.output.row_index import HEADER_KEY, Entry
from ocx.files import open_beside, set_mode, sync

_SUCCESS = 1 << 63


def compact(
    path: Path,
    entries: Callable[[], Iterable[Entry]],
    starting_at: Callable[[int], Entry],
    on_row: Callable[[Entry, bytes], object],
    order: Iterable[int] | None = None,
) -> Path | None:
    """Write a new output beside `path` with one row an id; None if there is nothing to drop.

    The winner (the success, else the last row) stands where the first row of its id stood, so
    that an ordered output stays ordered. The caller replaces the old output by the new one.

    Args:
        entries: all rows in their order; called twice.
        starting_at: the row at an offset.
        on_row: told of every row written, with its new place.
        order: keys of the rows as they shall stand; others come after them.

    Raises: OSError; nothing is left beside the output then.
    """
    winners, dropped = _winners(entries())
    if not dropped and order is None:
        return None
    temporary = path.with_name(f".{path.name}.compact")
    try:
        fd = open_beside(temporary, os.O_WRONLY | os.O_TRUNC)
        with path.open("rb") as old, os.fdopen(fd, "wb") as new:
            set_mode(new.fileno(), os.fstat(old.fileno()).st_mode & 0o777)
            for key, entry in _placed(entries, order):
                start = winners.get(key)
                if not start:
                    continue
                winners.set(key, 0)
                if entry is not None and entry.start == start - 1:
                    winner = entry
                else:
                    winner = starting_at(start - 1)
                old.seek(winner.start)
                row = old.read(winner.end - winner.start)
                place = new.tell()
                new.write(row)
                on_row(winner._replace(start=place, end=place + len(row)), row)
            new.flush()
            sync(new.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _placed(
    entries: Callable[[], Iterable[Entry]], order: Iterable[int] | None
) -> Iterator[tuple[int, Entry | None]]:
    """The keys of the rows in their new order, some more than once."""
    if order is not None:
        for entry in entries():
            if entry.key == HEADER_KEY:
                yield entry.key, entry
            break
        for key in order:
            yield key, None
    for entry in entries():
        yield entry.key, entry


def _winners(entries: Iterable[Entry]) -> tuple[IdTable, int]:
    """Where the winner of each id starts, plus 1; and how many rows have lost."""
    table, rows = IdTable(wide=True), 0
    for entry in entries:
        rows += 1
        if not (table.get(entry.key) or 0) & _SUCCESS:
            success = _SUCCESS if is_good(entry.state) else 0
            table.set(entry.key, entry.start + 1 | success)
    table.clear_bits(_SUCCESS)
    return table, rows - len(table)

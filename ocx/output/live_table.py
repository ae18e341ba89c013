"""The layout of a table: as wide as its cells, folded if the screen is narrower."""

from __future__ import annotations

from ocx.output.live_style import PLAIN, Run, style_of
from ocx.typography import cells
from ocx.wrapping import wrapped_runs

_GAP = 2
Cell = list[Run]


class Table:
    """Rows of cells of styled text."""

    def __init__(self, width: int, head: list[Cell], alignments: list[str]) -> None:
        self.width = width
        self._head = head
        self._alignments = alignments
        self._rows: list[list[Cell]] = []
        self._widest = [_widest(cell) for cell in head]

    def copy(self) -> Table:
        twin = Table(self.width, self._head, self._alignments)
        twin._rows = self._rows[:]
        twin._widest = self._widest[:]
        return twin

    def add(self, row: list[Cell]) -> None:
        self._rows.append(row)
        self._widest = [max(w, _widest(c)) for w, c in zip(self._widest, row, strict=False)]

    def lines(self, wanted: int | None = None) -> list[list[Run]]:
        """All lines, or at least the last `wanted` of them, if that is less work."""
        widths = shrunk(self._widest, self.width - _GAP * (len(self._widest) - 1))
        found: list[list[list[Run]]] = []
        count = 0
        for row in reversed(self._rows):
            found.append(self._row(row, widths))
            count += len(found[-1])
            if wanted is not None and count >= wanted:
                break
        else:
            border = [("─" * (sum(widths) + _GAP * (len(widths) - 1)), style_of("table.border"))]
            found.append([*self._row(self._head, widths), border])
        return [line for lines in reversed(found) for line in lines]

    def _row(self, row: list[Cell], widths: list[int]) -> list[list[Run]]:
        columns = [wrapped_runs(cell, width) for cell, width in zip(row, widths, strict=False)]
        return [
            self._line([column[at] if at < len(column) else [] for column in columns], widths)
            for at in range(max([1, *map(len, columns)]))
        ]

    def _line(self, row: list[list[Run]], widths: list[int]) -> list[Run]:
        line: list[Run] = []
        for text, width, alignment in zip(row, widths, self._alignments, strict=False):
            room = max(width - sum(cells(part) for part, _ in text), 0)
            before = {"right": room, "center": room // 2}.get(alignment, 0)
            line += [(" " * before, PLAIN), *text, (" " * (room - before + _GAP), PLAIN)]
        return line


def _widest(cell: Cell) -> int:
    """In one line, but for its hard line breaks."""
    text = "".join(part for part, _ in cell)
    return max(map(cells, text.split("\n")), default=0)


def shrunk(widths: list[int], room: int) -> list[int]:
    """Column widths that fit into `room`, at the cost of the widest; none becomes nothing."""
    widths = [max(width, 1) for width in widths]
    room = max(room, len(widths))
    while (excess := sum(widths) - room) > 0:
        widest = max(widths)
        others = [width for width in widths if width < widest]
        many = len(widths) - len(others)
        step = max(min(widest - max(others, default=1), -(-excess // many)), 1)
        for place, width in enumerate(widths):
            if width == widest and excess > 0:
                cut = min(step, excess)
                widths[place] -= cut
                excess -= cut
    return widths

"""Columns on a screen: their widths, and texts that are wrapped, cut and aligned in them.

Widths are cells of a terminal: a wide character takes two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from ocx.typography import cells, shortened, wrapped

GAP = 2
_NARROWEST = 8
_NARROWEST_CUT = 16


class Layout:
    """Columns just wide enough for `rows`; narrower ones if the screen has not that many cells."""

    def __init__(
        self,
        rows: Sequence[Sequence[str]],
        *,
        right: Sequence[bool],
        cut: Sequence[bool],
        width: int,
    ) -> None:
        self._right = right
        self._cut = cut
        self.widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
        self._shrink(width)

    def lines(self, row: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """The row as lines of one text for each column, not padded yet."""
        columns = [
            [shortened(text, width)] if cut else wrapped(text, width)
            for text, width, cut in zip(row, self.widths, self._cut, strict=True)
        ]
        yield from zip_longest(*columns, fillvalue="")

    def aligned(self, texts: Sequence[str], shown: Sequence[str]) -> str:
        """One line of the screen: `shown` in its column, which takes as many cells as `texts`."""
        spaces = [
            " " * (width - cells(text)) for text, width in zip(texts, self.widths, strict=True)
        ]
        places = zip(spaces, shown, self._right, strict=True)
        pieces = [space + text if right else text + space for space, text, right in places]
        return (" " * GAP).join(pieces).rstrip()

    def _shrink(self, width: int) -> None:
        """Texts that may be cut give way first, then the widest of the others; never numbers."""
        over = sum(self.widths) + GAP * (len(self.widths) - 1) - width
        for cut, least in ((True, _NARROWEST_CUT), (False, _NARROWEST)):
            while over > 0:
                columns = [n for n, each in enumerate(self._cut) if each is cut]
                columns = [n for n in columns if not self._right[n] and self.widths[n] > least]
                if not columns:
                    break
                widest = max(columns, key=self.widths.__getitem__)
                self.widths[widest] -= 1
                over -= 1

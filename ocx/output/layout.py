"""Columns on a screen: their widths, and texts that are wrapped, cut and aligned in them.

Widths are cells of a terminal: a wide character takes two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress, zip_longest

from ocx.typography import cells, shortened
from ocx.wrapping import wrapped

GAP = 2
_NARROWEST = 8
_NARROWEST_CUT = 16
_LEAST = 4


class Layout:
    """Columns just wide enough for `rows`; narrower ones if the screen has not that many cells."""

    def __init__(
        self,
        rows: Sequence[Sequence[str]],
        *,
        right: Sequence[bool],
        cut: Sequence[bool],
        width: int,
        whole: Sequence[bool] | None = None,
    ) -> None:
        self._whole = whole or right
        self._right = right
        self._cut = cut
        self.widths = list(map(_widest, zip(*rows, strict=True)))
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
        """Texts that may be cut give way first, then the widest of the others.

        Never numbers, nor what must be whole.
        """
        over = sum(self.widths) + GAP * (len(self.widths) - 1) - width
        steps = ((True, max(_NARROWEST_CUT, width // 4)), (False, _NARROWEST), (True, _NARROWEST))
        for cut, least in (*steps, (False, _LEAST), (True, _LEAST)):
            while over > 0:
                columns = [n for n, each in enumerate(self._cut) if each is cut]
                columns = [n for n in columns if not self._whole[n] and self.widths[n] > least]
                if not columns:
                    break
                widest = max(columns, key=self.widths.__getitem__)
                self.widths[widest] -= 1
                over -= 1


def kept_columns(
    rows: Sequence[Sequence[str]],
    whole: Sequence[bool],
    cut: Sequence[bool],
    optional: Sequence[int],
    width: int,
) -> list[bool]:
    """Which columns have a place on the screen; the most optional are left out first.

    A text that may be cut wants a quarter of the screen.
    """
    widths = map(_widest, zip(*rows, strict=True))
    wanted = [
        most if is_whole else min(most, max(12, width // 4) if is_cut else _NARROWEST)
        for most, is_whole, is_cut in zip(widths, whole, cut, strict=True)
    ]
    kept = [True] * len(wanted)
    for place in sorted(range(len(wanted)), key=optional.__getitem__, reverse=True):
        taken = sum(compress(wanted, kept)) + GAP * (sum(kept) - 1)
        if taken <= width or not optional[place]:
            break
        kept[place] = False
    return kept


def _widest(column: Sequence[str]) -> int:
    return max(map(cells, column))

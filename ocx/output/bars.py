"""Numbers as bars, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bars(numbers: Sequence[int | Decimal], width: int) -> list[str]:
    """A bar for each number, the largest as wide as `width`; a small one is never invisible."""
    largest = max(numbers, default=0)
    return [_bar(number, largest, width) for number in numbers]


def _bar(number: int | Decimal, largest: int | Decimal, width: int) -> str:
    if not number or not largest:
        return ""
    eighths = max(1, round(number * width * 8 / largest))
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")

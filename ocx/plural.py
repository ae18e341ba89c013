"""Numbers with what they count, in words."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """`1 row`, `0 rows`, `1,234 rows`; a noun with another plural than -s does not go in here."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

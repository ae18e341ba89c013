"""Texts for people: made safe to show, counted, and the name that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

# C0 but tab and newline, DEL, C1; and the characters that reorder what is read (bidi controls).
# Texts, not compiled: few runs need them, and compiling at import is paid by all.
CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_BREAKS = r"[\t\n\u2028\u2029]"


def escape_control(text: str) -> str:
    """`text` with control characters written out (`\\x1b`, `\\u202e`), tab and newline kept."""
    return re.sub(CONTROL, _written, text)


def one_line(text: str) -> str:
    """The same on one line: line breaks and tabs become spaces."""
    return escape_control(re.sub(_BREAKS, " ", text))


def _written(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def counted(number: int, noun: str) -> str:
    """`1 row`, `0 rows`, `1,234 rows`; a noun with another plural than -s does not go in here."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def did_you_mean(word: str, known: Iterable[str], before: str = ", ") -> str:
    """`, did you mean NAME?` for the end of a message; empty if no name is near."""
    near = nearest(word, known)
    return f"{before}did you mean {near}?" if near else ""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of `known`, or None if no similarity reaches `cutoff` (0 to 1)."""
    from difflib import get_close_matches  # only on the way to a warning or an error

    found = get_close_matches(word, list(known), 1, cutoff)
    return found[0] if found else None

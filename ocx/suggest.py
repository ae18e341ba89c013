"""The known name that an unknown one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean NAME?` for the end of a message; empty if no name is near."""
    near = nearest(word, known)
    return f", did you mean {near}?" if near else ""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of `known`, or None if no similarity reaches `cutoff` (0 to 1)."""
    from difflib import get_close_matches  # only on the way to a warning or an error

    found = get_close_matches(word, list(known), 1, cutoff)
    return found[0] if found else None

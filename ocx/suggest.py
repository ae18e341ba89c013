"""The known name that an unknown one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # only on the way to a warning or an error

    found = get_close_matches(word, list(known), 1)
    return found[0] if found else None

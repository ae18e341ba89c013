"""How much a test does: a part of it in the gate, all of it with --full."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

import pytest

T = TypeVar("T")

FULL = "OCX_TEST_FULL"
"""Set by the option, before the tests are imported: what decorates them reads it."""

PART = 5


def examples(full: int) -> int:
    """Hypothesis's `max_examples` of a property that is dear: so many with --full."""
    return full if os.environ.get(FULL) else max(10, full // PART)


only_in_full = pytest.mark.skipif(
    "not config.getoption('--full')",  # as a text: conftest imports this before the option is read
    reason="dear: runs with --full",
)
"""A test that takes seconds of processor time, and whose likes are in the gate."""


def some(cases: Iterable[T], gate: int) -> list[T]:
    """Cases that are dear: all with --full, else so many, from all over the list."""
    found = list(cases)
    if os.environ.get(FULL) or gate >= len(found):
        return found
    return [found[at * len(found) // gate] for at in range(gate)]


def step(gate: int) -> int:
    """Characters of a piece: one at a time with --full."""
    return 1 if os.environ.get(FULL) else gate


def size(full: int, gate: int) -> int:
    """Of rows, processes, requests or characters: all with --full."""
    return full if os.environ.get(FULL) else gate

"""The table of ids against a dict, and its size."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from ocx.batch.finished_rows import IdTable, id_key
from tests.support.sizes import part

KEYS = st.integers(1, 2**64 - 1) | st.integers(1, 50)


@given(st.lists(st.tuples(KEYS, st.integers(0, 2**64 - 1))))
def test_it_is_a_dict(pairs: list[tuple[int, int]]) -> None:
    table, model = IdTable(), dict[int, int]()
    for key, value in pairs:
        assert table.get(key) == model.get(key)
        table.set(key, value)
        model[key] = value
    assert len(table) == len(model)
    assert all(table.get(key) == value for key, value in model.items())


def test_an_id_takes_some_bytes() -> None:
    """A million take 32 MiB, 48 while the table grows."""
    count = part(100_000)
    tracemalloc.start()
    table = IdTable()
    for number in range(count):
        table.set(id_key(f"row-{number}"), number)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(table) == count
    assert peak < 60 * count

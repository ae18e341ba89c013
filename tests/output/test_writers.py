from __future__ import annotations

import io

import pytest

from ocx.errors import OcxError, OutputClosed
from ocx.output.writers import GatheringSink


class _Failing(io.BytesIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, _data: object) -> int:
        raise self._error


def test_nothing_is_written_before_the_flush_and_nothing_twice() -> None:
    sink = io.BytesIO()
    gathered = GatheringSink(sink)
    assert gathered.write(b"one ") == 4
    gathered.write(b"two")
    assert sink.getvalue() == b""
    gathered.flush()
    gathered.pass_on()
    assert sink.getvalue() == b"one two"


def test_a_full_disk_before_a_wait_is_told_by_the_next_call() -> None:
    full = OcxError("No space left")
    gathered = GatheringSink(_Failing(full))
    gathered.write(b"one")
    gathered.pass_on()
    with pytest.raises(OcxError, match="No space"):
        gathered.write(b"two")
    with pytest.raises(OcxError, match="No space"):
        gathered.flush()


def test_a_reader_that_left_is_told_at_once() -> None:
    gathered = GatheringSink(_Failing(OutputClosed()))
    gathered.write(b"one")
    with pytest.raises(OutputClosed):
        gathered.pass_on()

"""Complaints are worded after Typer, in one place."""

from ocx.entry import _translated
from ocx.errors import OcxError, OutputClosed


def test_a_closed_pipe_is_no_error() -> None:
    assert isinstance(_translated(BrokenPipeError(32, "Broken pipe")), OutputClosed)


def test_another_failed_write_names_stdout_or_the_file() -> None:
    full = _translated(OSError(28, "No space left on device"))
    assert str(full) == "cannot write to stdout: No space left on device"
    missing = _translated(FileNotFoundError(2, "No such file", "x"))
    assert isinstance(missing, OcxError)
    assert str(missing) == "x: No such file"

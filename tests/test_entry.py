"""argv is split and complaints are worded before and after Typer, in one place."""

import pytest

from ocx.entry import _translated, split_trailing
from ocx.errors import OcxError, OutputClosed

VALUES = frozenset({"-P", "--profile"})


@pytest.mark.parametrize(
    ("argv", "words", "trailing"),
    [
        ("chat hi", "chat hi", None),
        ("chat -- -1", "chat -- -1", None),
        ("serve -- sh -c x", "serve", ("sh", "-c", "x")),
        ("-P work exec -- env", "-P work exec", ("env",)),
        ("-P serve chat -- hi", "-P serve chat -- hi", None),
        ("--json serve --port 1 -- keys -- x", "--json serve --port 1", ("keys", "--", "x")),
        ("serve --", "serve", ()),
        ("-- serve", "-- serve", None),
    ],
)
def test_only_commands_that_run_programs_are_split(
    argv: str, words: str, trailing: tuple[str, ...] | None
) -> None:
    assert split_trailing(argv.split(), VALUES) == (words.split(), trailing)


def test_a_closed_pipe_is_no_error() -> None:
    assert isinstance(_translated(BrokenPipeError(32, "Broken pipe")), OutputClosed)


def test_another_failed_write_names_stdout_or_the_file() -> None:
    full = _translated(OSError(28, "No space left on device"))
    assert str(full) == "cannot write to stdout: No space left on device"
    missing = _translated(FileNotFoundError(2, "No such file", "x"))
    assert isinstance(missing, OcxError)
    assert str(missing) == "x: No such file"

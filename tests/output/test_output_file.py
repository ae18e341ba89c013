"""-o FILE: a regular file appears whole or not at all, anything else is just written."""

from __future__ import annotations

import fcntl
import io
import stat
from pathlib import Path

import pytest

from ocx.errors import OcxError, OutputClosed, UsageError
from ocx.output.writers import GatheringSink, json_text, open_output_file, report_file
from ocx.terminal import FdWriter, RedactingStderr, Terminal
from tests.support.memory import MemoryRaw


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(None, FdWriter(MemoryRaw()), RedactingStderr(None))


def test_abandoned_empty_leaves_nothing(terminal: Terminal, tmp_path: Path) -> None:
    assert open_output_file(terminal, str(tmp_path / "answer")).abandon() is None
    assert list(tmp_path.iterdir()) == []


def test_a_symlink_stays_one_and_the_mode_stays(terminal: Terminal, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    target = open_output_file(terminal, str(link))
    target.write(b"new")
    target.complete()
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_planted_link_at_the_partial_name_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "answer.partial").symlink_to(victim)
    with pytest.raises(OcxError):
        open_output_file(terminal, str(tmp_path / "answer"))
    assert victim.read_text() == "precious"


def test_a_folder_or_nothing_is_a_usage_error(terminal: Terminal, tmp_path: Path) -> None:
    for name in (str(tmp_path), ""):
        with pytest.raises(UsageError):
            open_output_file(terminal, name)


def test_a_lost_folder_says_where_the_answer_is(terminal: Terminal, tmp_path: Path) -> None:
    target = open_output_file(terminal, str(tmp_path / "answer"))
    target.write(b"x")
    (tmp_path / "answer").mkdir()
    (tmp_path / "answer" / "in the way").touch()
    with pytest.raises(OcxError) as caught:
        target.complete()
    assert str(caught.value.hint).endswith("answer.partial")


def test_the_second_writer_is_told_and_a_lock_of_flock_1_is_not_ours(
    terminal: Terminal, tmp_path: Path
) -> None:
    """`flock report.md ocx chat -o report.md` is a habit: the lock of the file itself is free."""
    name = tmp_path / "answer"
    name.write_text("old")
    with name.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        first = open_output_file(terminal, str(name))
        with pytest.raises(UsageError, match="another ocx is writing"):
            open_output_file(terminal, str(name))
        first.write(b"new")
        first.complete()
    assert name.read_text() == "new"


def test_a_partial_that_was_replaced_by_anothers_is_not_renamed(
    terminal: Terminal, tmp_path: Path
) -> None:
    name, partial = tmp_path / "answer", tmp_path / "answer.partial"
    target = open_output_file(terminal, str(name))
    target.write(b"ours")
    partial.unlink()
    partial.write_text("theirs")
    target.complete()
    assert name.read_text() == "ours"
    assert partial.read_text() == "theirs"


def test_abandoned_after_somebody_removed_the_partial(terminal: Terminal, tmp_path: Path) -> None:
    target = open_output_file(terminal, str(tmp_path / "answer"))
    target.write(b"half")
    (tmp_path / "answer.partial").unlink()
    assert target.abandon() is None
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_leaves_nothing(terminal: Terminal, tmp_path: Path) -> None:
    with pytest.raises(OcxError), report_file(terminal, str(tmp_path / "r.json")) as target:
        target.write(b"half a rep")
        raise OcxError("the disk is full")
    assert list(tmp_path.iterdir()) == []


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


def test_json_on_a_terminal_has_no_infinity() -> None:
    assert json_text([float("inf")], to_person=True) == b"[\n  null\n]\n"

"""The streams of the process: whole writes, errors of our own, nothing secret on stderr."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

import pytest

from ocx.errors import OcxError, OutputClosed, UsageError
from ocx.secret import Secret
from ocx.terminal import FdWriter, RedactingStderr, Terminal, use_color

KEY = "sk-live-Te5tKey0000000000000000000000a1b2"


class ShortWrites:
    """A raw stream that takes three bytes at a time, and now and then none."""

    def __init__(self, fd: int) -> None:
        self.taken = bytearray()
        self._fd = fd
        self._full = False

    def write(self, data: memoryview) -> int | None:
        self._full = not self._full
        if self._full:
            return None
        self.taken += data[:3]
        return min(3, len(data))

    def flush(self) -> None: ...

    def fileno(self) -> int:
        return self._fd


class Failing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def write(self, _data: memoryview) -> int:
        raise self._error


class Ascii(io.StringIO):
    """A stderr under LC_ALL=C, where Python cannot write everything."""

    def write(self, text: str) -> int:
        text.encode("ascii")
        return super().write(text)


class Pipe(NamedTuple):
    read: BinaryIO
    write: BinaryIO


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb", buffering=0) as writer:
        yield Pipe(reader, writer)


def terminal(**fields: Any) -> Terminal:
    streams = {"stdin": None, "stdout": FdWriter(io.BytesIO()), "stderr": RedactingStderr(None)}
    return Terminal(**{**streams, **fields})


def test_a_write_is_whole_even_where_the_stream_takes_it_in_pieces(pipe: Pipe) -> None:
    """A pipe that does not block says None when it is full."""
    raw = ShortWrites(pipe.write.fileno())
    assert FdWriter(raw).write(b"0123456789") == 10
    assert raw.taken == b"0123456789"


@pytest.mark.parametrize(
    ("failure", "kind", "says"),
    [
        (OSError(errno.EPIPE, "Broken pipe"), OutputClosed, "^$"),
        (OSError(errno.ENOSPC, "No space left on device"), OcxError, "a.txt: No space left"),
        (OSError(errno.EIO, None), OcxError, "a.txt: "),
        (ValueError("I/O operation on closed file"), OcxError, "a.txt: it is closed"),
    ],
)
def test_a_failed_write_is_an_error_of_ours(
    failure: Exception, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        FdWriter(Failing(failure), "a.txt").write(b"x")


def test_output_gives_its_descriptor_and_gives_it_back(pipe: Pipe) -> None:
    output = FdWriter(pipe.write)
    output.flush()
    assert output.fileno() == pipe.write.fileno()
    output.close()
    assert pipe.write.closed


def test_messages_mask_the_key_in_use_and_what_looks_like_one() -> None:
    stream = io.StringIO()
    messages = RedactingStderr(stream)
    messages.hide(Secret("hunter2-hunter2-hunter2"))
    messages.write(f"got hunter2-hunter2-hunter2 and {KEY}\n")
    assert stream.getvalue() == "got …ter2 and sk-live-…a1b2\n"


@pytest.mark.parametrize("failure", [OSError(errno.EPIPE, "gone"), ValueError("closed")])
def test_a_message_that_cannot_be_written_is_dropped(failure: Exception) -> None:
    """Whoever closed stderr does not want to hear; the exit status still tells."""
    messages = RedactingStderr(Failing(failure))  # type: ignore[arg-type]
    assert messages.write("one\n") == 4
    assert messages.write("two\n") == 4
    assert messages.isatty() is False


def test_a_message_beyond_the_locale_is_written_as_well_as_it_can_be() -> None:
    stream = Ascii()
    RedactingStderr(stream).write("naïve…\n")
    assert stream.getvalue() == "na?ve?\n"


def test_messages_are_a_text_stream_for_those_who_need_one() -> None:
    assert RedactingStderr(None).writable()
    RedactingStderr(None).flush()
    with pytest.raises(io.UnsupportedOperation):
        RedactingStderr(None).fileno()
    assert RedactingStderr(sys.__stderr__).fileno() == 2


@pytest.mark.parametrize(
    ("choice", "tty", "env", "color"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {"FORCE_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": "0"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", False, {"FORCE_COLOR": "1"}, True),
        ("auto", False, {"FORCE_COLOR": "0"}, False),
        ("auto", False, {"FORCE_COLOR": ""}, False),
        ("auto", False, {"CLICOLOR_FORCE": "1"}, True),
        ("auto", True, {"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True),
        ("auto", True, {"CLICOLOR": "0"}, False),
        ("auto", True, {"CLICOLOR": "1"}, True),
        ("auto", False, {"CLICOLOR": "1"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
    ],
)
def test_colour(choice: str, tty: bool, env: dict[str, str], color: bool) -> None:
    assert use_color(choice, tty, env) is color
    assert terminal(env=env, stdout_tty=tty).stdout_color(choice) is color


@pytest.mark.parametrize(
    ("stdin_tty", "stderr_tty", "env", "ask"),
    [
        (True, True, {}, True),
        (True, True, {"CI": ""}, True),
        (True, True, {"CI": "true"}, False),
        (False, True, {}, False),
        (True, False, {}, False),
    ],
)
def test_questions_need_a_person_at_both_ends(
    stdin_tty: bool, stderr_tty: bool, env: dict[str, str], ask: bool
) -> None:
    assert terminal(stdin_tty=stdin_tty, stderr_tty=stderr_tty, env=env).can_ask() is ask


def test_print_is_utf8_and_a_lone_surrogate_cannot_break_it() -> None:
    raw = io.BytesIO()
    terminal(stdout=FdWriter(raw)).print("é\ud83d")
    assert raw.getvalue() == "é?\n".encode()


def test_stdin_that_is_closed_reads_as_empty() -> None:
    assert terminal().read_stdin() == b""
    assert terminal().wait_for_stdin(0)


def test_waiting_for_stdin(pipe: Pipe) -> None:
    world = terminal(stdin=pipe.read)
    assert not world.wait_for_stdin(0)
    pipe.write.write(b"x")
    pipe.write.close()
    assert world.wait_for_stdin(10)
    assert world.read_stdin() == b"x"
    assert terminal(stdin=io.BytesIO(b"x")).wait_for_stdin(0)


def from_process(monkeypatch: pytest.MonkeyPatch, **streams: TextIO | None) -> Terminal:
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    return Terminal.from_process()


def test_from_process_survives_every_stream_being_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ocx <&- >&- 2>&-`: Python sets all three to None."""
    world = from_process(monkeypatch, stdin=None, stdout=None, stderr=None)
    assert (world.stdin, world.stdin_piped) == (None, False)
    assert not (world.stdin_tty or world.stdout_tty or world.stderr_tty)
    world.message("into nothing")
    with pytest.raises(OcxError, match="closed"):
        world.print("x")


def test_from_process_survives_streams_that_python_closed(
    monkeypatch: pytest.MonkeyPatch, pipe: Pipe
) -> None:
    gone = io.TextIOWrapper(pipe.read)
    gone.close()
    world = from_process(monkeypatch, stdin=gone, stderr=gone)
    assert (world.stdin_piped, world.stderr_tty) == (False, False)


def test_from_process_reads_the_flags_of_the_streams(
    monkeypatch: pytest.MonkeyPatch, pipe: Pipe
) -> None:
    world = from_process(monkeypatch, stdin=io.TextIOWrapper(pipe.read))
    assert (world.stdin_piped, world.stdin_tty) == (True, False)


def test_input_in_memory_counts_as_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_process(monkeypatch, stdin=io.TextIOWrapper(io.BytesIO(b"x"))).stdin_piped


def test_from_process_keeps_the_filter_that_stands_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was hidden before stays hidden."""
    messages = RedactingStderr(io.StringIO())
    assert from_process(monkeypatch, stderr=messages).stderr is messages  # type: ignore[arg-type]


def test_a_device_is_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """cron and systemd give /dev/null: nobody means that as a prompt."""
    with Path(os.devnull).open() as null:
        assert not from_process(monkeypatch, stdin=null).stdin_piped


@pytest.mark.parametrize(
    ("columns", "width"), [("132", 132), ("0", 80), ("wide", None), ("", None)]
)
def test_width_is_columns_else_the_terminals(
    monkeypatch: pytest.MonkeyPatch, columns: str, width: int | None
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    sizes = {1: os.terminal_size((0, 24)), 2: os.terminal_size((100, 24))}
    monkeypatch.setattr(os, "get_terminal_size", sizes.__getitem__)
    assert Terminal.from_process().width == (width or 80)


def test_width_is_80_where_nothing_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_a_terminal(_fd: int) -> os.terminal_size:
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", not_a_terminal)
    assert Terminal.from_process().width == 80


def test_a_stdin_that_cannot_be_read_is_a_usage_error() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: object) -> int:
            raise IsADirectoryError(errno.EISDIR, "Is a directory")

    terminal = Terminal(io.BufferedReader(Broken()), FdWriter(io.BytesIO()), RedactingStderr(None))
    with pytest.raises(UsageError, match="cannot read stdin: Is a directory"):
        terminal.read_stdin()

"""Streams, tty flags, environment and width of the process, as one frozen value.

Only `Terminal.from_process()` reads `sys` and `os`; everything else takes a `Terminal`, so that
a test of a terminal is one constructor call.
"""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TextIO

from ocx.errors import DeadlineError, OcxError, OutputClosed, UsageError, os_errors_as
from ocx.record import record
from ocx.secret import Secret, StreamMask, mask_all
from ocx.text import escape_control

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_PIECE = 1 << 20
_LOOK = 0.25  # seconds of one wait
_SILENCE = 2.0  # seconds until a person is told that stdin is being waited for


class FdWriter:
    """Bytes to a file descriptor: whole, unbuffered, with errors of our own.

    Raises, from `write`:
        OutputClosed: the reader is gone (EPIPE).
        OcxError: the disk is full, or the stream is closed.
    """

    def __init__(self, raw: Any, name: str = "stdout") -> None:
        self._raw = raw
        self._name = name

    def write(self, data: bytes) -> int:
        try:
            written = self._raw.write(data)
            if written != len(data):
                self._rest(memoryview(data)[written or 0 :])
        except OSError as error:
            raise failed_write(error, self._name) from error
        except ValueError as error:  # closed on our side
            raise OcxError(f"cannot write to {self._name}: it is closed") from error
        return len(data)

    def _rest(self, view: memoryview) -> None:
        while view:
            written = self._raw.write(view)
            if written is None:  # a non-blocking pipe that is full
                select.select([], [self._raw], [])
                continue
            view = view[written:]

    def flush(self) -> None:
        """Nothing is held back."""

    def fileno(self) -> int:
        number: int = self._raw.fileno()
        return number

    def close(self) -> None:
        """Close the descriptor."""
        self._raw.close()


def failed_write(error: OSError, name: str) -> Exception:
    """The error of ours for a failed write: `OutputClosed` for EPIPE, else exit 1."""
    if error.errno == errno.EPIPE:
        return OutputClosed()
    return OcxError(f"cannot write to {name}: {error.strerror or error}")


class LastLine(Protocol):
    """What is drawn over and over at the end of stderr."""

    def above(self, text: str) -> AbstractContextManager[None]:
        """Inside, the line is gone, and `text` is written in its place."""


class RedactingStderr(io.TextIOBase):
    """stderr, with every key masked, in pieces too; a message that cannot be written is dropped.

    Attributes:
        status: what stands on the last line for now; messages are written above it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._masked = StreamMask((), shaped=True)
        self.status: LastLine | None = None

    def hide(self, key: Secret) -> None:
        """Mask `key` in everything that is written from now on."""
        self._masked.keys = (*self.keys, key)

    @property
    def keys(self) -> tuple[Secret, ...]:
        """The keys that are masked."""
        return tuple(self._masked.keys)

    def write(self, text: str) -> int:
        self._show(self._masked.feed(text))
        return len(text)

    def end(self) -> None:
        """Write what was held back: it might have become a key."""
        self._show(self._masked.end())

    def _show(self, text: str) -> None:
        if not text:
            return
        if self.status is None:
            self.draw(text)
        else:
            with self.status.above(text):
                self.draw(text)

    def draw(self, text: str) -> None:
        """Write where the cursor stands: for the status line itself."""
        if self._stream is not None:
            try:
                self._stream.write(mask_all(text, self.keys))
                self._stream.flush()
            except UnicodeEncodeError:
                self._stream.write(mask_all(text, self.keys).encode("ascii", "replace").decode())
            except (OSError, ValueError):
                self._stream = None

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        """Every write is flushed already."""

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("stderr is closed")
        return self._stream.fileno()


@record
class Terminal:
    """Where a command reads and writes, and what it may assume about who is there."""

    stdin: BinaryIO | None
    stdout: FdWriter
    stderr: RedactingStderr
    env: Mapping[str, str] = field(default_factory=dict)
    stdin_tty: bool = False
    stdout_tty: bool = False
    stderr_tty: bool = False
    stdin_piped: bool = False
    """stdin is a file, a pipe or a socket: somebody means it as input."""
    width: int = 80
    color: str = "auto"
    """What --color says of stderr."""

    @classmethod
    def from_process(cls, color: str = "auto") -> Terminal:
        stdin, stderr = getattr(sys.stdin, "buffer", None), sys.stderr
        return cls(
            stdin=stdin,
            stdout=FdWriter(_raw_stdout()),
            stderr=stderr if isinstance(stderr, RedactingStderr) else RedactingStderr(stderr),
            env=os.environ,
            stdin_tty=_isatty(sys.stdin),
            stdout_tty=_isatty(sys.stdout),
            stderr_tty=_isatty(sys.stderr),
            stdin_piped=stdin is not None and _is_piped(stdin),
            width=_width(),
            color=color,
        )

    def print(self, text: str, *, styled: bool = False) -> None:
        """One result line on stdout, UTF-8 whatever the locale.

        On a terminal control characters are written out: the text may be somebody else's.

        Args:
            styled: it holds our own, and what is not ours in it has been written out.
        """
        if self.stdout_tty and not styled:
            text = escape_control(text)
        self.stdout.write(text.encode("utf-8", "replace") + b"\n")

    def message(self, text: str) -> None:
        """A line, or several, on stderr; for a person coloured, and wrapped to the width."""
        self.stderr.write(self.for_person(text) + "\n")

    def exact_message(self, text: str) -> None:
        """One line on stderr as it is, for a program."""
        self.stderr.write(text + "\n")

    def for_person(self, text: str) -> str:
        """`text` as stderr shows it to a person; unchanged if a program reads it."""
        color = use_color(self.color, self.stderr_tty, self.env)
        if not (color or self.stderr_tty):
            return text
        from ocx.wrapping import for_person  # noqa: PLC0415 - only if somebody looks

        # A key is masked first: neither a colour nor a line break may stand in it.
        width = self.width if self.stderr_tty else None
        return for_person(mask_all(text, self.stderr.keys), width, color=color)

    def can_ask(self) -> bool:
        """Whether a question may be asked: a person sits at both ends and this is not CI."""
        return self.stdin_tty and self.stderr_tty and not self.env.get("CI")

    def can_animate(self) -> bool:
        """Whether stderr may show something that moves: a person sees it, and this is not CI."""
        dumb = self.env.get("TERM", "dumb") == "dumb"
        return self.stderr_tty and not dumb and not self.env.get("CI")

    def read_stdin(
        self, seconds: float | None = None, on_silence: Callable[[], object] | None = None
    ) -> bytes:
        """Read all of stdin.

        Args:
            seconds: how long to wait for its end; None waits for ever.
            on_silence: called once if nothing comes for 2 s.

        Raises:
            UsageError: it cannot be read.
            DeadlineError: it did not end in time.
        """
        pieces: list[bytes] = []
        began = time.monotonic()
        with os_errors_as(UsageError, "cannot read stdin"):
            while self.stdin is not None:
                # Poll instead of blocking: a signal just before read() would be handled only at
                # the next byte.
                is_ready, waited = self.wait_for_stdin(_LOOK), time.monotonic() - began
                if seconds is not None and waited > seconds:
                    raise DeadlineError(
                        f"stdin did not end within --timeout ({seconds:g} s)",
                        hint="leave --timeout out to wait as long as it takes;"
                        " `ocx chat -I` ignores stdin",
                    )
                if not is_ready:
                    if on_silence is not None and not pieces and waited > _SILENCE:
                        on_silence()
                        on_silence = None
                    continue
                piece = self.stdin.read1(_PIECE)  # type: ignore[attr-defined]
                if not piece:
                    break
                pieces.append(piece)
        return b"".join(pieces)

    def wait_for_stdin(self, seconds: float) -> bool:
        """Whether stdin has something to read, or has ended, within `seconds`."""
        try:
            fd = self.stdin.fileno() if self.stdin is not None else None
        except io.UnsupportedOperation:
            return True
        return fd is None or bool(select.select([fd], [], [], seconds)[0])

    def stdout_color(self, choice: str = "auto") -> bool:
        return use_color(choice, self.stdout_tty, self.env)


def use_color(choice: str, tty: bool, env: Mapping[str, str]) -> bool:
    """--color > NO_COLOR > FORCE_COLOR, CLICOLOR_FORCE > CLICOLOR=0, TERM=dumb > isatty.

    Sources: no-color.org, force-color.org, bixense.com/clicolors.
    """
    if choice != "auto":
        return choice == "always"
    if env.get("NO_COLOR"):
        return False
    if any(env.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if env.get("CLICOLOR") == "0" or env.get("TERM") == "dumb":
        return False
    return tty


def _raw_stdout() -> Any:
    if sys.stdout is None:  # started with stdout closed
        closed = io.BytesIO()
        closed.close()
        return closed
    buffer = sys.stdout.buffer
    return getattr(buffer, "raw", buffer)


def _isatty(stream: TextIO | None) -> bool:
    with suppress(ValueError):
        return stream is not None and stream.isatty()
    return False


def _is_piped(stream: BinaryIO) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except io.UnsupportedOperation:  # a stream in memory: a test's input
        return True
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _width() -> int:
    with suppress(ValueError):
        return int(os.environ.get("COLUMNS", "")) or 80
    for fd in (1, 2):
        with suppress(OSError):
            return os.get_terminal_size(fd).columns or 80
    return 80

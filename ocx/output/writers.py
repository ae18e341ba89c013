"""Where bytes go: an answer as it streams, a JSON document, an error, the file of -o.

A regular file appears whole or not at all: it is written as FILE.partial under a lock, so that of
two programs that write one file the second is told before it sends anything. An answer goes raw
into a pipe; on a terminal it is escaped, or rendered by `ocx.output.markdown`.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from ocx.errors import DeclinedError, NoCommandError, OcxError, UsageError
from ocx.files import PartialFile, journal_path, set_mode
from ocx.secret import mask_keys
from ocx.terminal import FdWriter, Terminal
from ocx.text import CONTROL, compact, escape_control, one_line


class OutputFile:
    """A file being written; `complete()` gives it its name, `abandon()` keeps what arrived."""

    def __init__(
        self, output: FdWriter, partial: PartialFile | None = None, *, is_stdout: bool = False
    ) -> None:
        self._output = output
        self.is_stdout = is_stdout
        self._partial = partial
        # Not methods around them: a stream calls them once a token.
        self.write = output.write
        self.flush = output.flush

    def complete(self) -> None:
        """The answer is whole: rename over the target.

        Raises:
            OcxError: it cannot be written.
        """
        if self._partial is not None:
            final = self._partial.path
            try:
                _refuse_batch(final)
                self._partial.complete()
            except OSError as error:
                kept = self.abandon()
                raise OcxError(
                    f"cannot write {final}: {error.strerror}",
                    hint=f"the answer is in {kept}" if kept else None,
                ) from error
        self.abandon()

    def abandon(self) -> Path | None:
        """The file that keeps what arrived; an empty one is removed.

        Nothing is done to one that was completed.
        """
        kept = self._partial.abandon() if self._partial is not None else None
        if not self.is_stdout:
            self._output.close()
        return kept


def open_output_file(terminal: Terminal, name: str, flag: str = "-o") -> OutputFile:
    """Open the file of a flag before anything is sent, so that a bad name costs nothing.

    Raises:
        UsageError: it is a folder, has no name, or another `ocx` is writing it.
        OcxError: it cannot be written.
    """
    if name == "-":
        return OutputFile(terminal.stdout, is_stdout=True)
    if not name:
        raise UsageError(f"{flag} needs a file name")
    try:
        return _open(name, flag)
    except BlockingIOError:
        raise UsageError(
            f"another ocx is writing {name}", hint=f"wait for it, or use another {flag}"
        ) from None
    except OSError as error:
        raise OcxError(f"cannot write {error.filename or name}: {error.strerror}") from error


@contextmanager
def report_file(terminal: Terminal, name: str, flag: str = "--report") -> Iterator[OutputFile]:
    """The file of --report (or `flag`), to be completed inside; removed if it is not.

    Raises:
        UsageError: its folder does not exist, or as `open_output_file` does.
        OcxError: it cannot be written.
    """
    if not is_device_name(name) and not Path(name).parent.is_dir():
        raise UsageError(f"{flag}: there is no folder {Path(name).parent}")
    target = open_output_file(terminal, name, flag)
    try:
        yield target
    except BaseException:
        if kept := target.abandon():
            kept.unlink(missing_ok=True)  # half a report is none
        raise


def _open(name: str, flag: str) -> OutputFile:
    # Before symlinks are resolved: /dev/fd/N and /dev/stdout are links into what is open.
    if is_device_name(name):
        return OutputFile(_device(name, os.O_WRONLY | os.O_APPEND))
    final = Path(os.path.realpath(name))
    try:
        mode = final.stat().st_mode
    except FileNotFoundError:
        mode = 0
    if stat.S_ISDIR(mode):
        raise UsageError(f"{flag} {name} is a folder", hint="name a file in it")
    if mode and not stat.S_ISREG(mode):
        return OutputFile(_device(str(final), os.O_WRONLY))
    _refuse_batch(final)
    partial = PartialFile(final)
    if mode:
        set_mode(partial.fd, stat.S_IMODE(mode))
    raw = os.fdopen(partial.fd, "wb", buffering=0, closefd=False)
    return OutputFile(FdWriter(raw, str(partial.partial)), partial)


def _device(path: str, flags: int) -> FdWriter:
    return FdWriter(os.fdopen(os.open(path, flags | os.O_CLOEXEC), "wb", buffering=0), path)


def is_device_name(name: str) -> bool:
    """Whether it is a device, or leads to what is open already: nothing stands beside it."""
    return name.startswith(("/dev/", "/proc/"))


def is_stream(path: Path) -> bool:
    """Whether it is a device, a pipe or what is open already: written as it comes."""
    if is_device_name(str(path)):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _refuse_batch(final: Path) -> None:
    """Raise BlockingIOError if a batch appends to it: it holds the lock of the file itself."""
    if not journal_path(final).exists():
        return
    from ocx.locks import lock_or_warn  # noqa: PLC0415 - only beside a batch

    with suppress(FileNotFoundError, PermissionError):
        fd = os.open(final, os.O_RDONLY | os.O_CLOEXEC)
        try:
            lock_or_warn(fd, final)
        finally:
            os.close(fd)


class Sink(Protocol):
    """Where bytes go: stdout or the file of -o."""

    def write(self, data: bytes) -> int: ...

    def flush(self) -> None: ...


class GatheringSink:
    """Takes many small pieces and passes them on as one at each `flush`.

    If `pass_on` fails (disk full), the error is raised by the next write; inside the network call
    it would be taken for a network error.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held: list[bytes] = []
        self._failure: OcxError | None = None

    def write(self, data: bytes) -> int:
        if self._failure is not None:
            raise self._failure
        self._held.append(data)
        return len(data)

    def flush(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._held:
            data, self._held = b"".join(self._held), []
            self._sink.write(data)

    def pass_on(self) -> None:
        try:
            self.flush()
        except OcxError as error:
            self._failure = error


class Writer(Protocol):
    """Takes text as it comes; `finish` after the last of it, also if the answer broke off."""

    def write(self, text: str) -> None: ...

    def finish(self, *, complete: bool) -> None: ...


class PlainWriter:
    """Unchanged text, one write for each call, a final newline only if the text lacks one.

    Args:
        to_person: control characters are written out, and the prompt gets its own line.
    """

    def __init__(self, sink: Sink, *, to_person: bool = False) -> None:
        self._write = sink.write
        self._to_person = to_person
        self._last = "\n"

    def write(self, text: str) -> None:
        if text:
            shown = escape_control(text) if self._to_person else text
            self._write(shown.encode("utf-8", "replace"))
            self._last = text

    def finish(self, *, complete: bool) -> None:
        if (complete or self._to_person) and not self._last.endswith("\n"):
            self._write(b"\n")


class NoWriter:
    """Prints nothing: what is made of the whole answer is printed instead."""

    def write(self, text: str) -> None: ...

    def finish(self, *, complete: bool) -> None: ...


class ReasoningWriter:
    """Reasoning on stderr, escaped, set apart from the answer by an empty line."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._last = ""

    def write(self, text: str) -> None:
        if text:
            self._terminal.stderr.write(escape_control(text))
            self._last = text[-1]

    def finish(self) -> None:
        """The answer begins, or there is none."""
        if self._last:
            self._terminal.stderr.write("\n" if self._last == "\n" else "\n\n")
        self._last = ""


def write_report(terminal: Terminal, target: OutputFile, text: str) -> None:
    """Complete a file with a text, without the keys that stderr hides. Raises OcxError."""
    target.write(mask_keys(text, terminal.stderr.keys).encode("utf-8", "replace"))
    target.complete()


def write_json(terminal: Terminal, value: Any) -> None:
    """Print exactly one JSON document and a newline on stdout."""
    terminal.stdout.write(json_text(value, to_person=terminal.stdout_tty))


def json_text(value: Any, *, to_person: bool) -> bytes:
    """The bytes of that document: compact in a pipe, indented on a terminal."""
    if to_person:
        finite = json.loads(compact(value))
        text = escaped_json(json.dumps(finite, ensure_ascii=False, indent=2))
    else:
        text = compact(value)
    return text.encode("utf-8", "replace") + b"\n"


def write_json_line(terminal: Terminal, value: Any) -> None:
    """Print one document on one line, on a terminal too."""
    text = compact(value)
    terminal.print(escaped_json(text) if terminal.stdout_tty else text)


def escaped_json(text: str) -> str:
    """JSON in which no control character stands as itself: what a person sees is JSON still."""
    return re.sub(CONTROL, lambda found: f"\\u{ord(found.group()):04x}", text)


def write_failure(terminal: Terminal, error: OcxError, *, as_json: bool) -> None:
    """Print `error` on stderr: line, hint, request id; or one JSON object, or a short help."""
    if as_json:
        terminal.exact_message(failure_json(error))
        return
    if isinstance(error, NoCommandError):
        terminal.stderr.write(error.help)
        return
    kind = "" if isinstance(error, DeclinedError) else "error: "
    terminal.message(f"ocx: {kind}{one_line(error.message)}")
    if error.hint:
        terminal.message(f"hint: {one_line(error.hint)}")
    if error.request_id:
        terminal.message(f"request id: {one_line(error.request_id)}")


def failure_json(error: OcxError) -> str:
    fields = {
        "type": error.name,
        "status": error.status,
        "code": error.api_code,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
        "retry_after": error.retry_after,
        "request_id": error.request_id,
        "exit_code": error.exit_code,
    }
    return json.dumps({"error": fields}, ensure_ascii=True)

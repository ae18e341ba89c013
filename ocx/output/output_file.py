"""Where `-o FILE` writes: a regular file appears whole or not at all, a device is just written.

It is written as FILE.partial under a lock: of two programs that write one file, the second is told
before it sends anything.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ocx.errors import OcxError, UsageError
from ocx.files import (
    atomic_write,
    is_at,
    journal_path,
    open_partial,
    set_mode,
    sync,
)
from ocx.terminal import FdWriter, Terminal


class OutputFile:
    """A file being written; `complete()` gives it its name, `abandon()` keeps what arrived."""

    def __init__(
        self,
        output: FdWriter,
        partial: Path | None = None,
        final: Path | None = None,
        *,
        is_stdout: bool = False,
    ) -> None:
        self._output = output
        self.is_stdout = is_stdout
        self._partial = partial
        self._final = final
        # Not methods around them: a stream calls them once a token.
        self.write = output.write
        self.flush = output.flush

    def complete(self) -> None:
        """The answer is whole: rename over the target.

        Raises:
            OcxError: it cannot be written.
        """
        if self._partial is None or self._final is None:
            self.close()
            return
        fd = self._output.fileno()
        try:
            _refuse_batch(self._final)
            sync(fd)
            if is_at(fd, self._partial):
                self._partial.replace(self._final)
            else:  # removed, or another's by now: the descriptor still has all
                atomic_write(self._final, os.pread(fd, os.fstat(fd).st_size, 0))
        except OSError as error:
            kept = is_at(fd, self._partial)
            raise OcxError(
                f"cannot write {self._final}: {error.strerror}",
                hint=f"the answer is in {self._partial}" if kept else None,
            ) from error
        finally:
            self.close()
            self._partial = None

    def abandon(self) -> str | None:
        """The name of the file that keeps what arrived; an empty one is removed.

        Nothing is done to one that was completed.
        """
        try:
            fd = self._output.fileno() if self._partial else -1
            if self._partial is None or not is_at(fd, self._partial):
                return None
            if os.fstat(fd).st_size:
                return str(self._partial)
            self._partial.unlink(missing_ok=True)
            return None
        finally:
            self.close()

    def close(self) -> None:
        if not self.is_stdout:
            self._output.close()


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
            Path(kept).unlink(missing_ok=True)  # half a report is none
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
    partial = final.with_name(final.name + ".partial")
    output = FdWriter(os.fdopen(open_partial(partial), "wb", buffering=0), str(partial))
    if mode:
        set_mode(output.fileno(), stat.S_IMODE(mode))
    return OutputFile(output, partial, final)


def _device(path: str, flags: int) -> FdWriter:
    return FdWriter(os.fdopen(os.open(path, flags | os.O_CLOEXEC), "wb", buffering=0), path)


def is_device_name(name: str) -> bool:
    """Whether it is a device, or leads to what is open already: nothing stands beside it."""
    return name.startswith(("/dev/", "/proc/"))


def _refuse_batch(final: Path) -> None:
    """Raise BlockingIOError if a batch appends to it: it holds the lock of the file itself."""
    if not journal_path(final).exists():
        return
    from ocx.files import lock  # noqa: PLC0415 - only beside a batch

    with suppress(FileNotFoundError, PermissionError):
        fd = os.open(final, os.O_RDONLY | os.O_CLOEXEC)
        try:
            lock(fd, final)
        finally:
            os.close(fd)

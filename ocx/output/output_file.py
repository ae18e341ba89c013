"""Where `-o FILE` writes: a regular file appears whole or not at all, a device is just written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ocx.errors import OcxError, UsageError
from ocx.files import open_beside
from ocx.terminal import Output, Terminal


class Target:
    """A file being written; `complete()` gives it its name, `abandon()` keeps what arrived."""

    def __init__(
        self,
        output: Output,
        partial: Path | None = None,
        final: Path | None = None,
        *,
        ours: bool = True,
    ) -> None:
        self._output = output
        self._ours = ours
        self._partial = partial
        self._final = final
        # Not methods around them: a stream calls them once a token.
        self.write = output.write
        self.flush = output.flush

    def _close(self) -> None:
        if self._ours:
            self._output.close()

    def complete(self) -> None:
        """The answer is whole: rename over the target.

        Raises:
            OcxError: it cannot be written.
        """
        if self._partial is None or self._final is None:
            self._close()
            return
        try:
            os.fsync(self._output.fileno())
            self._close()
            self._partial.replace(self._final)
        except OSError as error:
            raise OcxError(
                f"cannot write {self._final}: {error.strerror}",
                hint=f"the answer is in {self._partial}",
            ) from error

    def abandon(self) -> str | None:
        """The name of the file that keeps what arrived; an empty one is removed."""
        self._close()
        if self._partial is None:
            return None
        if self._partial.stat().st_size:
            return str(self._partial)
        self._partial.unlink(missing_ok=True)
        return None


def open_target(terminal: Terminal, name: str) -> Target:
    """Open the file of `-o` before anything is sent, so that a bad name costs nothing.

    Raises:
        UsageError: it is a folder, or has no name.
        OcxError: it cannot be written.
    """
    if name == "-":
        return Target(terminal.stdout, ours=False)
    if not name:
        raise UsageError("-o needs a file name")
    try:
        return _open(name)
    except OSError as error:
        raise OcxError(f"cannot write {name}: {error.strerror}") from error


def _open(name: str) -> Target:
    # Before symlinks are resolved: /dev/fd/N and /dev/stdout are links into what is open.
    if name.startswith(("/dev/", "/proc/")):
        return Target(_output(name, os.O_WRONLY | os.O_APPEND))
    final = Path(os.path.realpath(name))
    mode = _mode(final)
    if mode is not None and stat.S_ISDIR(mode):
        raise UsageError(f"-o {name} is a folder", hint="name a file in it")
    if mode is not None and not stat.S_ISREG(mode):
        return Target(_output(str(final), os.O_WRONLY))
    partial = final.with_name(final.name + ".partial")
    output = _opened(open_beside(partial, os.O_WRONLY | os.O_TRUNC, 0o666), str(partial))
    if mode is not None:
        os.fchmod(output.fileno(), stat.S_IMODE(mode))
    return Target(output, partial, final)


def _output(path: str, flags: int) -> Output:
    return _opened(os.open(path, flags | os.O_CLOEXEC, 0o666), path)


def _opened(fd: int, path: str) -> Output:
    return Output(os.fdopen(fd, "wb", buffering=0), path)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None

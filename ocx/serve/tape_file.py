"""A tape that is being recorded: it grows beside the old one, and replaces it at the end."""

from __future__ import annotations

import os
from pathlib import Path

from ocx.errors import ConfigError, OcxError, UsageError
from ocx.files import is_at, open_partial, sync
from ocx.owners import check_folder, keeps_owners


class TapeFile:
    """Lines appended to TAPE.partial, which no other program writes meanwhile.

    Args:
        old: what the tape held.
        adds: new recordings are added to it.

    Attributes:
        recorded: how many lines were appended.
        asked: how many requests were sent for them.

    Raises:
        UsageError: another `ocx` records it.
        ConfigError: it cannot be written.
    """

    def __init__(self, path: Path, old: bytes = b"", *, adds: bool = False) -> None:
        self.path = path
        self.adds = adds
        self.recorded = self.asked = 0
        self._old = old
        self._partial = path.with_name(f"{path.name}.partial")
        self._error: OSError | None = None
        try:
            if path.exists() and not path.is_file():
                raise ConfigError(f"cannot write the tape {path}: it is no plain file")
            if keeps_owners(path.parent):
                check_folder(path.parent)
            self._fd = open_partial(self._partial, 0o600)
        except BlockingIOError:
            hint = "wait for it, or name another tape"
            raise UsageError(f"another ocx is writing {path}", hint=hint) from None
        except OSError as error:
            raise ConfigError(f"cannot write the tape {path}: {error.strerror}") from error

    def append(self, line: bytes) -> None:
        """Keep a line; after a failure, which `complete` raises, nothing more."""
        if self._error is not None:
            return
        if not self.recorded:
            line = self._old + line
        end = os.lseek(self._fd, 0, os.SEEK_END)
        try:
            written = os.write(self._fd, line)
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            os.ftruncate(self._fd, end)  # no half a line
            self._error = error
        else:
            self.recorded += 1

    def held(self) -> int:
        """How many answers the old tape holds; 0 if it cannot be read."""
        try:
            return sum(bool(line.strip()) for line in self.path.read_bytes().split(b"\n"))
        except OSError:
            return 0

    def complete(self) -> None:
        """Replace the old tape, if anything was recorded.

        Raises:
            OcxError: not all of it could be written; the old tape is as it was.
        """
        try:
            if self._error is not None:
                raise self._error
            if self.recorded:
                sync(self._fd)
                self._partial.replace(self.path)
        except OSError as error:
            message = f"cannot write the tape {self.path}: {error.strerror}"
            kept = self.abandon()
            hint = f"what was recorded is in {kept}" if kept else None
            raise OcxError(message, hint=hint) from error
        self.abandon()

    def abandon(self) -> Path | None:
        """Leave the old tape; the file that keeps what was recorded. Does nothing twice."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return None
        try:
            if not is_at(fd, self._partial):
                return None
            if self.recorded:
                return self._partial
            self._partial.unlink(missing_ok=True)
            return None
        finally:
            os.close(fd)

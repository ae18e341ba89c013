"""What a run keeps beside its output: which rows were sent, and rows that came.

A file that is only appended to, a line a note. The order is: a row is noted, sent, written; so
what is noted and not written is what a run that died may have paid for in vain.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ocx.errors import OcxError, UsageError, os_errors_as
from ocx.files import append, open_beside, open_locked, set_mode, sync

_HEADER = b"ocx batch journal 1, output "
_ADOPTED = b"=\n"
_ROOM = 32 * 1024


class ForeignOutputError(UsageError):
    """What is there is not of an earlier run."""

    default_hint = "--resume goes on with the output of an earlier run; use another -o"


class AppendFile:
    """A locked file that rows are appended to, one write a row; to be closed.

    Args:
        path: None for a file without a name.
        beside: the user did not name it, so nothing that others may have put there is taken.
        new: begin with an empty one, whatever is there.

    Raises:
        UsageError: another run writes to it, or it cannot be opened.
    """

    def __init__(self, path: Path | None, *, beside: bool = False, new: bool = False) -> None:
        self._synced = 0
        if path is None:
            hint = "TMPDIR names a folder for temporary files"
            with os_errors_as(OcxError, "no temporary file for --dedup", hint=hint):
                self._fd, name = tempfile.mkstemp()
                self.path = Path(name)
                self.path.unlink()
        else:
            # The file may be replaced: a link must lead to the new one afterwards.
            self.path = path if beside else Path(os.path.realpath(path))
            self._fd = _open(self.path, beside=beside, new=new)
        self.size = os.lseek(self._fd, 0, os.SEEK_END)

    def append(self, data: bytes) -> int:
        """Write one row; where it starts. A row that does not fit is taken back.

        Raises: OcxError for a full disk and other failures of the file system.
        """
        start = self.size
        try:
            append(self._fd, data, start)
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.size = start + len(data)
        return start

    def truncate(self, size: int) -> None:
        """Cut off what is after `size` and go on there."""
        os.ftruncate(self._fd, size)
        os.lseek(self._fd, size, os.SEEK_SET)
        self.size = size

    def sync(self) -> None:
        """Make everything written last through a power cut. Raises OcxError."""
        size = self.size
        if size == self._synced:
            return
        try:
            sync(self._fd)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # a pipe, a device
                raise unwritable(self.path, error) from error
        self._synced = size

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Each with where it starts."""
        start = 0
        with self.path.open("rb") as file:
            for line in file:
                yield start, line
                start += len(line)

    def line_at(self, start: int) -> bytes:
        """The line that starts there."""
        size = 4096
        while True:
            data = os.pread(self._fd, size, start)
            end = data.find(b"\n") + 1
            if end or len(data) < size:
                return data[: end or None]
            size *= 8

    def replace_by(self, new: AppendFile) -> None:
        """Have `new`, with the same mode, in this one's place. Raises OcxError."""
        try:
            set_mode(new._fd, stat.S_IMODE(os.fstat(self._fd).st_mode))
            new.sync()
            os.replace(new.path, self.path)  # noqa: PTH105 - beside the other calls of os
        except OSError as error:
            raise unwritable(self.path, error) from error
        os.dup2(new._fd, self._fd, inheritable=False)  # the lock of its file goes with it
        self.size = new.size

    def close(self) -> None:
        os.close(self._fd)


class Journal(AppendFile):
    """Notes of what was sent, among rows that came: lines of JSON.

    Args:
        path: None for one that ends with the run.
        output_size: of the output, if the journal is new.

    Attributes:
        base: how long the output was when the journal was begun.
        is_new: there was none.
        adopted: it was made from an output that had none, to the end.
        in_flight: keys of the rows that are being sent.
        unanswered: how often earlier runs sent a row and got no answer, by its key.

    Raises:
        UsageError: it is no journal of this version, or another run writes it.
        OcxError: it cannot be written.
    """

    def __init__(self, path: Path | None, output_size: int = 0) -> None:
        super().__init__(path, beside=True)
        self.adopted = False
        self.in_flight: set[int] = set()
        self.unanswered: Counter[int] = Counter()
        try:
            end = self._read() if self.size else 0
            self.is_new = not end
            if self.is_new:
                self.begin_anew(output_size)
            self.truncate(end or self.size)
        except BaseException:
            self.close()
            raise

    def begin_anew(self, output_size: int) -> None:
        """Drop all rows; what was not answered stays noted. Raises OcxError."""
        self.truncate(0)
        self.append(bytes(_ROOM))  # a disk that is full is told before anything is paid for
        self.truncate(0)
        notes = (_note(b">", key) for key in self.unanswered.elements())
        self.append(b"%s%d\n%s" % (_HEADER, output_size, b"".join(notes)))
        self.base, self.adopted = output_size, False

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """Each with where it starts."""
        return ((start, line) for start, line in self.lines() if line[:1] == b"{")

    def note_sent(self, key: int) -> None:
        """The row is about to be sent. Raises OcxError."""
        if key not in self.in_flight:
            self.append(_note(b">", key))
            self.in_flight.add(key)

    def note_unpaid(self, key: int) -> None:
        """It is known that the row was not charged. Raises OcxError."""
        if key in self.in_flight:
            self.append(_note(b"<", key))
            self.in_flight.remove(key)

    def note_adopted(self) -> None:
        self.append(_ADOPTED)
        self.adopted = True

    def answered_before(self, key: int) -> None:
        """An earlier run wrote the row: one time that it was sent is explained."""
        if key in self.unanswered:
            self._count(key, -1)

    def _read(self) -> int:
        """Count the notes; where the torn end begins that a death or a power cut left."""
        end = 0
        for start, line in self.lines():
            begun = start or line[: len(_HEADER)] == _HEADER[: len(line)]
            if not line.strip(b"\0") or (begun and not line.endswith(b"\n")):
                break
            try:
                if not start:
                    self.base = int(line.split(_HEADER)[1])
                elif line == _ADOPTED:
                    self.adopted = True
                elif line[:1] != b"{":
                    self._count(int(line[1:], 16), {b">": 1, b"<": -1}[line[:1]])
            except (IndexError, KeyError, ValueError):
                raise self.unreadable() from None
            end = start + len(line)
        return end

    def unreadable(self) -> UsageError:
        return ForeignOutputError(f"{self.path} is no journal that this version of ocx can read")

    def _count(self, key: int, change: int) -> None:
        self.unanswered[key] += change
        if not self.unanswered[key]:
            del self.unanswered[key]


@contextmanager
def file_beside(file: AppendFile) -> Iterator[AppendFile]:
    """A new file that may come in the place of this one; removed if it does not."""
    path = file.path.with_name(f".{file.path.name}.new")
    with closing(AppendFile(path, beside=True, new=True)) as new:
        try:
            yield new
        finally:
            path.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> OcxError:
    return OcxError(
        f"cannot write {path}: {error.strerror}",
        hint="everything before is saved; make room, then go on with --resume",
    )


def _note(sign: bytes, key: int) -> bytes:
    return b"%s%016x\n" % (sign, key)


def _open(path: Path, *, beside: bool, new: bool) -> int:
    flags = os.O_RDWR | (os.O_TRUNC if new else 0)

    def opened() -> int:
        if beside:
            return open_beside(path, flags)
        return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o666)

    with os_errors_as(UsageError, f"cannot write {path}"):
        try:
            return open_locked(path, opened)
        except BlockingIOError:
            raise UsageError(
                f"another ocx is writing {path.name}", hint="wait for it, or use another -o"
            ) from None

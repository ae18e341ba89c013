"""One writer at a time in a conversation, from reading it to storing the answer."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ocx.errors import DeadlineError

_POLL = (0.02, 0.08)


@contextmanager
def conversation_lock(
    path: Path, conversation: int, wait: float, on_wait: Callable[[], None]
) -> Iterator[None]:
    """Hold the conversation; the system frees it with the process, also after `kill -9`.

    All conversations share one file and each locks the byte at its id, so that nothing is left
    lying about. A process can hold only one at a time: POSIX drops all locks of a file with the
    first descriptor of it that the process closes.

    Args:
        wait: seconds to wait for another process, then DeadlineError.
        on_wait: called once where there is something to wait for.

    Raises: DeadlineError, OSError.
    """
    import fcntl  # not on Windows

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + wait
        waiting = False
        while not _try(fcntl, fd, conversation):
            if not waiting:
                waiting = True
                on_wait()
            if time.monotonic() > end:
                raise DeadlineError(
                    "the conversation is still in use by another ocx",
                    hint="wait for it, or start another one with --conversation NAME",
                )
            time.sleep(random.uniform(*_POLL))  # noqa: S311 - spreads processes, hides nothing
        yield
    finally:
        os.close(fd)


def _try(fcntl: object, fd: int, offset: int) -> bool:
    try:
        # A module, handed over since it is imported only where it exists.
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)  # type: ignore[attr-defined]
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN}:
            return False
        raise
    return True

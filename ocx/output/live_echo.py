"""A terminal that does not show what is typed: it would stand in the midst of what is drawn."""

from __future__ import annotations

import contextlib
import os
import termios
from typing import Any

_LOCAL_FLAGS = 3


class Echo:
    """The echo of the terminal on `fd`; what is typed while it is off is read later all the same.

    Without effect if that is no terminal, or belongs to another program than ours: it would stop
    who changes it from the background.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: list[Any] | None = None

    def off(self) -> None:
        with contextlib.suppress(OSError, termios.error):
            if os.tcgetpgrp(self._fd) != os.getpgrp():
                return
            before = termios.tcgetattr(self._fd)
            after = before[:]
            after[_LOCAL_FLAGS] &= ~(termios.ECHO | termios.ECHONL)
            self._before = before
            termios.tcsetattr(self._fd, termios.TCSANOW, after)

    def restore(self) -> None:
        """As it was before `off`."""
        if self._before is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
            self._before = None

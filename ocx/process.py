"""This process: its signals, its limit of open files, and the editor that it starts.

Signals are exceptions on the way in, and real deaths on the way out. A process that exits 130 lets
a shell loop go on; one that dies by SIGINT stops it (https://www.cons.org/cracauer/sigint.html).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from ocx.errors import Interrupted, OcxError, Terminated, UsageError, os_errors_as

if TYPE_CHECKING:
    from pathlib import Path


def install() -> None:
    """Make SIGINT and SIGTERM raise our own exceptions; what was ignored stays ignored."""
    for number, handler in _HANDLERS.items():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


_raised: set[int] = set()
"""The signals whose handlers have raised."""


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _raised.add(number)
    signal.signal(number, signal.SIG_DFL)  # the second Ctrl-C ends everything at once
    raise Interrupted


def _terminate(number: int, _frame: FrameType | None) -> None:
    _raised.add(number)
    signal.signal(number, signal.SIG_DFL)
    raise Terminated(number)


_HANDLERS = {signal.SIGINT: _interrupt, signal.SIGTERM: _terminate}


def raise_lost() -> None:
    """Raise what a handler has raised before, and Python has made another exception of.

    It does where C code imports, and in `__set_name__` up to 3.11.
    """
    for number, handler in _HANDLERS.items():
        if number in _raised and signal.getsignal(number) is signal.SIG_DFL:
            handler(number, None)


def catch_hangup() -> None:
    """From now on SIGHUP ends the program as SIGTERM does: what arrived is kept."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminate)


@contextmanager
def handling(handler: Callable[[int, FrameType | None], object], *numbers: int) -> Iterator[None]:
    """In here these signals call `handler`; what was ignored stays ignored."""
    found = {number: signal.getsignal(number) for number in numbers}
    before = {number: each for number, each in found.items() if each is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, each in before.items():
            signal.signal(number, each)


def stopping(stop: Callable[[int], None]) -> AbstractContextManager[None]:
    """In here the first SIGINT or SIGTERM calls `stop`, the second ends the process at once."""
    asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            die_by(number)
        asked = True
        stop(number)

    return handling(handle, signal.SIGINT, signal.SIGTERM)


def ignoring_interrupts() -> AbstractContextManager[None]:
    """Leave Ctrl-C to the program that runs inside.

    By a handler that does nothing: SIG_IGN would be inherited by that program.
    """
    return handling(lambda _number, _frame: None, signal.SIGINT)


def suspending(
    before: Callable[[], object], after: Callable[[], object]
) -> AbstractContextManager[None]:
    """In here Ctrl-Z calls `before`, then stops this process, and `after` when it goes on.

    Without effect outside the main thread, and if the caller has this signal ignored.
    """
    import threading  # noqa: PLC0415 - for a person alone

    def stop(_number: int, _frame: FrameType | None) -> None:
        before()
        suspend()
        after()

    is_main = threading.current_thread() is threading.main_thread()
    return handling(stop, *([signal.SIGTSTP] if is_main else []))


def suspend() -> None:
    """Stop this process as Ctrl-Z does; return when it goes on."""
    before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, before)


def die_by(number: int) -> NoReturn:
    """End this process by the signal, so that the caller sees it; as PID 1 exit 128+n."""
    with contextlib.suppress(OSError):  # SIGKILL needs no handler and takes none
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


_MOST_ON_A_MAC = 10_240
"""OPEN_MAX: macOS refuses more, although it calls its hard limit infinite."""


def file_limits() -> tuple[int, int]:
    """The soft and the hard limit; `sys.maxsize` if there is none."""
    import resource  # noqa: PLC0415 - for a batch, a server and `doctor`

    soft, hard = (
        sys.maxsize if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return soft, hard


def raise_file_limit(wanted: int) -> int:
    """Raise the soft limit to `wanted`, or as far as it goes; the limit from now on.

    A higher one stays, and the hard limit is left alone.
    """
    soft, hard = file_limits()
    for target in (min(wanted, hard), min(_MOST_ON_A_MAC, hard)):
        if target <= soft:
            break
        import resource  # noqa: PLC0415 - the same

        kind = resource.RLIMIT_NOFILE
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (target, resource.getrlimit(kind)[1]))
            return target
    return soft


def editor(env: Mapping[str, str], *, terminal: bool) -> list[str]:
    """$VISUAL, else $EDITOR, split as a shell would, else vi if a person can use it.

    Raises:
        UsageError: there is none.
    """
    import shlex  # noqa: PLC0415 - every start loads this file, few edit

    for variable in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(env.get(variable, ""))
        except ValueError as error:
            raise UsageError(f"${variable} cannot be split into words: {error}") from error
        if words:
            return words
    if not terminal:
        raise UsageError("no editor: this is not a terminal", hint="set $VISUAL or $EDITOR")
    return ["vi"]


def run_editor(command: list[str], path: Path) -> None:
    """Let the user edit `path`.

    Raises:
        OcxError: the editor fails or cannot be started.
    """
    import subprocess  # noqa: PLC0415 - the same

    what = f"cannot start the editor {command[0]}"
    with ignoring_interrupts(), os_errors_as(OcxError, what, hint="set $VISUAL or $EDITOR"):
        status = subprocess.run([*command, str(path)], check=False).returncode
    if status != 0:
        raise OcxError(f"the editor {command[0]} failed (status {status}); nothing was changed")


def edit_text(command: list[str], text: str, suffix: str = ".md") -> str:
    """What the user makes of `text`, as of a prompt for `-e/--editor`.

    Raises:
        UsageError: the text is not UTF-8.
        OcxError: the editor fails.
    """
    import tempfile  # noqa: PLC0415 - the same
    from pathlib import Path  # noqa: PLC0415 - the same

    from ocx.decoding import decode  # noqa: PLC0415 - the same

    hint = "TMPDIR names a folder for temporary files"
    with os_errors_as(OcxError, "cannot edit the text", hint=hint):
        fd, name = tempfile.mkstemp(prefix="ocx-", suffix=suffix)  # 0600: prompts hold secrets
        draft = Path(name)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(text.encode())
            run_editor(command, draft)
            return decode(draft.read_bytes(), "the edited text")
        finally:
            draft.unlink(missing_ok=True)

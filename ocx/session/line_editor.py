"""Reading what a person types: the standard readline, with a history of its own.

The file is the same whatever library edits the lines: an entry of several has a backslash at the
end of each but the last, as it may be typed. GNU readline writes such a file by itself; libedit
writes another one, which only it can read.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from locale import CODESET, nl_langinfo
from pathlib import Path
from types import FrameType
from typing import Any

from ocx import process
from ocx.errors import OcxError
from ocx.files import atomic_write, make_folder
from ocx.terminal import Terminal

_ASCII = frozenset({"ANSI_X3.4-1968", "US-ASCII", "646"})
"""What the C locale calls its characters on Linux, macOS and Solaris."""
_REDRAW = b"\x1f"  # Ctrl-_
_MOMENT = 0.05
"""Seconds that what is pasted may take from one line to the next."""
_MORE = "… "
_QUOTES = '"""'
KEPT = 1000
_LIBEDIT = "_HiStOrY_V2_"


class LineEditor:
    """Line editing; a context manager, which keeps the history at its end.

    Args:
        history: the file, or None to keep nothing.
        complete: every line that a line may become, on TAB.
    """

    def __init__(
        self, terminal: Terminal, history: Path | None, complete: Callable[[str], list[str]]
    ) -> None:
        self._terminal = terminal
        self._history = history
        self._complete = complete
        self._found: list[str] = []
        self._loaded = 0
        self._mode: list[Any] | None = None
        """How the terminal is where nobody types."""
        with _utf8_locale():
            import readline  # only if a person types; it takes over input()

        self._readline = readline
        # macOS, and the Pythons of uv: no marks around what is pasted, and no text at Ctrl-Z.
        self._is_libedit = "libedit" in (readline.__doc__ or "")

    def __enter__(self) -> LineEditor:
        self._readline.clear_history()
        if self._history is not None:
            for line in read_entries(self._history)[-KEPT:]:
                self._readline.add_history(line)
        self._loaded = self._readline.get_current_history_length()
        self._readline.set_completer(self._candidate)
        self._readline.set_completer_delims(" ")
        if self._is_libedit:
            self._readline.parse_and_bind("bind ^I rl_complete")
            self._readline.parse_and_bind("bind ^_ ed-redisplay")
            self._readline.set_auto_history(False)  # several lines may be one entry
        else:
            self._readline.parse_and_bind("tab: complete")
            # Pasted lines are one entry; Python turns this off (bpo-42819).
            self._readline.parse_and_bind("set enable-bracketed-paste on")
        return self

    def __exit__(self, *_: object) -> None:
        if self._history is None:
            return
        count = self._readline.get_current_history_length()
        own = map(self._readline.get_history_item, range(self._loaded + 1, count + 1))
        # Behind what another session has kept meanwhile.
        write_entries(self._history, [*read_entries(self._history), *filter(None, own)])

    def read(self, prompt: str) -> str | None:
        """One entry, several lines if it says so; None at Ctrl-D. Ctrl-Z stops the program.

        Raises:
            Interrupted: Ctrl-C.
        """
        before = self._readline.get_current_history_length()
        line = self._line(prompt)
        if line is None:
            return None
        if line.lstrip().startswith(_QUOTES):
            whole = self._quoted(line.lstrip().removeprefix(_QUOTES))
        else:
            whole = self._continued(line)
        if whole != line:
            self._remember(whole, before)
        return whole

    def _remember(self, whole: str, before: int) -> None:
        """Arrow up brings back the whole message, not the last of the lines it was typed in."""
        while (count := self._readline.get_current_history_length()) > before:
            self._readline.remove_history_item(count - 1)
        if whole.strip():
            self._readline.add_history(whole)

    def _continued(self, line: str) -> str:
        lines = [line]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            more = self._line(_MORE)
            if more is None:
                break
            lines.append(more)
        return "\n".join(lines)

    def _quoted(self, line: str) -> str:
        lines = [] if not line else [line]
        while not lines or not lines[-1].rstrip().endswith(_QUOTES):
            more = self._line(_MORE)
            if more is None:
                return "\n".join(lines)
            lines.append(more)
        lines[-1] = lines[-1].rstrip().removesuffix(_QUOTES)
        return "\n".join(lines if lines[-1] else lines[:-1])

    def _line(self, prompt: str) -> str | None:
        begun = ""
        while True:
            try:
                line = self._input(prompt, begun)
                return self._with_pasted(line) if self._is_libedit else line
            except EOFError:
                with suppress(OcxError):  # nobody is there any more: the terminal was closed
                    self._terminal.stdout.write(b"\n")
                return None
            except UnicodeDecodeError:
                self._terminal.message("that is not UTF-8 text")
                return ""
            except _Suspended as suspended:
                begun = suspended.args[0]
                process.suspend()

    def _with_pasted(self, line: str) -> str:
        """The line and what waits behind it: nobody types as fast as what is pasted comes."""
        lines = [line]
        while _more_waits():
            lines.append(self._input(_MORE, ""))
        whole = "\n".join(lines)
        if whole.strip():
            self._readline.add_history(whole)
        return whole

    def _input(self, prompt: str, begun: str) -> str:
        """Read one line that is `begun`. Ctrl-Z leaves `input`, which then restores the terminal.

        Raises:
            EOFError, UnicodeDecodeError, _Suspended
        """
        self._readline.set_startup_hook(lambda: self._readline.insert_text(begun))
        with suppress(termios.error):
            self._mode = termios.tcgetattr(0)
        try:
            with process.handling(self._leave, signal.SIGTSTP), _utf8_locale():
                return input(prompt)
        finally:
            self._readline.set_startup_hook(None)
            if self._is_libedit and self._mode is not None:  # see _pause
                termios.tcsetattr(0, termios.TCSADRAIN, self._mode)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_libedit:
            self._pause()
            return
        raise _Suspended(self._readline.get_line_buffer())

    def _pause(self) -> None:
        """Stop inside `input`: libedit tells nobody what was typed, but it keeps it.

        It has made the terminal as others want it before it passes the signal on (its sig.c), and
        afterwards it draws the line again at a key of ours; where a system does not let us type,
        at the next one.
        """
        process.suspend()
        mode = termios.tcgetattr(0)
        raw = [*mode[:3], mode[3] & ~(termios.ICANON | termios.ECHO), *mode[4:]]
        termios.tcsetattr(0, termios.TCSADRAIN, raw)
        with suppress(OSError):
            fcntl.ioctl(0, termios.TIOCSTI, _REDRAW)

    def _candidate(self, _word: str, place: int) -> str | None:
        """readline asks for one word after the other, until there is none."""
        if place == 0:
            line = self._readline.get_line_buffer()[: self._readline.get_endidx()]
            begin = self._readline.get_begidx()
            self._found = [whole[begin:] for whole in self._complete(line)]
        return self._found[place] if place < len(self._found) else None


def _more_waits() -> bool:
    """Whether more was typed already, also a line that is not ended."""
    try:
        mode = termios.tcgetattr(0)
    except termios.error:
        return False
    raw = [*mode[:3], mode[3] & ~termios.ICANON, *mode[4:]]
    termios.tcsetattr(0, termios.TCSANOW, raw)
    try:
        return bool(select.select([0], [], [], _MOMENT)[0])
    finally:
        termios.tcsetattr(0, termios.TCSANOW, mode)


@contextmanager
def _utf8_locale() -> Iterator[None]:
    """Let readline read UTF-8 where the locale is C or POSIX, or does not exist.

    There it takes the bytes of a character for keys with Meta, and drops them. It looks at the
    environment before each line. The programs that a session starts keep theirs.
    """
    if nl_langinfo(CODESET) not in _ASCII:
        yield
        return
    before = os.environ.get("LC_ALL")
    os.environ["LC_ALL"] = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    try:
        yield
    finally:
        if before is None:
            del os.environ["LC_ALL"]
        else:
            os.environ["LC_ALL"] = before


class _Suspended(Exception):
    """Ctrl-Z; its one argument is what was typed so far."""


def read_entries(path: Path) -> list[str]:
    """The entries, the oldest first; none if there is no file."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return []
    if text.startswith(_LIBEDIT):
        return [_unvis(line) for line in text.splitlines()[1:]]
    entries = re.split(r"(?<!\\)\n", text.removesuffix("\n")) if text else []
    return [entry.replace("\\\n", "\n") for entry in entries]


def write_entries(path: Path, entries: list[str]) -> None:
    """Replace the file; the lines of a session are no reason to fail at its end."""
    text = "".join(entry.replace("\n", "\\\n") + "\n" for entry in entries[-KEPT:])
    with suppress(OSError):
        make_folder(path.parent)
        # 0600: prompts hold what people would not show.
        atomic_write(path, text.encode("utf-8", "replace"), 0o600)


def _unvis(line: str) -> str:
    r"""A line of libedit: bytes that are no letters stand there as \040 (strvis, VIS_WHITE)."""
    data = re.sub(
        rb"\\([0-3][0-7]{2}|\\)",
        lambda found: b"\\" if found[1] == b"\\" else bytes([int(found[1], 8)]),
        line.encode(),
    )
    return data.decode("utf-8", "replace")

"""Reading what a person types: the standard readline, with a history of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from locale import CODESET, nl_langinfo
from pathlib import Path
from types import FrameType, TracebackType

from ocx import signals
from ocx.files import make_folder
from ocx.terminal import Terminal

_ASCII = frozenset({"ANSI_X3.4-1968", "US-ASCII", "646"})
"""What the C locale calls its characters on Linux, macOS and Solaris."""
_KEPT = 1000
_MORE = "… "
_QUOTES = '"""'


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
        with _utf8_locale():
            import readline  # only if a person types; it takes over input()

        self._readline = readline

    def __enter__(self) -> LineEditor:
        if self._history is not None:
            try:
                self._readline.read_history_file(self._history)
            except OSError:  # there is none yet
                self._readline.clear_history()
        self._readline.set_history_length(_KEPT)
        self._readline.set_completer(self._candidate)
        self._readline.set_completer_delims(" ")
        if "libedit" in (self._readline.__doc__ or ""):  # macOS: another language of settings
            self._readline.parse_and_bind("bind ^I rl_complete")
        else:
            self._readline.parse_and_bind("tab: complete")
            # Pasted lines are one entry; Python turns this off (bpo-42819).
            self._readline.parse_and_bind("set enable-bracketed-paste on")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._history is None:
            return
        try:
            make_folder(self._history.parent)
            # 0600 before anything is in it: prompts hold what people would not show.
            os.close(os.open(self._history, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._readline.write_history_file(self._history)
            self._history.chmod(0o600)
        except OSError:  # the lines of a session are no reason to fail at its end
            return

    def read(self, prompt: str) -> str | None:
        """One entry, several lines if it says so; None at Ctrl-D. Ctrl-Z stops the program.

        Raises:
            Interrupted: Ctrl-C.
        """
        line = self._line(prompt)
        if line is None:
            return None
        if line.lstrip().startswith(_QUOTES):
            return self._quoted(line.lstrip().removeprefix(_QUOTES))
        return self._continued(line)

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
                return self._input(prompt, begun)
            except EOFError:
                self._terminal.stdout.write(b"\n")
                return None
            except UnicodeDecodeError:
                self._terminal.message("that is not UTF-8 text")
                return ""
            except _Suspended as suspended:
                begun = suspended.text
                signals.suspend()

    def _input(self, prompt: str, begun: str) -> str:
        """Read one line that is `begun`. Ctrl-Z leaves `input`, which then restores the terminal.

        Raises:
            EOFError, UnicodeDecodeError, _Suspended
        """
        self._readline.set_startup_hook(lambda: self._readline.insert_text(begun))
        before = signal.getsignal(signal.SIGTSTP)
        try:
            if before is not signal.SIG_IGN:
                signal.signal(signal.SIGTSTP, self._leave)
            with _utf8_locale():
                return input(prompt)
        finally:
            signal.signal(signal.SIGTSTP, before)
            self._readline.set_startup_hook(None)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        raise _Suspended(self._readline.get_line_buffer())

    def _candidate(self, _word: str, place: int) -> str | None:
        """readline asks for one word after the other, until there is none."""
        if place == 0:
            line = self._readline.get_line_buffer()[: self._readline.get_endidx()]
            begin = self._readline.get_begidx()
            self._found = [whole[begin:] for whole in self._complete(line)]
        return self._found[place] if place < len(self._found) else None


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
    """Ctrl-Z.

    Attributes:
        text: what was typed so far.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

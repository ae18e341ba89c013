"""One line a request: for a person on a terminal, as JSON in a pipe."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ocx.errors import OcxError, OutputClosed, os_errors_as
from ocx.jsontext import compact
from ocx.runtime import Runtime
from ocx.secret import Secret
from ocx.serve.charge import credits_json, format_credits
from ocx.text import one_line

if TYPE_CHECKING:
    from ocx.serve.admission import RequestRecord


def text_line(record: RequestRecord) -> str:
    """Method, path, model, status, tokens, credits, milliseconds, key."""
    words = [record.method, one_line(record.path)]
    if record.model is not None:
        words.append(one_line(record.model))
    words.append(str(record.status or "-"))
    if record.outcome not in (None, "finished"):
        words.append(str(record.outcome))
    if record.micro is not None:
        cached = f" ({record.cached_tokens} cached)" if record.cached_tokens else ""
        words.append(f"{record.prompt_tokens}{cached}+{record.completion_tokens} tokens")
        words.append(f"{format_credits(record.micro)} credits")
    words.append(f"{record.milliseconds} ms")
    if record.failure is not None:
        words.append(one_line(record.failure))
    return "  ".join(words)


def json_line(record: RequestRecord) -> str:
    """The same and more as one compact document; fields that do not apply are null."""
    document: dict[str, Any] = {
        "time": int(time.time()),
        "method": record.method,
        "path": record.path,
        "model": record.model,
        "status": record.status or None,
        "outcome": record.outcome,
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "cached_tokens": record.cached_tokens,
        "credits": None if record.micro is None else credits_json(record.micro),
        "ms": record.milliseconds,
        "key": record.key.hint or record.key.name if record.key else None,
        "request_id": record.request_id,
        "failure": record.failure,
    }
    return compact(document, ascii_only=True)


class RequestLog:
    """Called once a request; the first line that cannot be written stops the server.

    `stop` is what stops it; `check` raises what went wrong, once it has stopped.
    """

    def __init__(self, run: Runtime, path: Path | None) -> None:
        self._run = run
        self._terminal = run.terminal
        self._path = path
        self._shown = run.trailing is None and not run.quiet
        self._as_text = run.terminal.stdout_tty and not run.json
        self._file = _append(path) if path is not None else None
        self._error: OcxError | OutputClosed | None = None
        self.stop: Callable[[], None] = lambda: None

    def __call__(self, record: RequestRecord) -> None:
        if self._error is not None:
            return
        try:
            self._write(record)
        except (OcxError, OutputClosed) as error:
            self._error = error
            self.stop()

    def _write(self, record: RequestRecord) -> None:
        if self._shown:
            self._terminal.print((text_line if self._as_text else json_line)(record))
        if self._file is not None:
            with os_errors_as(OcxError, "cannot write the log"):
                os.write(self._file, json_line(record).encode() + b"\n")

    def listening(self, url: str, key: Secret) -> None:
        """Say where the server is; the key only to a person, who pastes it."""
        if not self._shown:
            return
        text = compact({"listening": url}, ascii_only=True)
        if self._as_text:
            text = f"Listening on {url} (Ctrl-C stops it). In another terminal:\n"
            text += f"export OCX_BASE_URL={url}\nexport OCX_API_KEY={key.reveal()}"
        self._terminal.print(text)

    @contextmanager
    def reopened(self) -> Iterator[None]:
        """Inside, SIGHUP opens the file of --log again, which a rotation has renamed.

        If a terminal has gone, it ends the process as it always does.
        """
        if self._file is None:
            yield
            return
        before = signal.signal(signal.SIGHUP, self._hang_up)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)

    def _hang_up(self, number: int, _frame: FrameType | None) -> None:
        if self._lost_terminal:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if self._path is None or self._file is None:
            return
        try:
            new = _append(self._path)
        except OcxError as error:  # the lines go where they went
            self._run.warn(error.message)
            return
        # The number stays: another thread, or the frame that this interrupts, may be writing to it.
        os.dup2(new, self._file, inheritable=False)
        os.close(new)

    @property
    def _lost_terminal(self) -> bool:
        terminal = self._terminal
        for fd, tty in enumerate((terminal.stdin_tty, terminal.stdout_tty, terminal.stderr_tty)):
            if tty:
                try:
                    os.get_terminal_size(fd)
                except OSError:
                    return True
        return False

    def check(self) -> None:
        """Raises what kept a line from being written."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)


def _append(path: Path) -> int:
    with os_errors_as(OcxError, f"cannot write the log {path}"):
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

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


def text_line(exchange: RequestRecord) -> str:
    """Method, path, model, status, tokens, credits, milliseconds, key."""
    words = [exchange.method, one_line(exchange.path)]
    if exchange.model is not None:
        words.append(one_line(exchange.model))
    words.append(str(exchange.status or "-"))
    if exchange.outcome not in (None, "finished"):
        words.append(str(exchange.outcome))
    if exchange.micro is not None:
        cached = f" ({exchange.cached_tokens} cached)" if exchange.cached_tokens else ""
        words.append(f"{exchange.prompt_tokens}{cached}+{exchange.completion_tokens} tokens")
        words.append(f"{format_credits(exchange.micro)} credits")
    words.append(f"{exchange.milliseconds} ms")
    if exchange.failure is not None:
        words.append(one_line(exchange.failure))
    return "  ".join(words)


def json_line(exchange: RequestRecord) -> str:
    """The same and more as one compact document; fields that do not apply are null."""
    document: dict[str, Any] = {
        "time": int(time.time()),
        "method": exchange.method,
        "path": exchange.path,
        "model": exchange.model,
        "status": exchange.status or None,
        "outcome": exchange.outcome,
        "prompt_tokens": exchange.prompt_tokens,
        "completion_tokens": exchange.completion_tokens,
        "cached_tokens": exchange.cached_tokens,
        "credits": None if exchange.micro is None else credits_json(exchange.micro),
        "ms": exchange.milliseconds,
        "key": exchange.key.hint or exchange.key.name if exchange.key else None,
        "request_id": exchange.request_id,
        "failure": exchange.failure,
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

    def __call__(self, exchange: RequestRecord) -> None:
        if self._error is not None:
            return
        try:
            self._write(exchange)
        except (OcxError, OutputClosed) as error:
            self._error = error
            self.stop()

    def _write(self, exchange: RequestRecord) -> None:
        if self._shown:
            line = text_line(exchange) if self._as_text else json_line(exchange)
            self._terminal.print(line)
        if self._file is not None:
            with os_errors_as(OcxError, "cannot write the log"):
                os.write(self._file, json_line(exchange).encode() + b"\n")

    def listening(self, url: str, key: Secret) -> None:
        """Say where the server is; the key only to a person, who pastes it."""
        if not self._shown:
            return
        if not self._as_text:
            self._terminal.print(compact({"listening": url}, ascii_only=True))
            return
        self._terminal.print(f"Listening on {url} (Ctrl-C stops it). In another terminal:")
        self._terminal.print(f"export OCX_BASE_URL={url}")
        self._terminal.print(f"export OCX_API_KEY={key.reveal()}")

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

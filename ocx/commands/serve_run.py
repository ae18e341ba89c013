"""The local server of `ocx serve`, alone, around a program or behind a tape; a line a request."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ocx.commands.serve import TapeOptions
from ocx.config.paths import config_dir, if_known, serve_database
from ocx.context import Context
from ocx.errors import (
    ChildExit,
    Interrupted,
    OcxError,
    OutputClosed,
    Terminated,
    UsageError,
    os_errors_as,
)
from ocx.keys.client import sandbox_folder
from ocx.process import raise_lost
from ocx.secret import Secret
from ocx.serve.app import App, ServeSettings
from ocx.serve.charge import credits_json, format_credits
from ocx.serve.forward import Upstream
from ocx.serve.launch import build_server, child_environment, run_child
from ocx.serve.server import UvicornServer, base_url, listen, serving
from ocx.serve.server import run as serve_until
from ocx.serve.settings import load
from ocx.serve.store import Store
from ocx.serve.tape import Tape, TapeFile, load_tape
from ocx.serve.tape_player import TapeApp
from ocx.text import compact, counted, one_line

if TYPE_CHECKING:
    from ocx.serve.admission import RequestRecord

CONFIG = "serve.toml"


def run_server(
    ctx: Context,
    port: int | None,
    db: Path | None,
    config: Path | None,
    log: Path | None,
    *,
    ephemeral: bool,
) -> None:
    """Serve until a signal, or as long as the command behind `--` runs.

    Raises:
        ChildExit: the command did not end with 0.
        UsageError, ConfigError: it cannot begin.
    """
    settings = _settings(ctx, config, ephemeral)
    with (
        closing(_store(ctx, db, settings, ephemeral)) as store,
        closing(RequestLog(ctx, log)) as writer,
        writer.reopened(),
    ):
        app, key = build_server(store, settings, ephemeral=ephemeral, log=writer)
        if ctx.trailing is None:
            _foreground(app, key, writer, settings.port if port is None else port)
            return
        with serving(app) as url:
            env = child_environment(ctx.terminal.env, url, key, settings.key_names)
            status = run_child(ctx.trailing, env)
    _exit_as(status)


def _foreground(app: App, key: Secret, writer: RequestLog, port: int) -> None:
    with closing(listen(port)) as listener:
        server = UvicornServer(app)
        writer.stop = server.stop
        writer.listening(base_url(listener), key)
        raise_lost()
        caught = serve_until(server, listener, (signal.SIGINT, signal.SIGTERM))
    writer.check()
    if caught is not None:
        raise Terminated if caught == signal.SIGTERM else Interrupted


def _settings(ctx: Context, config: Path | None, ephemeral: bool) -> ServeSettings:
    folder = if_known(config_dir, ctx.terminal.env)
    path = config or (folder / CONFIG if folder else None)
    # Golden files and play credits must not depend on what lies in a home folder.
    unasked = ephemeral or ctx.flags.get("sandbox") or path is None or not os.path.exists(path)  # noqa: PTH110 - Path's own fails where a folder cannot be searched
    if path is None or (config is None and unasked):
        return ServeSettings()
    settings = load(path, ctx.terminal.env)
    if ephemeral and settings.key_names:
        raise UsageError(
            f"everybody knows the keys of --ephemeral, and {path} forwards with a key of yours",
            hint="leave out --ephemeral, or the api_key_env of the upstream",
        )
    return settings


def _store(ctx: Context, db: Path | None, settings: ServeSettings, ephemeral: bool) -> Store:
    sandbox = bool(ctx.flags.get("sandbox"))
    unnamed = ctx.trailing is not None and db is None and not sandbox
    homeless = sandbox and db is None and sandbox_folder(ctx) is None
    if ephemeral or unnamed or homeless:
        return Store.memory()
    env, configured = ctx.terminal.env, settings.database
    return Store.open(serve_database(env, db, sandbox=sandbox, configured=configured))


def play_tape(ctx: Context, options: TapeOptions) -> None:
    """`--record` and `--replay`: the profile's own endpoint behind a tape.

    Raises:
        ChildExit: the command did not end with 0.
    """
    if ctx.trailing is None:
        raise UsageError(
            "a tape is for one command", hint="ocx serve --record tape.jsonl -- ./pipeline.sh"
        )
    upstream: Upstream | None = None
    if options.record is not None or options.missing != "fail":
        from ocx.api.proxy import tls_context  # noqa: PLC0415 - only if a request is passed on
        from ocx.keys import lookup  # noqa: PLC0415 - the same

        settings = ctx.settings()
        if settings.sandbox:
            raise UsageError("the sandbox is not an endpoint", hint="name a profile with -P")
        endpoint = lookup.endpoint(settings, lookup.find_key(ctx, settings).secret)
        upstream = Upstream(endpoint, tls_context(endpoint.ca_bundle))
    if options.record is not None:
        tape = Tape(options.record, TapeFile(options.record))
    else:
        tape = load_tape(options.replay or Path(), adds=options.missing == "record")
    app = TapeApp(tape, upstream, options.record is None, options.timing)
    with ExitStack() as stack:
        if tape.file is not None:
            stack.callback(tape.file.abandon)
        with serving(app) as url:
            status = run_child(ctx.trailing, child_environment(ctx.terminal.env, url, app.key))
        if tape.file is not None:
            _end_tape(ctx, tape.file, status, on_failure=options.record_on_failure)
    _exit_as(status)


def _end_tape(ctx: Context, file: TapeFile, status: int, *, on_failure: bool) -> None:
    """Replace the old tape if the command did what it should. Raises OcxError if it cannot."""
    old = "is as it was" if file.path.exists() else "was not written"
    if status == 0 or on_failure:
        if not (file.recorded or file.adds):
            ctx.warn(f"nothing was recorded: {file.path} {old}")
        elif cut := file.asked - file.recorded:
            verb = "is" if cut == 1 else "are"
            ctx.warn(f"{counted(cut, 'request')} got no whole answer and {verb} not on {file.path}")
        if not file.adds and 0 < file.recorded < (held := file.held()):
            adds = f"--replay {file.path} --missing record keeps what is there and adds to it"
            ctx.warn(f"{file.path} held {held} answers and now holds {file.recorded}; {adds}")
        file.complete()
    elif kept := file.abandon():
        ctx.warn(
            f"the command failed, so {file.path} {old}; what was recorded is in {kept}"
            " (--record-on-failure takes it)"
        )


def _exit_as(status: int) -> None:
    if status:
        # Nobody can die by SIGKILL with its handler reset first; a shell calls it 137 as well.
        raise ChildExit(128 - status if -status == signal.SIGKILL else status)


def text_line(record: RequestRecord) -> str:
    """Method, path, model, status, tokens, credits, milliseconds, key."""
    words = [record.method, record.path, record.model, record.status or "-"]
    if record.outcome != "finished":
        words.append(record.outcome)
    if record.usage is not None and record.micro is not None:
        prompt, completion, cached = record.usage
        words.append(f"{prompt}{f' ({cached} cached)' if cached else ''}+{completion} tokens")
        words.append(f"{format_credits(record.micro)} credits")
    words += [f"{record.milliseconds} ms", record.failure]
    return "  ".join(one_line(str(word)) for word in words if word is not None)


def json_line(record: RequestRecord) -> str:
    """The same and more as one compact document; fields that do not apply are null."""
    prompt, completion, cached = record.usage or (None, None, None)
    document: dict[str, Any] = {
        "time": int(time.time()),
        "method": record.method,
        "path": record.path,
        "model": record.model,
        "status": record.status or None,
        "outcome": record.outcome,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cached_tokens": cached,
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

    def __init__(self, ctx: Context, path: Path | None) -> None:
        self._ctx = ctx
        self._terminal = ctx.terminal
        self._path = path
        self._shown = ctx.trailing is None and not ctx.quiet
        self._as_text = ctx.terminal.stdout_tty and not ctx.json
        self._file = _append(path) if path is not None else None
        self._error: OcxError | OutputClosed | None = None
        self.stop: Callable[[], None] = lambda: None

    def __call__(self, record: RequestRecord) -> None:
        if self._error is not None:
            return
        try:
            if self._shown:
                self._terminal.print((text_line if self._as_text else json_line)(record))
            if self._file is not None:
                with os_errors_as(OcxError, "cannot write the log"):
                    os.write(self._file, json_line(record).encode() + b"\n")
        except (OcxError, OutputClosed) as error:
            self._error = error
            self.stop()

    def listening(self, url: str, key: Secret) -> None:
        """Say where the server is; the key only to a person, who pastes it."""
        if not self._shown:
            return
        text = compact({"listening": url}, ascii_only=True)
        if self._as_text:
            text = f"Listening on {url} until Ctrl-C. In another terminal:\n"
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
            self._ctx.warn(error.message)
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

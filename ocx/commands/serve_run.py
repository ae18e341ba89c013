"""The local server of `ocx serve`: alone, around a program, or behind a tape."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from ocx.commands.serve import TapeOptions
from ocx.config.paths import config_dir, if_known, serve_database
from ocx.errors import ChildExit, Interrupted, Terminated, UsageError
from ocx.keys.client import sandbox_folder
from ocx.output.request_log import RequestLog
from ocx.runtime import Runtime
from ocx.secret import secrets_of
from ocx.serve.app import App, ServeSettings
from ocx.serve.forward import Upstream
from ocx.serve.launch import build_server, child_environment, run_child
from ocx.serve.server import UvicornServer, base_url, listen, serving
from ocx.serve.server import run as serve_until
from ocx.serve.settings import load
from ocx.serve.store import Store
from ocx.serve.tape import Tape, TapeFile, load_tape
from ocx.serve.tape_player import tape_server
from ocx.text import counted

if TYPE_CHECKING:
    from ocx.secret import Secret

CONFIG = "serve.toml"


def run_server(
    run: Runtime,
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
    settings = _settings(run, config, ephemeral)
    with (
        closing(_store(run, db, settings, ephemeral)) as store,
        closing(RequestLog(run, log)) as writer,
        writer.reopened(),
    ):
        served, key = build_server(store, settings, ephemeral=ephemeral, log=writer)
        app = App(served)
        if run.trailing is None:
            _foreground(app, key, writer, settings.port if port is None else port)
            return
        with serving(app) as url:
            env = child_environment(run.terminal.env, url, key, settings.key_names)
            status = run_child(run.trailing, env)
    _exit_as(status)


def _foreground(app: App, key: Secret, writer: RequestLog, port: int) -> None:
    with closing(listen(port)) as listener:
        server = UvicornServer(app)
        writer.stop = server.stop
        writer.listening(base_url(listener), key)
        caught = serve_until(server, listener, (signal.SIGINT, signal.SIGTERM))
    writer.check()
    if caught is not None:
        raise Terminated if caught == signal.SIGTERM else Interrupted


def _settings(run: Runtime, config: Path | None, ephemeral: bool) -> ServeSettings:
    folder = if_known(config_dir, run.terminal.env)
    path = config or (folder / CONFIG if folder else None)
    # Golden files and play credits must not depend on what lies in a home folder.
    unasked = ephemeral or run.flags.get("sandbox") or path is None or not os.path.exists(path)  # noqa: PTH110 - Path's own fails where a folder cannot be searched
    if path is None or (config is None and unasked):
        return ServeSettings()
    settings = load(path, run.terminal.env)
    if ephemeral and settings.spends:
        raise UsageError(
            f"everybody knows the keys of --ephemeral, and {path} forwards with a key of yours",
            hint="leave out --ephemeral, or the api_key_env of the upstream",
        )
    return settings


def _store(run: Runtime, db: Path | None, settings: ServeSettings, ephemeral: bool) -> Store:
    sandbox = bool(run.flags.get("sandbox"))
    unnamed = run.trailing is not None and db is None and not sandbox
    homeless = sandbox and db is None and sandbox_folder(run) is None
    if ephemeral or unnamed or homeless:
        return Store.memory()
    env, configured = run.terminal.env, settings.database
    return Store.open(serve_database(env, db, sandbox=sandbox, configured=configured))


def play_tape(run: Runtime, options: TapeOptions) -> None:
    """`--record` and `--replay`: the profile's own endpoint behind a tape.

    Raises:
        ChildExit: the command did not end with 0.
    """
    if run.trailing is None:
        raise UsageError(
            "a tape is for one command", hint="ocx serve --record tape.jsonl -- ./pipeline.sh"
        )
    upstream: Upstream | None = None
    secrets: list[Secret] = []
    if options.record is not None or options.missing != "fail":
        from ocx.api.proxy import tls_context  # noqa: PLC0415 - only if a request is passed on
        from ocx.keys import lookup  # noqa: PLC0415 - the same

        settings = run.settings()
        if settings.sandbox:
            raise UsageError("the sandbox is not an endpoint", hint="name a profile with -P")
        endpoint = lookup.endpoint(settings, lookup.find_key(run, settings).secret)
        upstream = Upstream(endpoint, tls_context(endpoint.ca_bundle))
        secrets = secrets_of(endpoint.headers, endpoint.proxy)
    if options.record is not None:
        tape = Tape(options.record, file=TapeFile(options.record))
    else:
        tape = load_tape(options.replay or Path(), adds=options.missing == "record")
    plays = options.record is None
    with ExitStack() as stack:
        if tape.file is not None:
            stack.callback(tape.file.abandon)
        with tape_server(tape, upstream, plays=plays, timing=options.timing, secrets=secrets) as (
            url,
            key,
        ):
            status = run_child(run.trailing, child_environment(run.terminal.env, url, key))
        if tape.file is not None:
            _end_tape(run, tape.file, status, on_failure=options.record_on_failure)
    _exit_as(status)


def _end_tape(run: Runtime, file: TapeFile, status: int, *, on_failure: bool) -> None:
    """Replace the old tape if the command did what it should. Raises OcxError if it cannot."""
    old = "is as it was" if file.path.exists() else "was not written"
    if status == 0 or on_failure:
        if not (file.recorded or file.adds):
            run.warn(f"nothing was recorded: {file.path} {old}")
        elif cut := file.asked - file.recorded:
            verb = "is" if cut == 1 else "are"
            run.warn(f"{counted(cut, 'request')} got no whole answer and {verb} not on {file.path}")
        if not file.adds and 0 < file.recorded < (held := file.held()):
            adds = f"--replay {file.path} --missing record keeps what is there and adds to it"
            run.warn(f"{file.path} held {held} answers and now holds {file.recorded}; {adds}")
        file.complete()
    elif kept := file.abandon():
        run.warn(
            f"the command failed, so {file.path} {old}; what was recorded is in {kept}"
            " (--record-on-failure takes it)"
        )


def _exit_as(status: int) -> None:
    if status:
        # Nobody can die by SIGKILL with its handler reset first; a shell calls it 137 as well.
        raise ChildExit(128 - status if -status == signal.SIGKILL else status)

"""`ocx serve`: run the documented API on loopback, alone or around a program."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from ocx.cli.options import Option
from ocx.config.paths import config_dir, if_known, serve_database
from ocx.errors import ChildExit, Interrupted, Terminated, UsageError
from ocx.output.request_log import RequestLog
from ocx.runtime import Runtime
from ocx.secret import secrets_of

if TYPE_CHECKING:
    from ocx.secret import Secret
    from ocx.serve.app import App, ServeSettings
    from ocx.serve.store import Store
    from ocx.serve.tape import TapeFile

CONFIG = "serve.toml"


class _TapeOptions(NamedTuple):
    record: Path | None
    replay: Path | None
    missing: str
    on_failure: bool
    timing: bool

    def check(self) -> None:
        """Raises UsageError."""
        if self.record is not None and self.replay is not None:
            raise UsageError("--record and --replay exclude each other")
        if self.missing not in {"fail", "pass", "record"}:
            raise UsageError("--missing takes fail, pass or record")


def serve(
    run: Runtime,
    port: Annotated[
        int | None, Option("--port N", "Listen here; 0 is any free port.", minimum=0, maximum=65535)
    ] = None,
    db: Annotated[Path | None, Option("--db FILE", "Ledger to use, made if missing.")] = None,
    config: Annotated[
        Path | None, Option("--config FILE", "Settings instead of serve.toml.")
    ] = None,
    ephemeral: Annotated[
        bool, Option("--ephemeral", "Ledger in memory; ids, times and keys are fixed.")
    ] = False,
    record: Annotated[
        Path | None,
        Option(
            "--record TAPE",
            "Run CMD against the profile's endpoint, keep all answers if it ends with 0.",
        ),
    ] = None,
    replay: Annotated[
        Path | None, Option("--replay TAPE", "Run CMD on the kept answers, offline.")
    ] = None,
    missing: Annotated[
        str,
        Option(
            "--missing fail|pass|record", "What a request gets that the tape lacks; record adds it."
        ),
    ] = "fail",
    record_on_failure: Annotated[
        bool, Option("--record-on-failure", "Write TAPE even if CMD does not end with 0.")
    ] = False,
    timing: Annotated[bool, Option("--timing", "Replay at the pace of the recording.")] = False,
    log: Annotated[
        Path | None,
        Option("--log FILE", "Append a JSON line a request to this file; SIGHUP reopens it."),
    ] = None,
) -> None:
    """Run the documented API on loopback, with keys and credits.

    With `-- CMD`, runs CMD against a fresh server and exits as CMD does: OCX_BASE_URL,
    OCX_API_KEY, OPENAI_BASE_URL, OPENAI_API_KEY and OPENCODEX_API_KEY are set for it. Models
    answer by echo unless serve.toml routes them to a script, a tape or an upstream. A request
    may name `lorem:20,tps=5` or a fault: `fault/429,first=2`, `fault/cut:3`, `fault/stall:3`,
    `fault/error:3`, `fault/slow`; the header X-OCX-Fault does the same for any model.
    """
    if ephemeral and (db is not None or run.flags.get("sandbox")):
        raise UsageError("--ephemeral keeps its ledger in memory: leave out --db and --sandbox")
    if run.trailing is not None and not run.trailing:
        raise UsageError("no command after --", hint="ocx serve -- sh -c 'ocx chat hi'")
    if record is not None or replay is not None:
        _play_tape(run, _TapeOptions(record, replay, missing, record_on_failure, timing))
        return
    settings = _settings(run, config, ephemeral)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(_store(run, db, settings, ephemeral)))
        writer = stack.enter_context(contextlib.closing(RequestLog(run, log)))
        stack.enter_context(writer.reopened())
        app, key = _build(store, settings, ephemeral, writer)
        if run.trailing is not None:
            _around(run, app, key, run.trailing, settings.key_names)
        else:
            _foreground(app, key, writer, settings.port if port is None else port)


def _play_tape(run: Runtime, options: _TapeOptions) -> None:
    """`--record` and `--replay`: the profile's own endpoint behind a tape."""
    from ocx.serve.forward import Upstream  # noqa: PLC0415 - as in _foreground
    from ocx.serve.launch import child_environment, run_child  # noqa: PLC0415 - the same
    from ocx.serve.tape import load_tape, new_tape  # noqa: PLC0415 - the same
    from ocx.serve.tape_player import tape_server  # noqa: PLC0415 - the same

    options.check()
    if run.trailing is None:
        raise UsageError(
            "a tape is for one command", hint="ocx serve --record tape.jsonl -- ./pipeline.sh"
        )
    upstream: Upstream | None = None
    secrets: Sequence[Secret] = ()
    if options.record is not None or options.missing != "fail":
        from ocx.api.proxy import tls_context  # noqa: PLC0415 - as in _foreground
        from ocx.keys import lookup  # noqa: PLC0415 - as in _foreground

        settings = run.settings()
        if settings.sandbox:
            raise UsageError("the sandbox is not an endpoint", hint="name a profile with -P")
        endpoint = lookup.endpoint(settings, lookup.find_key(run, settings).secret)
        upstream = Upstream(endpoint, tls_context(endpoint.ca_bundle))
        secrets = secrets_of(endpoint.headers, endpoint.proxy)
    if options.record is not None:
        tape = new_tape(options.record)
    else:
        tape = load_tape(options.replay or Path(), adds=options.missing == "record")
    with contextlib.ExitStack() as stack:
        if tape.file is not None:
            stack.callback(tape.file.abandon)
        with tape_server(
            tape,
            upstream,
            plays=options.record is None,
            timing=options.timing,
            secrets=secrets,
        ) as (url, key):
            status = run_child(run.trailing, child_environment(run.terminal.env, url, key))
        if tape.file is not None:
            _end_tape(run, tape.file, status, on_failure=options.on_failure)
    _exit_as(status)


def _end_tape(run: Runtime, file: TapeFile, status: int, *, on_failure: bool) -> None:
    """Replace the old tape if the command did what it should. Raises OcxError if it cannot."""
    old = "is as it was" if file.path.exists() else "was not written"
    if status == 0 or on_failure:
        if not (file.recorded or file.adds):
            run.warn(f"nothing was recorded: {file.path} {old}")
        elif cut := file.asked - file.recorded:
            lost = (
                "1 request got no whole answer and is"
                if cut == 1
                else (f"{cut} requests got no whole answer and are")
            )
            run.warn(f"{lost} not on {file.path}")
        if not file.adds and 0 < file.recorded < (held := file.held()):
            adds = f"--replay {file.path} --missing record keeps what is there and adds to it"
            run.warn(f"{file.path} held {held} answers and now holds {file.recorded}; {adds}")
        file.complete()
    elif kept := file.abandon():
        run.warn(
            f"the command failed, so {file.path} {old}; what was recorded is in {kept}"
            " (--record-on-failure takes it)"
        )


def _settings(run: Runtime, config: Path | None, ephemeral: bool) -> ServeSettings:
    from ocx.serve.app import ServeSettings  # noqa: PLC0415 - as in _foreground
    from ocx.serve.settings import load  # noqa: PLC0415 - as in _foreground

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
    from ocx.keys.client import sandbox_folder  # noqa: PLC0415 - as in _foreground
    from ocx.serve.store import Store  # noqa: PLC0415 - the same

    if ephemeral or (run.trailing is not None and db is None and not run.flags.get("sandbox")):
        return Store.memory()
    if run.flags.get("sandbox") and db is None and sandbox_folder(run) is None:
        return Store.memory()
    database = serve_database(
        run.terminal.env,
        db,
        sandbox=bool(run.flags.get("sandbox")),
        configured=settings.database,
    )
    return Store.open(database)


def _build(
    store: Store, settings: ServeSettings, ephemeral: bool, writer: RequestLog
) -> tuple[App, Secret]:
    from ocx.serve.app import App  # noqa: PLC0415 - as in _foreground
    from ocx.serve.launch import build_server  # noqa: PLC0415 - the same

    config, key = build_server(store, settings, ephemeral=ephemeral, log=writer)
    return App(config), key


def _around(
    run: Runtime, app: App, key: Secret, words: tuple[str, ...], hidden: Collection[str]
) -> None:
    from ocx.serve.launch import child_environment, run_child  # noqa: PLC0415 - as in _foreground
    from ocx.serve.server import serving  # noqa: PLC0415 - the same

    with serving(app) as url:
        status = run_child(words, child_environment(run.terminal.env, url, key, hidden))
    _exit_as(status)


def _exit_as(status: int) -> None:
    if status:
        # Nobody can die by SIGKILL with its handler reset first; a shell calls it 137 as well.
        raise ChildExit(128 - status if -status == signal.SIGKILL else status)


def _foreground(app: App, key: Secret, writer: RequestLog, port: int) -> None:
    # This module is loaded for `ocx serve grant`, too, which needs no HTTP server.
    from ocx.serve.server import UvicornServer, base_url, listen  # noqa: PLC0415 - see above
    from ocx.serve.server import run as serve_until  # noqa: PLC0415 - the same

    with contextlib.closing(listen(port)) as listener:
        server = UvicornServer(app)
        writer.stop = server.stop
        writer.listening(base_url(listener), key)
        caught = serve_until(server, listener, (signal.SIGINT, signal.SIGTERM))
    writer.check()
    if caught is not None:
        raise Terminated if caught == signal.SIGTERM else Interrupted

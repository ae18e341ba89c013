"""From settings to an open client: the key, the sandbox, and the log on stderr.

Apart from `shared`, because whatever imports this module pays for an HTTP library.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ocx.api import Client
from ocx.api.types import Endpoint
from ocx.config.paths import state_dir
from ocx.config.settings import Settings
from ocx.keyring.lookup import endpoint, find_key
from ocx.runtime import Runtime
from ocx.terminal import Terminal


@contextmanager
def open_client(run: Runtime, settings: Settings) -> Iterator[Client]:
    """An open client for the endpoint that `settings` mean.

    Raises: AuthError (no key), ConfigError (a refused URL or an unreadable key).
    """
    log_to(run.terminal, _level(run))
    with _endpoint(run, settings) as target:
        if target.key is not None:
            run.terminal.stderr.hide(target.key)
        with Client(target) as client:
            yield client


@contextmanager
def _endpoint(run: Runtime, settings: Settings) -> Iterator[Endpoint]:
    if not settings.sandbox:
        found = find_key(settings, run.flags, run.terminal.env, run.terminal.read_stdin)
        for warning in found.warnings:
            run.warn(warning)
        yield endpoint(settings, found.secret)
        return
    from ocx.serve.launch import sandbox  # a whole HTTP server, only where it is asked for

    source = settings.sources.get("sandbox", "flag")
    if run.terminal.stderr_tty or source != "flag":
        chosen = "" if source == "flag" else f" (chosen by {source})"
        run.note(f"sandbox{chosen}: built-in server, play credits")
    with sandbox(state_dir(run.terminal.env)) as (base_url, key):
        yield endpoint(settings, key, base_url=base_url)


def _level(run: Runtime) -> int:
    if run.debug:
        return logging.DEBUG
    return logging.ERROR if run.quiet else logging.WARNING


def log_to(terminal: Terminal, level: int) -> None:
    """Send what the packages of `ocx` log to stderr, one line a record."""
    logger = logging.getLogger("ocx")
    handler = logging.StreamHandler(terminal.stderr)
    handler.setFormatter(logging.Formatter("ocx: %(message)s"))
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level)

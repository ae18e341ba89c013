"""Build and start servers: for `ocx serve`, alone or around a program, and for the sandbox."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from ocx.errors import cannot_run
from ocx.process import handling
from ocx.secret import Secret
from ocx.serve.admission import PREFIX, Log, mint
from ocx.serve.app import FIXED_TIME, App, ServeSettings
from ocx.serve.ledger import Ledger
from ocx.serve.server import serving
from ocx.serve.store import Store

FULL = Secret(f"{PREFIX}full")
EMPTY = Secret(f"{PREFIX}empty")
LIMITED = Secret(f"{PREFIX}limited")


def build_server(
    store: Store, settings: ServeSettings, *, ephemeral: bool = False, log: Log | None = None
) -> tuple[App, Secret]:
    """The application on `store`, and the key that its exports name.

    Args:
        ephemeral: fix ids, times and keys.
    """
    ledger = Ledger(store, (lambda: FIXED_TIME) if ephemeral else None)
    default = ledger.account(grant=settings.grant)
    key = FULL if ephemeral else mint()
    if ephemeral:
        # Each with an account of its own, so that one's spending changes no other's balance.
        limited = ledger.account("limited", grant=settings.grant)
        ledger.add_key(default.id, "full", secret=FULL)
        ledger.add_key(ledger.account("empty").id, "empty", secret=EMPTY)
        ledger.add_key(limited.id, "limited", secret=LIMITED, rpm=1)
    return App(ledger, settings, None if ephemeral else key, log, ephemeral), key


@contextlib.contextmanager
def sandbox(database: Path | None) -> Iterator[tuple[str, Secret]]:
    """Run the server while the block runs; its base URL, and a key that exists only in memory.

    The ledger is kept in `database`, in memory without one, with 500 credits when it is made.
    Nothing else is read, and nothing is forwarded.

    Raises:
        ConfigError: the database cannot be opened.
    """
    kept = Store.memory() if database is None else Store.open(database)
    with contextlib.closing(kept) as store:
        app, key = build_server(store, ServeSettings())
        with serving(app) as url:
            yield url, key


_LOOPBACK = "127.0.0.1,localhost"


def child_environment(
    env: Mapping[str, str], base_url: str, key: Secret, hidden: Collection[str] = ()
) -> dict[str, str]:
    """`env` for a child: every name that a client may look for leads to the server.

    Args:
        hidden: names that the child does not get, since they hold keys of upstreams.
    """
    left_out = {"OCX_SANDBOX", "OCX_PROFILE", *hidden}
    child = {name: text for name, text in env.items() if name not in left_out}
    for name in ("OCX_BASE_URL", "OPENAI_BASE_URL"):
        child[name] = base_url
    for name in ("OCX_API_KEY", "OPENCODEX_API_KEY", "OPENAI_API_KEY"):
        child[name] = key.reveal()
    for name in ("NO_PROXY", "no_proxy"):
        child[name] = f"{env[name]},{_LOOPBACK}" if env.get(name) else _LOOPBACK
    return child


def run_child(words: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program to its end; its status, minus the signal if one killed it.

    Ctrl-C reaches the program from the terminal itself, so here it only waits; SIGTERM is passed
    on.

    Raises:
        NotFoundError, CannotRunError: it cannot be started.
    """
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def wait(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGTERM:
            return
        if process is None:  # it runs already, perhaps, and Popen has not returned
            early.append(number)
        else:
            process.send_signal(number)

    # A handler, not SIG_IGN: that would be inherited, and the program could not be interrupted.
    with handling(wait, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        try:
            process = subprocess.Popen(words, env=env)
        except OSError as error:
            raise cannot_run(words[0], error) from error
        for number in early:
            process.send_signal(number)
        return process.wait()

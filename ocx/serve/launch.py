"""Build a server from settings, for `ocx serve` and for the sandbox."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocx.api.types import Endpoint
from ocx.secret import Secret
from ocx.serve.app import ServerComponents
from ocx.serve.auth import PREFIX, mint
from ocx.serve.chat import FIXED_TIME
from ocx.serve.ledger.ledger import Ledger
from ocx.serve.ledger.money import MICRO
from ocx.serve.ledger.store import Store
from ocx.serve.limits import Limiter
from ocx.serve.request_record import Log
from ocx.serve.routing import Router
from ocx.serve.server import serving, serving_app

if TYPE_CHECKING:
    # It imports every kind of target, and the sandbox needs none of them.
    from ocx.serve.settings import ServeSettings
    from ocx.serve.tape import Tape

FULL = Secret(f"{PREFIX}full")
EMPTY = Secret(f"{PREFIX}empty")
LIMITED = Secret(f"{PREFIX}limited")


@dataclass(frozen=True)
class Launch:
    """A server ready to run, and the key that its exports name."""

    components: ServerComponents
    key: Secret


def launch(
    store: Store, settings: ServeSettings, *, ephemeral: bool = False, log: Log | None = None
) -> Launch:
    """The components of a server on `store`; `ephemeral` fixes ids, times and keys."""
    clock = (lambda: FIXED_TIME) if ephemeral else None
    ledger = Ledger(store, clock)
    ledger.account(grant=settings.grant)
    key = FULL if ephemeral else mint()
    if ephemeral:
        _add_fixed_keys(ledger, settings.grant)
    components = ServerComponents(
        ledger,
        Limiter(settings.rpm, settings.concurrency),
        settings.catalogue,
        Router(settings.targets),
        process_key=None if ephemeral else key,
        log=log,
        send_timeout=settings.send_timeout,
        request_timeout=settings.request_timeout,
        fixed=ephemeral,
    )
    return Launch(components, key)


def _add_fixed_keys(ledger: Ledger, grant: int) -> None:
    """Each with an account of its own, so that one's spending changes no other's balance."""
    limited = ledger.account("limited", grant=grant)
    ledger.add_key(ledger.account().id, "full", secret=FULL)
    ledger.add_key(ledger.account("empty").id, "empty", secret=EMPTY)
    ledger.add_key(limited.id, "limited", secret=LIMITED, rpm=1)


DATABASE = "sandbox.sqlite3"
GRANT = 500 * MICRO


@contextlib.contextmanager
def sandbox(state_dir: Path | None) -> Iterator[tuple[str, Secret]]:
    """Run the server while the block runs; its base URL, and a key that exists only in memory.

    The ledger is `sandbox.sqlite3` in `state_dir`, in memory without one, 500 credits when it is
    made. Nothing else is read, and nothing is forwarded.

    Raises:
        ConfigError: the database cannot be opened.
    """
    kept = Store.memory() if state_dir is None else Store.open(state_dir / DATABASE)
    with contextlib.closing(kept) as store:
        key = mint()
        ledger = Ledger(store)
        ledger.account(grant=GRANT)
        with serving(ServerComponents(ledger, process_key=key)) as url:
            yield url, key


@contextlib.contextmanager
def tape_server(
    tape: Tape,
    endpoint: Endpoint | None,
    *,
    plays: bool,
    timing: bool = False,
    secrets: Sequence[Secret] = (),
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[str, Secret]]:
    """Run a tape's server while the block runs; its base URL, and the key it takes.

    Args:
        endpoint: what is recorded, or asked for what the tape lacks; None fails there.
        plays, timing, secrets: as `TapeApp` takes them.
    """
    from ocx.serve.tape_app import TapeApp  # only for tapes

    key = mint()
    app = TapeApp(tape, key, endpoint, plays=plays, timing=timing, secrets=secrets, tls=tls)
    with serving_app(app) as url:
        yield url, key

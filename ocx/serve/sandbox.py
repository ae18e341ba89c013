"""The embedded default: the server in a thread of this process, for one command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ocx.secret import Secret
from ocx.serve.app import Parts
from ocx.serve.keys import mint
from ocx.serve.ledger.ledger import Ledger
from ocx.serve.ledger.money import MICRO
from ocx.serve.ledger.store import Store
from ocx.serve.server import serving

DATABASE = "sandbox.sqlite3"
GRANT = 500 * MICRO


@contextlib.contextmanager
def sandbox(state_dir: Path) -> Iterator[tuple[str, Secret]]:
    """Run the server while the block runs; its base URL, and a key that exists only in memory.

    The ledger is `sandbox.sqlite3` in `state_dir`, 500 credits when it is made. Nothing else is
    read, and nothing is forwarded.

    Raises:
        ConfigError: the database cannot be opened.
    """
    with contextlib.closing(Store.open(state_dir / DATABASE)) as store:
        key = mint()
        ledger = Ledger(store)
        ledger.account(grant=GRANT)
        with serving(Parts(ledger, process_key=key)) as url:
            yield url, key

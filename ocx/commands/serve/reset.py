"""`ocx serve reset`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.serve.ledger import Ledger
from ocx.commands.context import ledger_path
from ocx.commands.options import Db
from ocx.serve.ledger import Ledger
from ocx.serve.settings import ServeSettings
from ocx.serve.store import Store, remove


def reset(
    run: Runtime,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    db: Db = None,
) -> None:
    """Delete the ledger, keys and all, and begin a new one with its first credits."""
    path = ledger_path(run, db)
    run.confirm(f"Delete the ledger {path}?", yes)
    remove(path)
    with contextlib.closing(Store.open(path)) as store:
        Ledger(store).account(grant=ServeSettings.grant)
    run.note(f"a new ledger, 500 credits: {path}")

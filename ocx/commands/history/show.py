"""`ocx history show`."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.config.paths import state_dir
from ocx.errors import UsageError
from ocx.history.call import document, request
from ocx.history.filters import Filters
from ocx.history.store import open_existing
from ocx.output.call_output import write_call
from ocx.output.json_output import write_json, write_json_line
from ocx.runtime import Runtime


def show(
    run: Runtime,
    id_: Annotated[
        int | None,
        typer.Argument(
            metavar="ID", help="Id from `ocx history list`; without one, the last call."
        ),
    ] = None,
    as_request: Annotated[
        bool,
        typer.Option("--request", help="Print the request, as --messages and `ocx batch` read it."),
    ] = False,
) -> None:
    """Show one call: what was sent, what came, what it took."""
    if as_request and run.json:
        raise UsageError("--request prints JSON already; leave out --json")
    with open_existing(state_dir(run.terminal.env), run.note) as history:
        filters = Filters() if id_ is None else Filters(ids=(id_,))
        entry = next(history.entries(filters, limit=1), None) if history else None
        if history is None or entry is None:
            what = "no call is kept yet" if id_ is None else f"there is no call {id_}"
            raise UsageError(what, hint="`ocx history list` shows the ids")
        messages = history.messages(entry.id)
    if as_request:
        write_json_line(run.terminal, request(entry, messages))
    elif run.json:
        write_json(run.terminal, document(entry, messages))
    else:
        write_call(run.terminal, entry, messages, color=run.color)

"""`ocx history rm`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ocx.commands.options import OfModel, Talk
from ocx.config.paths import state_dir
from ocx.errors import UsageError
from ocx.history.filters import Filters, parse_age, profile_filter
from ocx.history.store import open_existing
from ocx.plural import counted
from ocx.runtime import Runtime


def rm(
    run: Runtime,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Calls to remove.")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", help="All that are older (30d, 12h, 2w).", metavar="AGE"),
    ] = None,
    model: OfModel = None,
    conversation: Talk = None,
    everything: Annotated[bool, typer.Option("--all", help="All calls, and all balances.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove calls from the history.

    What is removed is overwritten in the file.
    """
    until = None if older_than is None else time.time() - parse_age(older_than, "--older-than")
    filters = Filters(
        until=until,
        model=model,
        profile=profile_filter(run.flags),
        conversation=conversation,
        ids=tuple(ids) if ids else None,
    )
    if filters.selects == everything:
        raise UsageError(
            "--all excludes every other choice" if everything else "nothing was chosen",
            hint="give ids, or --older-than, --model, --conversation, -P; or --all",
        )
    with open_existing(state_dir(run.terminal.env), run.note) as history:
        if history is None:
            return
        found = history.count(filters)
        readings = history.count_readings() if everything else 0
        if not found + readings:
            run.note("nothing matches")
            return
        what = " and ".join(
            counted(number, name)
            for number, name in ((found, "call"), (readings, "balance"))
            if number
        )
        run.confirm(f"Remove {what} from the history?", yes)
        history.remove(filters)
        run.note(f"removed {what}")

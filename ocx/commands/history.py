"""`ocx history`: the calls that were kept, and what they took."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ocx.cli.parameters import Limit, OfModel, Since, Talk, Until
from ocx.config.paths import state_dir
from ocx.errors import UsageError
from ocx.history.call import by_day, document, request
from ocx.history.filters import Filters, parse_age, profile_filter, read_filters
from ocx.history.store import open_existing
from ocx.output.history_output import day_document, write_call, write_days, write_found
from ocx.output.results import write_json, write_json_line
from ocx.runtime import Runtime
from ocx.text import counted


def list_(
    run: Runtime,
    since: Since = None,
    until: Until = None,
    model: OfModel = None,
    conversation: Talk = None,
    limit: Limit = 20,
) -> None:
    """List the calls that were kept, newest first.

    -P NAME shows one profile's.
    """
    write_found(run, read_filters(since, until, model, conversation, run.flags), limit)


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


def search(
    run: Runtime,
    words: Annotated[list[str], typer.Argument(help="Words of the prompt or the answer.")],
    since: Since = None,
    until: Until = None,
    model: OfModel = None,
    conversation: Talk = None,
    limit: Limit = 20,
) -> None:
    """Find calls by words of prompt and answer.

    All the words must be there; the newest call comes first.
    """
    filters = read_filters(since, until, model, conversation, run.flags)
    write_found(run, filters.with_text(" ".join(words)), limit)


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


def export(
    run: Runtime,
    since: Since = None,
    until: Until = None,
    model: OfModel = None,
    conversation: Talk = None,
) -> None:
    """Print the calls as JSON Lines, oldest first."""
    with open_existing(state_dir(run.terminal.env), run.note) as history:
        if history is None:
            return
        filters = read_filters(since, until, model, conversation, run.flags)
        for entry in history.entries(filters, oldest_first=True):
            write_json_line(run.terminal, document(entry, history.messages(entry.id)))


def stats(
    run: Runtime,
    since: Since = None,
    until: Until = None,
    model: OfModel = None,
    conversation: Talk = None,
) -> None:
    """Sum up tokens and credits by day and model."""
    with open_existing(state_dir(run.terminal.env), run.note) as history:
        filters = read_filters(since, until, model, conversation, run.flags)
        days = by_day(history.entries(filters)) if history else []
    if run.json:
        write_json(run.terminal, [day_document(day) for day in days])
    else:
        write_days(run.terminal, days, run.color)

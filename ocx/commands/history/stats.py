"""`ocx history stats`."""

from __future__ import annotations

from ocx.commands.options import OfModel, Since, Talk, Until
from ocx.config.paths import state_dir
from ocx.history.call import by_day
from ocx.history.filters import read_filters
from ocx.history.store import open_existing
from ocx.output.history_output import day_document, write_days
from ocx.output.json_output import write_json
from ocx.runtime import Runtime


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

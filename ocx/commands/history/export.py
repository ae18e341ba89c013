"""`ocx history export`."""

from __future__ import annotations

from ocx.commands.options import OfModel, Since, Talk, Until
from ocx.config.paths import state_dir
from ocx.history.call import document
from ocx.history.filters import read_filters
from ocx.history.store import open_existing
from ocx.output.json_output import write_json_line
from ocx.runtime import Runtime


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

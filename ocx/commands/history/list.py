"""`ocx history list`."""

from __future__ import annotations

from ocx.commands.options import Limit, OfModel, Since, Talk, Until
from ocx.history.filters import read_filters
from ocx.output.history_output import write_found
from ocx.runtime import Runtime


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

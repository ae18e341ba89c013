"""`ocx history search`."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.commands.options import Limit, OfModel, Since, Talk, Until
from ocx.history.filters import read_filters
from ocx.output.history_output import write_found
from ocx.runtime import Runtime


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

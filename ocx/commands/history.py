"""`ocx history`: the calls that were kept, and what they took."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

from ocx.cli import Option, OptionGroup, Text, Texts, option
from ocx.commands import Yes, print_json
from ocx.config.paths import state_dir, write_names
from ocx.context import Context
from ocx.errors import UsageError
from ocx.history.call import by_day, document, request
from ocx.history.filters import Filters, parse_age, parse_time, profile_filter
from ocx.history.store import open_existing
from ocx.output.history_output import day_documents, write_call, write_days, write_found
from ocx.output.writers import write_json_line
from ocx.record import record
from ocx.text import counted

_FILTERS = "Filters"
_Model = Annotated[Text, Option("--model -m ID", "Only calls to this model.", heading=_FILTERS)]
_Conversation = Annotated[
    Text, Option("--conversation NAME", "Only this conversation: its name or id.", heading=_FILTERS)
]


@record
class CallFilters(OptionGroup):
    """Which calls are meant; -P NAME takes one profile's."""

    heading = _FILTERS

    since: Text = option("--since TIME", "From this date (2026-01-31), or age (7d) on.")
    until: Text = option("--until TIME", "Before this date or age.")
    model: _Model = None
    conversation: _Conversation = None

    def read(self, ctx: Context) -> Filters:
        """Raises UsageError: a time is none."""
        now = time.time()
        return Filters(
            since=None if self.since is None else parse_time(self.since, "--since", now),
            until=None if self.until is None else parse_time(self.until, "--until", now),
            model=self.model,
            profile=profile_filter(ctx.flags),
            conversation=self.conversation,
        )


@record
class FirstCalls(CallFilters):
    limit: int = option("--limit N", "How many at most.", 20, minimum=1)


def list_(ctx: Context, chosen: FirstCalls) -> None:
    """List the calls that were kept, newest first.

    -P NAME shows one profile's.
    """
    write_found(ctx, chosen.read(ctx), chosen.limit)


def show(
    ctx: Context,
    id_: int | None = option("ID", "Id from `ocx history list`; without one, the last call."),
    as_request: bool = option(
        "--request", "Print the request, as --messages and `ocx batch` read it.", False
    ),
) -> None:
    """Show one call: what was sent, what came, what it took."""
    if as_request and ctx.json:
        raise UsageError("--request prints JSON already; leave out --json")
    with open_existing(state_dir(ctx.terminal.env), ctx.note) as history:
        filters = Filters() if id_ is None else Filters(ids=(id_,))
        entry = next(history.entries(filters, limit=1), None) if history else None
        if history is None or entry is None:
            what = "no call is kept yet" if id_ is None else f"there is no call {id_}"
            raise UsageError(what, hint="`ocx history list` shows the ids")
        messages = history.messages(entry.id)
    if as_request:
        write_json_line(ctx.terminal, request(entry, messages))
    elif ctx.json:
        print_json(ctx, document(entry, messages))
    else:
        write_call(ctx, entry, messages)


def search(
    ctx: Context,
    words: Annotated[Texts, Option("WORDS", "Words of the prompt or the answer.")],
    chosen: FirstCalls,
) -> None:
    """Find calls by words of prompt and answer.

    All the words must be there; the newest call comes first.
    """
    write_found(ctx, replace(chosen.read(ctx), text=" ".join(words)), chosen.limit)


def rm(
    ctx: Context,
    ids: tuple[int, ...] = option("[ID]...", "Calls to remove.", ()),
    older_than: Text = option("--older-than AGE", "All that are older (30d, 12h, 2w)."),
    model: _Model = None,
    conversation: _Conversation = None,
    everything: bool = option("--all", "All calls, and all balances.", False),
    yes: Yes = False,
) -> None:
    """Remove calls from the history.

    What is removed is overwritten in the file.
    """
    until = None if older_than is None else time.time() - parse_age(older_than, "--older-than")
    profile = profile_filter(ctx.flags)
    filters = Filters(None, until, model, profile, conversation, ids=ids or None)
    if filters.selects == everything:
        raise UsageError(
            "--all excludes every other choice" if everything else "nothing was chosen",
            hint="give ids, or --older-than, --model, --conversation, -P; or --all",
        )
    with open_existing(state_dir(ctx.terminal.env), ctx.note) as history:
        if history is None:
            return
        found = history.count(filters)
        what = [counted(found, "call")] if found else []
        if everything and (readings := history.count_readings()):
            what.append(counted(readings, "balance"))
        if not what:
            ctx.note("nothing matches")
            return
        ctx.confirm(f"Remove {' and '.join(what)} from the history?", yes)
        history.remove(filters)
        write_names(ctx.terminal.env, "conversations", history.conversation_names())
        ctx.note(f"removed {' and '.join(what)}")


def export(ctx: Context, chosen: CallFilters) -> None:
    """Print the calls as JSON Lines, oldest first."""
    with open_existing(state_dir(ctx.terminal.env), ctx.note) as history:
        if history is None:
            return
        for entry in history.entries(chosen.read(ctx), oldest_first=True):
            write_json_line(ctx.terminal, document(entry, history.messages(entry.id)))


def stats(ctx: Context, chosen: CallFilters) -> None:
    """Sum up tokens and credits by day and model."""
    with open_existing(state_dir(ctx.terminal.env), ctx.note) as history:
        filters = chosen.read(ctx)
        days = by_day(history.entries(filters) if history else ())
    if ctx.json:
        print_json(ctx, day_documents(days))
    else:
        write_days(ctx, days)

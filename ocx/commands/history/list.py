"""`ocx history`: the calls that were kept, and what they took."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import compress
from typing import Annotated, Any

import typer

from ocx.commands.context import shared
from ocx.config.paths import state_dir
from ocx.errors import UsageError
from ocx.escaping import escape_control
from ocx.history.call import Entry, document, request, text_of
from ocx.history.filters import Filters
from ocx.history.stats import Day, by_day
from ocx.history.store import FILE, History
from ocx.history.time_parsing import parse_age, parse_time
from ocx.output.bars import bars
from ocx.output.json_output import write_json, write_json_line
from ocx.output.table import write_table
from ocx.runtime import Runtime

Since = Annotated[
    str | None,
    typer.Option("--since", help="From this date (2026-01-31), or age (7d) on.", metavar="TIME"),
]
Until = Annotated[
    str | None, typer.Option("--until", help="Before this date or age.", metavar="TIME")
]
Model = Annotated[str | None, typer.Option("--model", "-m", help="Of this model.", metavar="ID")]
Talk = Annotated[
    str | None,
    typer.Option("--conversation", help="Of this conversation: name or id.", metavar="NAME"),
]
Limit = Annotated[int, typer.Option("--limit", help="How many at most.", min=1, metavar="N")]

_HEADERS = ("ID", "WHEN", "MODEL", "CONVERSATION", "TOKENS", "CREDITS", "OUTCOME", "PROMPT")
_STATS = ("DAY", "MODEL", "CALLS", "PROMPT TOKENS", "COMPLETION TOKENS", "CREDITS", "UNKNOWN")
_BARS = ("DAY", "MODEL", "CALLS", "TOKENS", "", "CREDITS", "")
_BAR = 20


@shared
def list_(
    run: Runtime,
    since: Since = None,
    until: Until = None,
    model: Model = None,
    conversation: Talk = None,
    limit: Limit = 20,
) -> None:
    """List the calls that were kept, newest first.

    -P NAME shows one profile's.
    """
    _write(run, _filters(run, since, until, model, conversation), limit)


@shared
def search(
    run: Runtime,
    words: Annotated[list[str], typer.Argument(help="Words of the prompt or the answer.")],
    since: Since = None,
    until: Until = None,
    model: Model = None,
    conversation: Talk = None,
    limit: Limit = 20,
) -> None:
    """Find calls by words of prompt and answer.

    All the words must be there; the newest call comes first.
    """
    filters = _filters(run, since, until, model, conversation)
    _write(run, filters.with_text(" ".join(words)), limit)


@shared
def show(
    run: Runtime,
    id_: Annotated[
        int | None, typer.Argument(metavar="ID", help="Of the list; the last call where left out.")
    ] = None,
    as_request: Annotated[
        bool,
        typer.Option("--request", help="Print the request, as --messages and `ocx batch` read it."),
    ] = False,
) -> None:
    """Show one call: what was sent, what came, what it took."""
    if as_request and run.json:
        raise UsageError("--request prints JSON already; leave out --json")
    with _history(run) as history:
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
        text = _text(entry, messages)
        run.terminal.print(escape_control(text) if run.terminal.stdout_tty else text)


@shared
def rm(
    run: Runtime,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Calls to remove.")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", help="All that are older (30d, 12h, 2w).", metavar="AGE"),
    ] = None,
    model: Model = None,
    conversation: Talk = None,
    everything: Annotated[bool, typer.Option("--all", help="All calls.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove calls from the history.

    What is removed is overwritten in the file.
    """
    until = None if older_than is None else time.time() - parse_age(older_than, "--older-than")
    filters = Filters(
        until=until,
        model=model,
        profile=_profile(run),
        conversation=conversation,
        ids=tuple(ids) if ids else None,
    )
    if filters.selects == everything:
        raise UsageError(
            "--all excludes every other choice" if everything else "nothing was chosen",
            hint="give ids, or --older-than, --model, --conversation, -P; or --all",
        )
    with _history(run) as history:
        found = history.count(filters) if history else 0
        if history is None or not found:
            run.note("there is no such call")
            return
        run.confirm(f"Remove {found} call{'s' if found > 1 else ''} from the history?", yes)
        run.note(f"removed {history.remove(filters)}")


@shared
def export(
    run: Runtime,
    since: Since = None,
    until: Until = None,
    model: Model = None,
    conversation: Talk = None,
) -> None:
    """Print the calls as JSON Lines, oldest first."""
    with _history(run) as history:
        if history is None:
            return
        filters = _filters(run, since, until, model, conversation)
        for entry in history.entries(filters, oldest_first=True):
            write_json_line(run.terminal, document(entry, history.messages(entry.id)))


@shared
def stats(
    run: Runtime,
    since: Since = None,
    until: Until = None,
    model: Model = None,
    conversation: Talk = None,
) -> None:
    """Sum up tokens and credits by day and model."""
    with _history(run) as history:
        filters = _filters(run, since, until, model, conversation)
        days = by_day(history.entries(filters)) if history else []
    if run.json:
        write_json(run.terminal, [_day_document(day) for day in days])
    elif run.terminal.stdout_tty:
        write_table(run.terminal, _BARS, _bar_rows(days), color=run.color)
    else:
        write_table(run.terminal, _STATS, [_day_row(day) for day in days])


@contextmanager
def _history(run: Runtime) -> Iterator[History | None]:
    """None where nothing was ever kept: looking makes no file."""
    state = state_dir(run.terminal.env)
    if not (state / FILE).exists():
        run.note("no call is kept yet")
        yield None
        return
    with History(state) as history:
        yield history


def _filters(
    run: Runtime,
    since: str | None,
    until: str | None,
    model: str | None,
    conversation: str | None,
) -> Filters:
    now = time.time()
    return Filters(
        since=None if since is None else parse_time(since, "--since", now),
        until=None if until is None else parse_time(until, "--until", now),
        model=model,
        profile=_profile(run),
        conversation=conversation,
    )


def _profile(run: Runtime) -> str | None:
    """Only where the call names it: a default profile must not hide the others' calls."""
    name: str | None = run.flags.get("profile")
    return "sandbox" if run.flags.get("sandbox") and name is None else name


def _write(run: Runtime, filters: Filters, limit: int) -> None:
    with _history(run) as history:
        entries = list(history.entries(filters, limit=limit)) if history else []
        if run.json:
            found = [document(e, history.messages(e.id)) for e in entries] if history else []
            write_json(run.terminal, found)
            return
    rows = [_row(entry, short=run.terminal.stdout_tty) for entry in entries]
    if run.terminal.stdout_tty and rows:  # 80 columns have no place for one that says nothing
        used = [any(cells) for cells in zip(*rows, strict=True)]
        headers, *rows = (tuple(compress(row, used)) for row in (_HEADERS, *rows))
    else:
        headers = _HEADERS
    write_table(run.terminal, headers, rows, color=run.color)


def _row(entry: Entry, *, short: bool) -> tuple[str, ...]:
    prompt = " ".join(entry.prompt.split()) if short else entry.prompt
    return (
        str(entry.id),
        entry.when.isoformat(" ", "minutes")[:16]
        if short
        else entry.when.isoformat("T", "seconds"),
        entry.model,
        entry.conversation_name or str(entry.conversation),
        _tokens(entry),
        _credits(entry),
        entry.outcome,
        prompt[:57] + "…" if short and len(prompt) > 58 else prompt,
    )


def _text(entry: Entry, messages: list[dict[str, Any]]) -> str:
    """The call for a person, as Markdown-like text."""
    facts = [
        ("id", str(entry.id)),
        ("when", entry.when.isoformat(" ", "seconds")),
        ("profile", entry.profile),
        ("model", _models(entry)),
        ("conversation", entry.conversation_name or str(entry.conversation)),
        ("options", json.dumps(dict(entry.options)) if entry.options else ""),
        ("tokens", _tokens(entry)),
        (
            "credits",
            f"{_credits(entry)} ({entry.credits_source})"
            if entry.credits is not None
            else "unknown",
        ),
        ("seconds", f"{entry.seconds:.2f}"),
        ("retries", str(entry.retries or "")),
        ("request id", entry.request_id or ""),
        ("outcome", _outcome(entry)),
    ]
    head = "\n".join(f"{name}: {value}" for name, value in facts if value)
    parts = [(str(message.get("role")), text_of(message.get("content"))) for message in messages]
    if entry.reasoning:
        parts.append(("reasoning", entry.reasoning))
    parts.append(("assistant", entry.answer))
    if entry.tool_calls:
        parts.append(("tool calls", json.dumps(entry.tool_calls, ensure_ascii=False)))
    return head + "".join(f"\n\n## {name}\n\n{text}" for name, text in parts).rstrip("\n")


def _models(entry: Entry) -> str:
    returned = entry.model_returned
    return entry.model if returned in {None, entry.model} else f"{entry.model} ({returned})"


def _outcome(entry: Entry) -> str:
    ending = f"{entry.outcome}, exit code {entry.exit_code}"
    return f"{ending}: {entry.error}" if entry.error else ending


def _tokens(entry: Entry) -> str:
    counts = (entry.tokens("prompt_tokens"), entry.tokens("completion_tokens"))
    return "" if counts == (None, None) else f"{counts[0] or 0}+{counts[1] or 0}"


def _credits(entry: Entry) -> str:
    return "" if entry.credits is None else f"{entry.credits:f}"


def _day_credits(day: Day) -> str:
    """Empty where nothing is known: unknown is never 0."""
    return "" if day.unknown == day.calls else f"{day.credits:f}"


def _day_row(day: Day) -> tuple[str, ...]:
    counts = (day.calls, day.prompt_tokens, day.completion_tokens)
    return (day.day, day.model, *map(str, counts), _day_credits(day), str(day.unknown))


def _day_document(day: Day) -> dict[str, Any]:
    return {
        "day": day.day,
        "model": day.model,
        "calls": day.calls,
        "prompt_tokens": day.prompt_tokens,
        "completion_tokens": day.completion_tokens,
        "credits": _day_credits(day) or None,
        "unknown_credits": day.unknown,
    }


def _bar_rows(days: list[Day]) -> list[tuple[str, ...]]:
    tokens = bars([day.tokens for day in days], _BAR)
    credits = bars([day.credits for day in days], _BAR)
    return [
        (d.day, d.model, str(d.calls), str(d.tokens), t, _bar_credits(d), c)
        for d, t, c in zip(days, tokens, credits, strict=True)
    ]


def _bar_credits(day: Day) -> str:
    known = _day_credits(day)
    missing = f"{day.unknown} unknown" if day.unknown else ""
    return " + ".join(filter(None, (known, missing)))

"""Calls of the history: as tables, and one of them whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from ocx.api.prices import cached_tokens, reasoning_tokens, token_counts
from ocx.config.paths import state_dir
from ocx.context import Context
from ocx.history.call import Days, Entry, Totals, document, text_of
from ocx.history.filters import Filters
from ocx.history.store import open_existing
from ocx.output.columns import GAP, Cell, Column, Row, styled_text, write_table
from ocx.output.figures import ago, bars, day_text, now
from ocx.output.writers import write_json
from ocx.text import counted, one_line
from ocx.typography import cells

_CALLS = (
    Column("ID", "accent", right=True),
    Column("WHEN", "dim", whole=True, optional=1),
    Column("MODEL", short=True, optional=3),
    Column("PROFILE", short=True, optional=4),
    Column("CONV", short=True, optional=2),
    Column("TOKENS", right=True, optional=6),
    Column("CREDITS", right=True, optional=5),
    Column("OUTCOME", "bad", whole=True),
    Column("PROMPT", cut=True),
)
_DAYS = (
    Column("DAY", "dim", whole=True),
    Column("MODEL", "accent"),
    Column("CALLS", right=True, optional=1),
    Column("TOKENS", right=True),
    Column("", optional=2),
    Column("CREDITS", right=True, whole=False),
    Column("", optional=2),
)
_LONGEST_BAR = 20
_ANSWER = "assistant"


def write_found(ctx: Context, filters: Filters, limit: int) -> None:
    """Print the calls that `filters` select, newest first: a table, or JSON."""
    with open_existing(state_dir(ctx.terminal.env), ctx.note) as history:
        entries = list(history.entries(filters, limit=limit)) if history else []
        if ctx.json:
            found = [document(e, history.messages(e.id)) for e in entries] if history else []
            write_json(ctx.terminal, found)
            return
    if entries:
        rows = list((_screen_rows if ctx.terminal.stdout_tty else _rows)(entries))
        write_table(ctx, _CALLS, rows)
    elif history is not None:
        ctx.note("nothing matches")


def _rows(entries: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    for entry in entries:
        yield (
            str(entry.id),
            entry.when.isoformat("T", "seconds"),
            entry.model,
            entry.conversation_label,
            _tokens(entry),
            _credits(entry),
            entry.outcome,
            entry.prompt,
        )


def _screen_rows(entries: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    """What is worth a place: named conversations, several profiles, outcomes that are not good."""
    at = now()
    places = most_decimals(entry.credits for entry in entries)
    several = len({entry.profile for entry in entries}) > 1
    for entry in entries:
        yield (
            str(entry.id),
            ago(entry.when, at),
            entry.model,
            entry.profile if several else "",
            entry.conversation_label if entry.conversation_name or entry.turns > 1 else "",
            _tokens(entry),
            "" if entry.credits is None else f"{entry.credits:.{places}f}",
            "" if entry.outcome == "finished" else entry.outcome,
            " ".join(entry.prompt.split()),
        )


def write_days(ctx: Context, days: Days) -> None:
    """Print tokens and credits a day: with bars on a terminal, all the numbers in a pipe."""
    terminal = ctx.terminal
    if not terminal.stdout_tty:
        write_table(ctx, (), [_day_row(document) for document in day_documents(days)])
        return
    write_table(ctx, _DAYS, _bar_rows(days, terminal.width))
    unknown = {
        "tokens": sum(took.unknown_tokens for took in days.values()),
        "credits": sum(took.unknown_credits for took in days.values()),
    }
    missing = [f"{what} of {counted(number, 'call')}" for what, number in unknown.items() if number]
    if missing:  # what the sums above do not hold
        line = f"unknown: {', '.join(missing)}"
        terminal.print(
            styled_text(line, "dim", color=terminal.stdout_color(ctx.color)), styled=True
        )


def _day_row(document: dict[str, Any]) -> tuple[str, ...]:
    """The numbers of the document, but for how many calls have unknown tokens."""
    values = (value for name, value in document.items() if name != "unknown_tokens")
    return tuple("" if value is None else str(value) for value in values)


def day_documents(days: Days) -> list[dict[str, Any]]:
    """What `--json` prints; `credits` is a string, so that no reader rounds it."""
    return [
        {"day": day, "model": model, **asdict(took), "credits": _credits(took) or None}
        for (day, model), took in days.items()
    ]


def _bar_rows(days: Days, width: int) -> list[Row]:
    """Two bars share what the numbers leave of the screen."""
    today = now().date()
    places = most_decimals(took.credits for took in days.values())
    texts = [
        (
            day_text(date.fromisoformat(day), today),
            model,
            str(took.calls),
            "" if took.prompt_tokens is None else str(took.tokens),
            "" if took.credits is None else f"{took.credits:.{places}f}",
        )
        for (day, model), took in days.items()
    ]
    titles = [column.title for column in _DAYS if column.title]
    taken = sum(max(map(cells, column)) for column in zip(titles, *texts, strict=True))
    free = max(2, min(2 * _LONGEST_BAR, width - taken - GAP * (len(_DAYS) - 1)))
    tokens = bars([took.tokens for took in days.values()], free - free // 2)
    credits = bars([took.credits or 0 for took in days.values()], free // 2)
    return [
        (*row[:4], Cell(t, "accent"), row[4], Cell(c, "accent"))
        for row, t, c in zip(texts, tokens, credits, strict=True)
    ]


def write_call(ctx: Context, entry: Entry, messages: list[dict[str, Any]]) -> None:
    """Print a call for a person; on a terminal the answer is rendered as `ocx chat` did."""
    terminal = ctx.terminal
    facts = [(name, value) for name, value in _facts(entry) if value]
    if not terminal.stdout_tty:
        head = "\n".join(f"{name}: {value}" for name, value in facts)
        texts = _texts(entry, messages)
        parts = "".join(f"\n\n## {name}\n\n{text}" for name, text in texts)
        terminal.print(head + parts.rstrip("\n"))
        return
    from ocx.output.markdown import MarkdownWriter  # rich, only if somebody looks
    from ocx.output.screen_table import Table

    color = terminal.stdout_color(ctx.color)
    Table(ctx, (Column("", "dim"), Column("")), facts).write(facts)
    for name, text in _texts(entry, messages):
        title = styled_text(one_line(name), "bold", color=color)
        terminal.print(f"\n{title}\n", styled=True)
        if name == _ANSWER:
            writer = MarkdownWriter(terminal.stdout, terminal, color=color)
            writer.write(text)
            writer.finish(complete=True)
        else:
            terminal.print(text.rstrip("\n"))


def _facts(entry: Entry) -> Iterator[tuple[str, str]]:
    """What is known of a call besides its texts: names and values."""
    yield "id", str(entry.id)
    yield "when", entry.when.isoformat(" ", "seconds")
    yield "profile", entry.profile
    other = entry.model_returned not in {None, entry.model}
    yield "model", f"{entry.model} ({entry.model_returned})" if other else entry.model
    yield "conversation", entry.conversation_name or str(entry.conversation)
    yield "options", json.dumps(dict(entry.options)) if entry.options else ""
    kinds = {"cached": cached_tokens(entry.usage), "reasoning": reasoning_tokens(entry.usage)}
    more = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    yield "tokens", f"{_tokens(entry)} ({more})" if more else _tokens(entry)
    source = f" ({entry.credits_source})"
    yield "credits", "unknown" if entry.credits is None else _credits(entry) + source
    yield "seconds", f"{entry.seconds:.2f}"
    yield "retries", str(entry.retries or "")
    yield "request id", entry.request_id or ""
    ending = f"{entry.outcome}, exit code {entry.exit_code}"
    yield "outcome", f"{ending}: {entry.error}" if entry.error else ending


def _texts(entry: Entry, messages: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The texts of a call, each with who wrote it."""
    for message in messages:
        yield str(message.get("role")), text_of(message.get("content"))
    if entry.reasoning:
        yield "reasoning", entry.reasoning
    yield _ANSWER, entry.answer
    if entry.tool_calls:
        yield "tool calls", json.dumps(entry.tool_calls, ensure_ascii=False)


def _tokens(entry: Entry) -> str:
    prompt, completion = token_counts(entry.usage)
    return "" if prompt is completion is None else f"{prompt or 0}+{completion or 0}"


def _credits(took: Entry | Totals) -> str:
    return "" if took.credits is None else f"{took.credits:f}"


def most_decimals(numbers: Iterable[Decimal | None]) -> int:
    """How many decimals the most exact of them has, so that all of them align at the point."""
    exponents = (n.as_tuple().exponent for n in numbers if n is not None and n.is_finite())
    return max((-each for each in exponents if isinstance(each, int) and each < 0), default=0)

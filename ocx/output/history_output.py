"""Calls of the history: as tables, and one of them whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ocx.api.prices import cached_tokens, reasoning_tokens
from ocx.config.paths import state_dir
from ocx.context import Context
from ocx.history.call import DayTotals, Entry, document, text_of
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


def write_days(ctx: Context, days: list[DayTotals]) -> None:
    """Print tokens and credits a day: with bars on a terminal, all the numbers in a pipe."""
    terminal = ctx.terminal
    if not terminal.stdout_tty:
        write_table(ctx, (), list(map(_day_row, days)))
        return
    write_table(ctx, _DAYS, _bar_rows(days, terminal.width))
    unknown = {"tokens": sum(d.uncounted for d in days), "credits": sum(d.unknown for d in days)}
    missing = [f"{what} of {counted(number, 'call')}" for what, number in unknown.items() if number]
    if missing:  # what the sums above do not hold
        line = f"unknown: {', '.join(missing)}"
        terminal.print(
            styled_text(line, "dim", color=terminal.stdout_color(ctx.color)), styled=True
        )


def _day_row(day: DayTotals) -> tuple[str, ...]:
    """The numbers of its document, but for how many calls have unknown tokens."""
    values = (value for name, value in day_document(day).items() if name != "unknown_tokens")
    return tuple("" if value is None else str(value) for value in values)


def day_document(day: DayTotals) -> dict[str, Any]:
    prompt, completion = _day_tokens(day)
    return {
        "day": day.day,
        "model": day.model,
        "calls": day.calls,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "unknown_tokens": day.uncounted,
        "credits": _day_credits(day) or None,
        "unknown_credits": day.unknown,
    }


def _bar_rows(days: list[DayTotals], width: int) -> list[Row]:
    """Two bars share what the numbers leave of the screen."""
    today = now().date()
    places = most_decimals(day.credits for day in days)
    texts = [
        (
            day_text(date.fromisoformat(day.day), today),
            day.model,
            str(day.calls),
            "" if _day_tokens(day)[0] is None else str(day.tokens),
            f"{day.credits:.{places}f}" if _day_credits(day) else "",
        )
        for day in days
    ]
    titles = [column.title for column in _DAYS if column.title]
    taken = sum(max(map(cells, column)) for column in zip(titles, *texts, strict=True))
    free = max(2, min(2 * _LONGEST_BAR, width - taken - GAP * (len(_DAYS) - 1)))
    tokens = bars([day.tokens for day in days], free - free // 2)
    credits = bars([day.credits for day in days], free // 2)
    return [
        (*row[:4], Cell(t, "accent"), row[4], Cell(c, "accent"))
        for row, t, c in zip(texts, tokens, credits, strict=True)
    ]


def _day_tokens(day: DayTotals) -> tuple[int, int] | tuple[None, None]:
    is_counted = day.uncounted < day.calls
    return (day.prompt_tokens, day.completion_tokens) if is_counted else (None, None)


def _day_credits(day: DayTotals) -> str:
    """Empty where nothing is known: unknown is never 0."""
    return "" if day.unknown == day.calls else f"{day.credits:f}"


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
    counts = (entry.tokens("prompt_tokens"), entry.tokens("completion_tokens"))
    return "" if counts == (None, None) else f"{counts[0] or 0}+{counts[1] or 0}"


def _credits(entry: Entry) -> str:
    return "" if entry.credits is None else f"{entry.credits:f}"


def most_decimals(numbers: Iterable[Decimal | None]) -> int:
    """How many decimals the most exact of them has, so that all of them align at the point."""
    exponents = (n.as_tuple().exponent for n in numbers if n is not None and n.is_finite())
    return max((-each for each in exponents if isinstance(each, int) and each < 0), default=0)

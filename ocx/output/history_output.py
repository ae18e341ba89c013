"""Calls of the history: as tables, and one of them whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ocx.api.usage import cached_tokens, reasoning_tokens
from ocx.config.paths import state_dir
from ocx.history.call import DayTotals, Entry, document, text_of
from ocx.history.filters import Filters
from ocx.history.store import open_existing
from ocx.output.figures import ago, bars, day_text, now
from ocx.output.results import write_json
from ocx.output.screen_table import GAP
from ocx.output.table import Cell, Column, Table, styled_text, write_table
from ocx.runtime import Runtime
from ocx.terminal import Terminal
from ocx.text import one_line
from ocx.typography import cells

_CALLS = (
    Column("ID", "accent", right=True),
    Column("WHEN", "dim", whole=True, optional=1),
    Column("MODEL", optional=3),
    Column("PROFILE", optional=4),
    Column("CONV", optional=2),
    Column("TOKENS", right=True, optional=6),
    Column("CREDITS", right=True, optional=5),
    Column("OUTCOME", "bad", whole=True),
    Column("PROMPT", cut=True),
)
_STATS = ("DAY", "MODEL", "CALLS", "PROMPT TOKENS", "COMPLETION TOKENS", "CREDITS", "UNKNOWN")
_BARS = (
    Column("DAY", "dim", whole=True),
    Column("MODEL", "accent"),
    Column("CALLS", right=True, optional=1),
    Column("TOKENS", right=True),
    Column("", optional=2),
    Column("CREDITS", right=True, whole=False),
    Column("", optional=2),
)
_LONGEST_BAR = 20
ANSWER = "assistant"


def write_found(run: Runtime, filters: Filters, limit: int) -> None:
    """Print the calls that `filters` select, newest first: a table, or JSON."""
    with open_existing(state_dir(run.terminal.env), run.note) as history:
        entries = list(history.entries(filters, limit=limit)) if history else []
        if run.json:
            found = [document(e, history.messages(e.id)) for e in entries] if history else []
            write_json(run.terminal, found)
            return
    if entries:
        _write_calls(run.terminal, entries, run.color)
    elif history is not None:
        run.note("nothing matches")


def _write_calls(terminal: Terminal, entries: Sequence[Entry], color: str) -> None:
    """Print a table of calls; on a terminal without the columns that say nothing."""
    if terminal.stdout_tty:
        write_table(terminal, _CALLS, list(_screen_rows(entries)), color=color)
    else:
        write_table(terminal, (), list(map(_row, entries)))


def write_days(terminal: Terminal, days: list[DayTotals], color: str) -> None:
    """Print tokens and credits a day: with bars on a terminal, all the numbers in a pipe."""
    if terminal.stdout_tty:
        write_table(terminal, _BARS, _bar_rows(days, terminal.width), color=color)
        if unknown := _unknown_text(days):
            line = styled_text(unknown, "dim", color=terminal.stdout_color(color))
            terminal.print(line, styled=True)
    else:
        write_table(terminal, _STATS, [_day_row(day) for day in days])


def _row(entry: Entry) -> tuple[str, ...]:
    return (
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


def call_facts(entry: Entry) -> list[tuple[str, str]]:
    """What is known of a call besides its texts: names and values."""
    facts = [
        ("id", str(entry.id)),
        ("when", entry.when.isoformat(" ", "seconds")),
        ("profile", entry.profile),
        ("model", _models(entry)),
        ("conversation", entry.conversation_name or str(entry.conversation)),
        ("options", json.dumps(dict(entry.options)) if entry.options else ""),
        ("tokens", _token_facts(entry)),
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
    return [(name, value) for name, value in facts if value]


def call_texts(entry: Entry, messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The texts of a call, each with who wrote it."""
    parts = [(str(message.get("role")), text_of(message.get("content"))) for message in messages]
    if entry.reasoning:
        parts.append(("reasoning", entry.reasoning))
    parts.append((ANSWER, entry.answer))
    if entry.tool_calls:
        parts.append(("tool calls", json.dumps(entry.tool_calls, ensure_ascii=False)))
    return parts


def _models(entry: Entry) -> str:
    returned = entry.model_returned
    return entry.model if returned in {None, entry.model} else f"{entry.model} ({returned})"


def _outcome(entry: Entry) -> str:
    ending = f"{entry.outcome}, exit code {entry.exit_code}"
    return f"{ending}: {entry.error}" if entry.error else ending


def _tokens(entry: Entry) -> str:
    counts = (entry.tokens("prompt_tokens"), entry.tokens("completion_tokens"))
    return "" if counts == (None, None) else f"{counts[0] or 0}+{counts[1] or 0}"


def _token_facts(entry: Entry) -> str:
    """The same with those that were cached or went into reasoning."""
    kinds = {"cached": cached_tokens(entry.usage), "reasoning": reasoning_tokens(entry.usage)}
    more = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    return f"{_tokens(entry)} ({more})" if more else _tokens(entry)


def _credits(entry: Entry) -> str:
    return "" if entry.credits is None else f"{entry.credits:f}"


def _day_credits(day: DayTotals) -> str:
    """Empty where nothing is known: unknown is never 0."""
    return "" if day.unknown == day.calls else f"{day.credits:f}"


def _day_row(day: DayTotals) -> tuple[str, ...]:
    tokens = map(str, _day_tokens(day)) if _counted(day) else ("", "")
    return (day.day, day.model, str(day.calls), *tokens, _day_credits(day), str(day.unknown))


def _counted(day: DayTotals) -> bool:
    return day.uncounted < day.calls


def _day_tokens(day: DayTotals) -> tuple[int, int] | tuple[None, None]:
    return (day.prompt_tokens, day.completion_tokens) if _counted(day) else (None, None)


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


def _bar_rows(days: list[DayTotals], width: int) -> list[tuple[str | Cell, ...]]:
    """Two bars share what the numbers leave of the screen."""
    today = now().date()
    places = most_decimals(day.credits for day in days)
    texts = [
        (
            day_text(date.fromisoformat(d.day), today),
            d.model,
            str(d.calls),
            str(d.tokens) if _counted(d) else "",
            f"{d.credits:.{places}f}" if _day_credits(d) else "",
        )
        for d in days
    ]
    titles = [column.title for column in _BARS if column.title]
    taken = sum(max(map(cells, column)) for column in zip(titles, *texts, strict=True))
    free = max(2, min(2 * _LONGEST_BAR, width - taken - GAP * (len(_BARS) - 1)))
    tokens = bars([day.tokens for day in days], free - free // 2)
    credits = bars([day.credits for day in days], free // 2)
    return [
        (*row[:4], Cell(t, "accent"), row[4], Cell(c, "accent"))
        for row, t, c in zip(texts, tokens, credits, strict=True)
    ]


def _unknown_text(days: Sequence[DayTotals]) -> str:
    """What the sums above do not hold."""
    tokens = sum(day.uncounted for day in days)
    credits = sum(day.unknown for day in days)
    missing = [
        f"{what} of {count} call{'s' if count > 1 else ''}"
        for what, count in (("tokens", tokens), ("credits", credits))
        if count
    ]
    return f"unknown: {', '.join(missing)}" if missing else ""


def most_decimals(numbers: Iterable[Decimal | None]) -> int:
    """How many decimals the most exact of them has, so that all of them align at the point."""
    exponents = (n.as_tuple().exponent for n in numbers if n is not None and n.is_finite())
    return max((-each for each in exponents if isinstance(each, int) and each < 0), default=0)


def write_call(
    terminal: Terminal, entry: Entry, messages: list[dict[str, Any]], *, color: str
) -> None:
    """Print a call for a person; on a terminal the answer is rendered as `ocx chat` did."""
    facts, texts = call_facts(entry), call_texts(entry, messages)
    if not terminal.stdout_tty:
        head = "\n".join(f"{name}: {value}" for name, value in facts)
        parts = "".join(f"\n\n## {name}\n\n{text}" for name, text in texts)
        terminal.print(head + parts.rstrip("\n"))
        return
    columns = (Column("", "dim"), Column(""))
    table = Table(terminal, columns, facts, color=color)
    table.write(facts)
    for name, text in texts:
        title = styled_text(one_line(name), "bold", color=terminal.stdout_color(color))
        terminal.print(f"\n{title}\n", styled=True)
        if name == ANSWER:
            _write_answer(terminal, text, color=color)
        else:
            terminal.print(text.rstrip("\n"))


def _write_answer(terminal: Terminal, text: str, *, color: str) -> None:
    from ocx.output.markdown import MarkdownWriter  # rich, only if somebody looks

    writer = MarkdownWriter(terminal.stdout, terminal, color=terminal.stdout_color(color))
    writer.write(text)
    writer.finish(complete=True)

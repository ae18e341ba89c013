"""Calls of the history as tables and text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import compress
from typing import Any

from ocx.config.paths import state_dir
from ocx.history.call import Entry, document, text_of
from ocx.history.filters import Filters
from ocx.history.stats import Day
from ocx.history.store import open_existing
from ocx.output.bars import bars
from ocx.output.json_output import write_json
from ocx.output.table import write_table
from ocx.runtime import Runtime
from ocx.terminal import Terminal

_HEADERS = ("ID", "WHEN", "MODEL", "CONVERSATION", "TOKENS", "CREDITS", "OUTCOME", "PROMPT")


_STATS = ("DAY", "MODEL", "CALLS", "PROMPT TOKENS", "COMPLETION TOKENS", "CREDITS", "UNKNOWN")


_BARS = ("DAY", "MODEL", "CALLS", "TOKENS", "", "CREDITS", "")


_BAR = 20


def write_found(run: Runtime, filters: Filters, limit: int) -> None:
    """Print the calls that `filters` select, newest first: a table, or JSON."""
    with open_existing(state_dir(run.terminal.env), run.note) as history:
        entries = list(history.entries(filters, limit=limit)) if history else []
        if run.json:
            found = [document(e, history.messages(e.id)) for e in entries] if history else []
            write_json(run.terminal, found)
            return
    _write_calls(run.terminal, entries, run.color)


def _write_calls(terminal: Terminal, entries: Sequence[Entry], color: str) -> None:
    """Print a table of calls; on a terminal without the columns that say nothing."""
    rows = [_row(entry, short=terminal.stdout_tty) for entry in entries]
    headers: tuple[str, ...] = _HEADERS
    if terminal.stdout_tty and rows:  # 80 columns have no place for one that says nothing
        used = [any(cells) for cells in zip(*rows, strict=True)]
        headers, *rows = (tuple(compress(row, used)) for row in (_HEADERS, *rows))
    write_table(terminal, headers, rows, color=color)


def write_days(terminal: Terminal, days: list[Day], color: str) -> None:
    """Print tokens and credits a day: with bars on a terminal, all the numbers in a pipe."""
    if terminal.stdout_tty:
        write_table(terminal, _BARS, _bar_rows(days), color=color)
    else:
        write_table(terminal, _STATS, [_day_row(day) for day in days])


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


def call_text(entry: Entry, messages: list[dict[str, Any]]) -> str:
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


def day_document(day: Day) -> dict[str, Any]:
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

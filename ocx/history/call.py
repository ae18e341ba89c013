"""One call as the history keeps it, what many took by day, and how long the credits last; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from ocx.api.prices import token_counts
from ocx.secret import PROVIDER_KEY, Secret, mask_keys
from ocx.text import map_texts

Outcome = Literal["finished", "cancelled", "failed"]
Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Call:
    """What was sent, what came, and how it ended.

    Attributes:
        started: seconds since the epoch.
        profile: its name.
        base_url: where it was sent.
        model: the id asked for.
        options: every field of the body but model, messages and stream.
        answer: all text that arrived, even if the answer broke off.
        credits: as `ocx.api.types` found them, None if unknown.
        seconds: from sending to the end; `first_token_seconds` to the first text.
        outcome: `finished` if the answer came whole: only such calls are continued.
    """

    started: float
    profile: str
    base_url: str
    model: str
    model_returned: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = ""
    answer: str = ""
    reasoning: str = ""
    tool_calls: Sequence[Any] | None = None
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    credits: Decimal | None = None
    credits_source: str = "unknown"
    first_token_seconds: float | None = None
    seconds: float
    retries: int = 0
    request_id: str | None = None
    outcome: Outcome
    exit_code: int
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entry(Call):
    """A call that is stored.

    Attributes:
        id: unique for ever.
        conversation: id of the conversation; `conversation_name` is None for most.
        turn, turns: which call of the conversation it is, from 1, and how many there are.
    """

    id: int
    conversation: int
    conversation_name: str | None = None
    turn: int = 1
    turns: int = 1

    @property
    def conversation_label(self) -> str:
        """The conversation, and with several turns which one this is: `trip#2`."""
        name = self.conversation_name or str(self.conversation)
        return f"{name}#{self.turn}" if self.turns > 1 else name

    @property
    def when(self) -> datetime:
        """The start, in local time."""
        return datetime.fromtimestamp(self.started).astimezone()

    @property
    def reply(self) -> Message:
        """The answer as a message of the conversation."""
        if self.tool_calls:
            calls = list(self.tool_calls)
            return {"role": "assistant", "content": self.answer or None, "tool_calls": calls}
        return {"role": "assistant", "content": self.answer}


def document(entry: Entry, messages: Sequence[Message]) -> dict[str, Any]:
    """The whole call as one JSON object: what `--json` and `export` print.

    `credits` is a string, so that no reader rounds it; `started` is ISO 8601 with the offset.
    """
    names = ("id", "conversation", "conversation_name", *(item.name for item in fields(Call)))
    document = {"messages" if name == "prompt" else name: getattr(entry, name) for name in names}
    document["messages"] = list(messages)
    document["started"] = entry.when.isoformat(timespec="milliseconds")
    document["credits"] = None if entry.credits is None else str(entry.credits)
    return document


def request(entry: Entry, messages: Sequence[Message]) -> dict[str, Any]:
    """The request as a row of OpenAI's batch format, which `--messages` and `ocx batch` read."""
    return {
        "custom_id": f"call-{entry.id}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": entry.model, "messages": list(messages), **entry.options},
    }


def prompt_of(messages: Sequence[Message]) -> str:
    """The text of the last message of the user, for lists and the search."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message.get("content"))
    return ""


def text_of(content: Any) -> str:
    """A message's text; another part is named in brackets."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part for part in content if isinstance(part, dict)]
    return "\n\n".join(str(part.get("text") or f"[{part.get('type')}]") for part in parts)


def without_keys(value: Any, keys: Sequence[Secret]) -> Any:
    """`value` with the keys in use, and every key of the provider, masked in all its texts.

    Whoever typed them into a prompt; other text is kept as it was.
    """

    def masked(text: str) -> str:
        # JSON can spell half a surrogate pair, which no file can hold.
        text = mask_keys(text, keys).encode("utf-8", "replace").decode()
        return PROVIDER_KEY.sub(lambda match: Secret(match.group()).masked(), text)

    return map_texts(value, masked)


@dataclass
class Totals:
    """What calls took.

    Attributes:
        prompt_tokens, completion_tokens, credits: the sums of what is known; None if nothing is.
        unknown_tokens: how many calls have none: the server did not count them.
        unknown_credits: how many took an unknown number of credits.
    """

    calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    unknown_tokens: int = 0
    credits: Decimal | None = None
    unknown_credits: int = 0

    @property
    def tokens(self) -> int:
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)

    def add(self, usage: Mapping[str, Any] | None, credits: Decimal | None) -> None:
        """One call more."""
        self.calls += 1
        prompt, completion = token_counts(usage)
        if prompt is None and completion is None:
            self.unknown_tokens += 1
        else:
            self.prompt_tokens = (self.prompt_tokens or 0) + (prompt or 0)
            self.completion_tokens = (self.completion_tokens or 0) + (completion or 0)
        if credits is None:
            self.unknown_credits += 1
        else:
            self.credits = (self.credits or 0) + credits


Days = Mapping[tuple[str, str], Totals]
"""By day (local time, ISO 8601) and model, the oldest first."""


def by_day(entries: Iterable[Entry]) -> Days:
    """What each model took on each day."""
    days: dict[tuple[str, str], Totals] = {}
    for entry in entries:
        key = (entry.when.date().isoformat(), entry.model)
        days.setdefault(key, Totals()).add(entry.usage, entry.credits)
    return dict(sorted(days.items(), key=itemgetter(0)))


DAY = 86_400.0
SLACK = 600.0
"""Seconds: the runs of a daily or weekly cron job are never quite a day or a week apart."""


class Point(NamedTuple):
    """What was left at a time in seconds since the epoch."""

    at: float
    amount: Decimal


@dataclass(frozen=True)
class Forecast:
    """What was spent, and what follows from it.

    Attributes:
        amount: what is left now; None if there is no limit.
        over: seconds that it looks back.
        readings: how many there are in that time.
        seconds: between the first and the last of them.
        spent: between them. A balance that rises was topped up, which is not spending.
        by_day: what was spent on each day (local time), oldest first.
    """

    amount: Decimal | None
    over: float
    readings: int
    seconds: float
    spent: Decimal
    by_day: tuple[tuple[date, Decimal], ...]

    @property
    def a_day(self) -> Decimal | None:
        """What was spent a day; None with readings of less than a day."""
        if self.seconds < DAY - SLACK:
            return None
        return self.spent * Decimal(DAY) / Decimal(self.seconds)

    @property
    def days(self) -> Decimal | None:
        """For how long it lasts; None if that is unknown, or if there is no end in sight."""
        if self.amount is not None and self.amount <= 0:
            return Decimal(0)
        if self.amount is None or not self.a_day:
            return None
        return self.amount / self.a_day

    @property
    def endless(self) -> bool:
        """No limit, or nothing was spent, so any number of days is surely there."""
        return self.amount is None or (self.a_day == 0 and self.amount > 0)

    @property
    def unknown(self) -> bool:
        return self.days is None and not self.endless


def forecast(points: Sequence[Point], amount: Decimal | None, now: float, over: float) -> Forecast:
    """By the readings of the last `over` seconds, in any order; `amount` is read now."""
    found = sorted(point for point in points if now - over - SLACK <= point.at <= now)
    if amount is not None:
        found.append(Point(now, amount))
    days: dict[date, Decimal] = {}
    spent = Decimal(0)
    for before, after in pairwise(found):
        drop = max(Decimal(0), before.amount - after.amount)
        spent += drop
        for day, part in _shares(before.at, after.at):
            days[day] = days.get(day, Decimal(0)) + drop * part
    seconds = found[-1].at - found[0].at if found else 0.0
    return Forecast(amount, over, len(found), seconds, spent, tuple(days.items()))


def _shares(start: float, end: float) -> Iterator[tuple[date, Decimal]]:
    """The days between two times, each with its share of them."""
    at = start
    while True:
        day = datetime.fromtimestamp(at).astimezone().date()
        midnight = datetime.combine(day + timedelta(days=1), time()).astimezone().timestamp()
        until = min(end, max(midnight, at + 1))
        whole = end - start
        yield day, Decimal(until - at) / Decimal(whole) if whole else Decimal(1)
        if until >= end:
            return
        at = until

"""Times, bars, tokens and costs as a person reads them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ocx.api.prices import cached_tokens, reasoning_tokens, token_count

if TYPE_CHECKING:
    from ocx.api.answer import Answer
    from ocx.api.prices import Cost

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bars(numbers: Sequence[int | Decimal], width: int) -> list[str]:
    """A bar for each number, the largest as wide as `width`; a small one can still be seen."""
    largest = max(numbers, default=0)
    shown = []
    for number in numbers:
        eighths = max(1, round(number * width * 8 / largest)) if number and largest else 0
        shown.append("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip())
    return shown


_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LONG_AGO_DAYS = 30


def now() -> datetime:
    """In local time."""
    return datetime.fromtimestamp(time.time()).astimezone()


def ago(when: datetime, at: datetime) -> str:
    """`40 s ago`, `3 h ago`, `2 days ago`, and the ISO date of what is more than a month ago.

    A time in the future, of another clock, is its date and minute.
    """
    seconds = int((at - when).total_seconds())
    if seconds < 0:
        return when.isoformat(" ", "minutes")[:16]
    for most, unit, name in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "min"), (_DAY, _HOUR, "h")):
        if seconds < most:
            return f"{seconds // unit} {name} ago"
    return _days(seconds // _DAY, when.date())


def day_text(day: date, today: date) -> str:
    """`today`, `yesterday`, `3 days ago`, and the ISO date of what is more than a month ago."""
    days = (today - day).days
    if days < 0:
        return day.isoformat()
    return ("today", "yesterday")[days] if days < 2 else _days(days, day)


def _days(days: int, day: date) -> str:
    if days > _LONG_AGO_DAYS:
        return day.isoformat()
    return "1 day ago" if days == 1 else f"{days} days ago"


def usage_line(answer: Answer) -> str:
    """Tokens as the API counted them, cached and reasoning ones too, seconds, tokens a second."""
    parts = [_tokens(answer.usage)]
    if answer.first_token_seconds is not None:
        parts.append(f"first token after {answer.first_token_seconds:.2f} s")
    parts.append(f"{answer.seconds:.2f} s")
    completion = token_count(answer.usage, "completion_tokens")
    if completion and answer.seconds > 0:
        parts.append(f"{completion / answer.seconds:.0f} tokens/s")
    return "usage: " + ", ".join(parts)


def usage_fields(answer: Answer) -> dict[str, Any]:
    """The same for a program: the API's own object, null if it sent none, and the seconds."""
    first_token = answer.first_token_seconds
    return {
        "tokens": answer.usage,
        "seconds": round(answer.seconds, 3),
        "first_token_seconds": first_token if first_token is None else round(first_token, 3),
    }


def cost_fields(cost: Cost) -> dict[str, Any]:
    """A cost for a program: credits as a number, null if unknown, and where it is from."""
    return {
        "credits": None if cost.credits is None else float(cost.credits),
        "source": cost.source,
        "exact": cost.exact,
    }


def cost_line(cost: Cost) -> str:
    """`cost: 0.02 credits (response)`, for a person."""
    if cost.credits is None:
        return f"cost: unknown ({cost.reason})"
    amount = f"{cost.credits:f}"
    if cost.exact:
        return f"cost: {amount} credits (response)"
    return f"cost: about {amount} credits (balance; others may spend on the same key)"


def _tokens(usage: Mapping[str, Any] | None) -> str:
    if not usage:
        return "tokens unknown (the server sent none)"
    counts = (token_count(usage, f"{kind}_tokens") for kind in ("prompt", "completion", "total"))
    # A number or `?`: a text could be anything, commands of the terminal too.
    prompt, completion, total = ("?" if count is None else str(count) for count in counts)
    cached, reasoning = cached_tokens(usage), reasoning_tokens(usage)
    of_prompt = f" ({cached} cached)" if cached else ""
    of_completion = f" ({reasoning} reasoning)" if reasoning else ""
    return f"{prompt} prompt{of_prompt} + {completion} completion{of_completion} = {total} tokens"

"""The API's `usage` object: tokens as the server counted them; pure.

`--cost`: the credits that one call took, and how that is known.

The API documents no field for it. Some gateways put one into `usage`; else the balance before
and after tells, as far as nobody else spends on the same key. What is not known is unknown,
never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

Usage = Mapping[str, Any] | None

_LARGEST = 2**63  # what SQLite holds
_CACHED = frozenset({"prompt_tokens_details", "prompt_cache_hit_tokens", "cached_tokens"})


def token_count(usage: Usage, *path: str) -> int | None:
    """A count that stands at `path`; None if the server sent none, or what no count can be."""
    if type(usage) is dict and path[0] not in usage:
        return None
    value: Any = usage
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < _LARGEST else None


def cached_tokens(usage: Usage) -> int | None:
    """Tokens of the prompt that the server had in its cache.

    OpenAI's name, DeepSeek's, Moonshot's; None if there are more of them than of the prompt.
    """
    if type(usage) is dict and _CACHED.isdisjoint(usage):
        return None
    found = _first(
        token_count(usage, "prompt_tokens_details", "cached_tokens"),
        token_count(usage, "prompt_cache_hit_tokens"),
        token_count(usage, "cached_tokens"),
    )
    prompt = token_count(usage, "prompt_tokens")
    return None if found is None or prompt is None or found > prompt else found


def reasoning_tokens(usage: Usage) -> int | None:
    """Tokens that the model thought with; most servers count them in `completion_tokens` too."""
    return _first(
        token_count(usage, "completion_tokens_details", "reasoning_tokens"),
        token_count(usage, "reasoning_tokens"),
    )


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


Source = Literal["response", "balance", "unknown"]

# usage.cost: OpenRouter, LiteLLM; the others are what gateways of credits call it.
_USAGE_FIELDS = ("cost", "credits", "credits_used", "credit_cost", "total_cost")
_TOP_FIELDS = ("credits_used", "credit_cost", "cost")


@dataclass(frozen=True)
class Cost:
    """Credits of one call.

    Attributes:
        credits: the amount, None if it is unknown.
        source: `response` is exact, `balance` is not.
        reason: why it is unknown, for a person.
    """

    credits: Decimal | None
    source: Source
    reason: str | None = None

    @property
    def exact(self) -> bool:
        return self.source == "response"


def unknown(reason: str) -> Cost:
    return Cost(None, "unknown", reason)


def cost_in_answer(answer: Mapping[str, Any] | None) -> Cost | None:
    """The cost as the answer (or its last chunk) names it, None if it does not."""
    if not answer:
        return None
    usage = answer.get("usage")
    for holder, names in ((usage, _USAGE_FIELDS), (answer, _TOP_FIELDS)):
        if isinstance(holder, Mapping):
            for name in names:
                value = holder.get(name)
                if value is not None and (amount := _amount(value)) is not None:
                    return Cost(amount, "response")
    return None


def cost_by_balance(before: Decimal | None, after: Decimal | None) -> Cost:
    """The difference of two balances in one unit.

    A balance that did not fall says nothing: the charge may be booked later, or credits were
    added meanwhile.
    """
    if before is None or after is None:
        return unknown("the balance could not be read")
    if after > before:
        return unknown("the balance rose during the call")
    if after == before:
        return unknown("the balance did not change")
    return Cost(before - after, "balance")


def _amount(value: Any) -> Decimal | None:
    """A number or a numeric string that is not negative; booleans, NaN and Infinity are not."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):  # ValueError: an integer of 5,000 digits
        return None
    if not amount.is_finite() or amount < 0:
        return None
    # Written out, 1e9999999999 fills the memory.
    return amount if len(amount.as_tuple().digits) <= 50 and abs(amount.adjusted()) <= 50 else None

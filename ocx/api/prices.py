"""Tokens and what they cost: prices by model, the cost that an answer names; pure.

The API documents no field for the cost of a call. Some gateways put one into `usage`; else the
balance before and after tells, as far as nobody else spends on the same key. What is not known is
unknown, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from ocx.api.types import amount_in
from ocx.text import compact

DEFAULT_MAX_TOKENS = 4096
"""What the API generates at most if a request does not say."""
ESTIMATED = "four bytes a token; GPT-4-class tokenizers take up to twice that for Chinese"
"""How `prompt_tokens` counts."""

Usage = Mapping[str, Any] | None
CostSource = Literal["response", "balance", "unknown"]

_LARGEST = 2**63  # what SQLite holds
_CACHED = ("prompt_tokens_details cached_tokens", "prompt_cache_hit_tokens", "cached_tokens")
_READ = ("messages", "tools", "functions", "response_format")
_MILLION = Decimal(1_000_000)
# usage.cost: OpenRouter, LiteLLM; the others are what gateways of credits call it.
_USAGE_FIELDS = ("cost", "credits", "credits_used", "credit_cost", "total_cost")
_TOP_FIELDS = ("credits_used", "credit_cost", "cost")


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


def token_counts(usage: Usage) -> tuple[int | None, int | None]:
    """The tokens of the prompt and of the completion as the API counted them."""
    return token_count(usage, "prompt_tokens"), token_count(usage, "completion_tokens")


def cached_tokens(usage: Usage) -> int | None:
    """Tokens of the prompt that the server had in its cache.

    OpenAI's name, DeepSeek's, Moonshot's; None if there are more of them than of the prompt.
    """
    found = _first_count(usage, *_CACHED)
    prompt = token_count(usage, "prompt_tokens")
    return None if found is None or prompt is None or found > prompt else found


def reasoning_tokens(usage: Usage) -> int | None:
    """Tokens that the model thought with; most servers count them in `completion_tokens` too."""
    return _first_count(usage, "completion_tokens_details reasoning_tokens", "reasoning_tokens")


def _first_count(usage: Usage, *paths: str) -> int | None:
    counts = (token_count(usage, *path.split()) for path in paths)
    return next((count for count in counts if count is not None), None)


def estimated_tokens(size: int) -> int:
    """Tokens in that many bytes of UTF-8: one for every four, since there is no tokenizer."""
    return -(-size // 4)


def prompt_bytes(body: Mapping[str, Any]) -> int:
    """UTF-8 bytes of everything that the model reads, the frame of each message included."""
    read = {name: body[name] for name in _READ if name in body}
    return len(compact(read).encode("utf-8", "surrogatepass"))


def prompt_tokens(body: Mapping[str, Any]) -> int:
    return estimated_tokens(prompt_bytes(body))


def max_completion_tokens(body: Mapping[str, Any]) -> int:
    """The most tokens of all the answers that the request asks for."""
    found = (body.get("max_completion_tokens"), body.get("max_tokens"))
    most = next((n for n in found if isinstance(n, int) and n > 0), DEFAULT_MAX_TOKENS)
    answers = body.get("n")
    return most * (answers if isinstance(answers, int) and answers > 0 else 1)


class Price(NamedTuple):
    """Credits per million tokens of a model.

    Attributes:
        cached_prompt: of tokens that the server had in its cache; None: as others of the prompt.
    """

    prompt: Decimal
    completion: Decimal
    cached_prompt: Decimal | None = None

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> Decimal:
        """The credits; `cached_tokens` are among `prompt_tokens`."""
        cached = self.prompt if self.cached_prompt is None else self.cached_prompt
        prompt = self.prompt * (prompt_tokens - cached_tokens) + cached * cached_tokens
        return (prompt + self.completion * completion_tokens) / _MILLION

    def times(self, factor: Decimal) -> Price:
        cached = None if self.cached_prompt is None else self.cached_prompt * factor
        return Price(self.prompt * factor, self.completion * factor, cached)

    def of_usage(self, usage: Mapping[str, Any] | None) -> Decimal | None:
        """The credits of an answer, None if it does not count its tokens."""
        prompt, completion = token_counts(usage)
        if prompt is None or completion is None:
            return None
        return self.cost(prompt, completion, cached_tokens(usage) or 0)

    def worst(self, body: Mapping[str, Any]) -> Decimal:
        """No request costs more: a token of the prompt has at least one byte."""
        most = prompt_bytes(body)
        dearest = self.cached_prompt is not None and self.cached_prompt > self.prompt
        return self.cost(most, max_completion_tokens(body), most if dearest else 0)


def prices_of(
    table: Mapping[str, Mapping[str, float]], aliases: Mapping[str, str]
) -> dict[str, Price]:
    """The prices of the configuration by model id; its names may be aliases."""
    return {
        aliases.get(model, model): Price(**{name: Decimal(str(row[name])) for name in row})
        for model, row in table.items()
    }


def worst_of(
    body: Mapping[str, Any],
    fallbacks: Sequence[str],
    prices: Mapping[str, Price],
    requests: int = 1,
) -> Decimal | None:
    """The most that a request may cost; None if one of its models has no price.

    Args:
        fallbacks: models that may be asked in the place of the body's.
        requests: how many may be sent.
    """
    found = [prices.get(model) for model in (str(body.get("model")), *fallbacks)]
    worst = [price.worst(body) for price in found if price is not None]
    return max(worst) * requests if len(worst) == len(found) else None


class Cost(NamedTuple):
    """Credits of one call.

    Attributes:
        credits: the amount, None if it is unknown.
        source: `response` is exact, `balance` is not.
        reason: why it is unknown, for a person.
    """

    credits: Decimal | None = None
    source: CostSource = "unknown"
    reason: str | None = None

    @property
    def exact(self) -> bool:
        return self.source == "response"


def cost_in_answer(answer: Mapping[str, Any] | None) -> Cost | None:
    """The cost as the answer (or its last chunk) names it, None if it does not."""
    if not answer:
        return None
    usage = answer.get("usage")
    for holder, names in ((usage, _USAGE_FIELDS), (answer, _TOP_FIELDS)):
        if isinstance(holder, Mapping):
            for name in names:
                value = holder.get(name)
                if (amount := amount_in(value)) is not None:
                    return Cost(amount, "response")
    return None


def cost_by_balance(before: Decimal | None, after: Decimal | None) -> Cost:
    """The difference of two balances in one unit.

    A balance that did not fall says nothing: the charge may be booked later, or credits were
    added meanwhile.
    """
    if before is None or after is None:
        return Cost(reason="the balance could not be read")
    if after > before:
        return Cost(reason="the balance rose during the call")
    if after == before:
        return Cost(reason="the balance did not change")
    return Cost(before - after, "balance")

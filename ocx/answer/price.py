"""Tokens and credits of a request before it is sent, and of an answer after it came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ocx.api.usage import cached_tokens, token_count

DEFAULT_MAX_TOKENS = 4096
"""What the API generates at most if a request does not say."""

BYTES_A_TOKEN = 4
ESTIMATED = "four bytes a token; GPT-4-class tokenizers take up to twice that for Chinese"
"""How `prompt_tokens` counts."""
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Price:
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

    def of_usage(self, usage: Mapping[str, Any] | None) -> Decimal | None:
        """The credits of an answer, None if it does not count its tokens."""
        prompt = token_count(usage, "prompt_tokens")
        completion = token_count(usage, "completion_tokens")
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


def max_completion_tokens(body: Mapping[str, Any]) -> int:
    """Of all answers that the request asks for."""
    found = (body.get("max_completion_tokens"), body.get("max_tokens"))
    most = next((n for n in found if isinstance(n, int) and n > 0), DEFAULT_MAX_TOKENS)
    answers = body.get("n")
    return most * (answers if isinstance(answers, int) and answers > 0 else 1)


def prompt_bytes(body: Mapping[str, Any]) -> int:
    """UTF-8 bytes of everything that the model reads, the frame of each message included."""
    read = {name: body[name] for name in ("messages", "tools", "response_format") if name in body}
    return len(json.dumps(read, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """An estimate: four bytes each. Nobody has a tokenizer for every model."""
    return -(-prompt_bytes(body) // BYTES_A_TOKEN)

"""Tokens and credits of a request before it is sent, and of an answer after it came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

DEFAULT_MAX_TOKENS = 4096
"""What the API generates at most if a request does not say."""

BYTES_A_TOKEN = 4
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Price:
    """Credits per million tokens, as the configuration gives them for a model."""

    prompt: Decimal
    completion: Decimal

    def cost(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / _MILLION

    def of_usage(self, usage: Mapping[str, Any] | None) -> Decimal | None:
        """The credits of an answer, None if it does not count its tokens."""
        counts = [(usage or {}).get(name) for name in ("prompt_tokens", "completion_tokens")]
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            return None
        return self.cost(int(counts[0] or 0), int(counts[1] or 0))

    def worst(self, body: Mapping[str, Any]) -> Decimal:
        """No request costs more: a token of the prompt has at least one byte."""
        return self.cost(prompt_bytes(body), max_completion_tokens(body))


def prices_of(
    table: Mapping[str, tuple[float, float]], aliases: Mapping[str, str]
) -> dict[str, Price]:
    """The prices of the configuration by model id; its names may be aliases."""
    return {
        aliases.get(name, name): Price(Decimal(str(prompt)), Decimal(str(completion)))
        for name, (prompt, completion) in table.items()
    }


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

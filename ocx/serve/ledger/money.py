"""Money is whole micro-credits; a price is credits per million tokens.

The two units meet nicely: one token at a price of `p` credits per million costs `p` micro-credits.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

MICRO = 1_000_000
MOST = 2**53
"""The largest amount, in micro-credits: exact in SQLite, in JSON and in a double."""


@dataclass(frozen=True)
class Price:
    """Credits per million tokens, for what goes in and what comes out.

    Attributes:
        cached_prompt: for what an upstream had in its cache; None: as all else that goes in.
    """

    prompt: Decimal
    completion: Decimal
    cached_prompt: Decimal | None = None

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> int:
        """Micro-credits, rounded up once for the whole charge; of the prompt some are cached."""
        cached = self.prompt if self.cached_prompt is None else self.cached_prompt
        exact = self.prompt * (prompt_tokens - cached_tokens) + cached * cached_tokens
        exact += self.completion * completion_tokens
        return min(int(exact.to_integral_value(ROUND_CEILING)), MOST)

    def fitting(self, micro: int, prompt_tokens: int) -> int:
        """The largest number of completion tokens that `micro` micro-credits pay; below 1: none."""
        left = micro - self.prompt * prompt_tokens
        if left < 0:
            return 0
        if not self.completion:
            return MOST
        return int((left / self.completion).to_integral_value(ROUND_FLOOR))


def credits(micro: int) -> int | float:
    """A JSON number of credits: 500, not 500.0; exact to the micro-credit up to `MOST`."""
    return micro // MICRO if micro % MICRO == 0 else micro / MICRO


def show(micro: int) -> str:
    """Credits for a person: `499.999937`, without needless zeros."""
    text = f"{Decimal(micro) / MICRO:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse(text: str) -> int:
    """Micro-credits of a decimal number of credits.

    Raises:
        ValueError: not a number, more than six decimals, or beyond `MOST`.
    """
    try:
        exact = Decimal(text) * MICRO
    except ArithmeticError:
        raise ValueError(f"{text!r} is not a number of credits") from None
    if not exact.is_finite() or abs(exact) > MOST:
        raise ValueError(f"{text!r} is out of range")
    if exact != exact.to_integral_value():
        raise ValueError(f"{text!r} has more than six decimals")
    return int(exact)

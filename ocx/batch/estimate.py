"""`--estimate`: what the rows that are left will take, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ocx.batch.control.budget import BudgetLimits
from ocx.batch.output.batch_row import as_number
from ocx.batch.result import Result
from ocx.batch.rows.row import Row
from ocx.chat.prices import max_completion_tokens, prompt_tokens


@dataclass
class Estimate:
    """Tokens are estimated by `prompt_tokens`; what may be spent takes one a byte.

    Attributes:
        worst: credits if every answer is as long as it may be; None without a price.
        likely: credits by a sample that was sent; None without one.
    """

    rows: int = 0
    prompt_tokens: int = 0
    most_completion_tokens: int = 0
    worst: Decimal | None = Decimal(0)
    likely: Decimal | None = None

    def add(self, row: Row, limits: BudgetLimits) -> None:
        """Count a row that is left."""
        self.rows += 1
        self.prompt_tokens += prompt_tokens(row.body)
        self.most_completion_tokens += max_completion_tokens(row.body)
        worst = limits.worst(row.body)
        self.worst = None if worst is None or self.worst is None else self.worst + worst

    def measure(self, sample: Iterable[Result]) -> None:
        """Extrapolate what a sample of the rows cost; `likely` stays None if that is unknown."""
        costs = [result.credits for result in sample if result.answer is not None]
        known = [cost for cost in costs if cost is not None]
        if known and len(known) == len(costs):
            self.likely = sum(known, Decimal(0)) / len(known) * self.rows

    def exceeds(self, limits: BudgetLimits, balance: Decimal | None) -> bool:
        """Whether the budget cannot hold: by the likely credits, else by the worst case."""
        need = self.likely if self.likely is not None else self.worst
        if need is None:
            return False
        over_credits = limits.max_credits is not None and need > limits.max_credits
        least = limits.min_balance
        over_balance = least is not None and balance is not None and balance - need < least
        return over_credits or over_balance

    def document(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "prompt_tokens": self.prompt_tokens,
            "most_completion_tokens": self.most_completion_tokens,
            "worst_credits": as_number(self.worst),
            "likely_credits": as_number(self.likely),
        }

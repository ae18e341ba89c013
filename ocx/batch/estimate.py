"""`--estimate`: what is left to do and what it will cost, measured on a sample if one is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from ocx.batch.batch_row import as_number
from ocx.batch.control.budget import BudgetLimits
from ocx.batch.execution import prepared, raise_ending, send
from ocx.batch.input import FileInput
from ocx.batch.progress import amount
from ocx.batch.row import Result, Row
from ocx.batch.row_sender import RowSender
from ocx.batch.setup import Setup
from ocx.chat.credits import ESTIMATED, max_completion_tokens, prompt_tokens
from ocx.errors import BelowError
from ocx.output.writers import write_json


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

    @property
    def need(self) -> Decimal | None:
        """The likely credits, else those of the worst case."""
        return self.worst if self.likely is None else self.likely

    def exceeds(self, limits: BudgetLimits, balance: Decimal | None) -> bool:
        """Whether the budget cannot hold what the rows need."""
        need, most, least = self.need, limits.max_credits, limits.min_balance
        if need is None:
            return False
        below = least is not None and balance is not None and balance - need < least
        return below or (most is not None and need > most)

    def document(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "prompt_tokens": self.prompt_tokens,
            "most_completion_tokens": self.most_completion_tokens,
            "worst_credits": as_number(self.worst),
            "likely_credits": as_number(self.likely),
        }

    def lines(self) -> list[str]:
        """The same for a person."""
        worst, likely = (
            "unknown" if number is None else amount(float(number))
            for number in (self.worst, self.likely)
        )
        return [
            f"rows\t{self.rows}",
            f"prompt tokens ({ESTIMATED})\t{self.prompt_tokens}",
            f"completion tokens at most\t{self.most_completion_tokens}",
            f"credits at most\t{worst}",
            f"credits likely\t{likely}",
        ]


def estimate(setup: Setup) -> None:
    """Print the estimate; send nothing but the rows of --sample.

    Args:
        setup: of a file, which can be read again.

    Raises:
        BelowError: the budget does not hold it.
    """
    ctx, given, budget = setup.ctx, cast(FileInput, setup.input), setup.limits.budget
    found, summary = Estimate(), None
    whole = replace(given, selection=replace(given.selection, sample=None))
    with prepared(replace(setup, input=whole), lambda row: found.add(row, budget)) as ready:
        if given.selection.sample is not None:  # with -o its rows are done, and not sent again
            results: list[Result] = []
            sample = replace(ready, setup=setup, plan=given.plan())
            summary = send(sample, results.extend)
            found.measure(results)
        balance = ready.ask(RowSender.balance) if budget.min_balance is not None else None
    if summary is not None:
        raise_ending(setup, summary)
    if ctx.json:
        write_json(ctx.terminal, found.document())
    else:
        for line in found.lines():
            ctx.terminal.print(line)
    if found.exceeds(budget, balance):
        kind = "worst-case" if found.likely is None else "likely"
        need = amount(float(found.need or 0))
        raise BelowError(f"the budget does not hold the {kind} {need} credits")

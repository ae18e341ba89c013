"""`--estimate`: what is left to do and what it will cost, measured on a sample if one is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ocx.batch.batch_row import as_number
from ocx.batch.control.budget import BudgetLimits
from ocx.batch.execution import Prepared, Setup, prepared, raise_ending, read_balance, send
from ocx.batch.input import FileInput, Input
from ocx.batch.progress import amount
from ocx.batch.result import Result
from ocx.batch.row import Row
from ocx.batch.summary import Summary
from ocx.chat.prices import ESTIMATED, max_completion_tokens, prompt_tokens
from ocx.errors import BelowError, UsageError
from ocx.output.results import write_json
from ocx.runtime import Runtime


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


def check_estimable(rows: Input) -> FileInput:
    """`rows` themselves. Raises UsageError if they can be read only once."""
    if not isinstance(rows, FileInput):
        raise UsageError("--estimate needs a file: stdin can be read once")
    return rows


def estimate(run: Runtime, setup: Setup) -> None:
    """Print the estimate; send nothing but the rows of --sample.

    Raises:
        UsageError: the input can be read only once.
        BelowError: the budget does not hold it.
    """
    rows = check_estimable(setup.rows)
    found, limits = Estimate(), setup.scheduler.limits

    def count(row: Row) -> None:
        found.add(row, limits)

    whole = replace(setup, rows=replace(rows, selection=replace(rows.selection, sample=None)))
    with prepared(run, whole, count) as ready:
        summary = _measure(run, setup, ready, found) if rows.selection.sample is not None else None
        balance = read_balance(ready) if limits.min_balance is not None else None
    if summary is not None:
        raise_ending(setup, summary)
    _show(run, found)
    if found.exceeds(limits, balance):
        need = found.likely if found.likely is not None else found.worst
        kind = "likely" if found.likely is not None else "worst-case"
        raise BelowError(f"the budget does not hold the {kind} {amount(float(need or 0))} credits")


def _measure(run: Runtime, setup: Setup, ready: Prepared, found: Estimate) -> Summary:
    """Send the sample; with -o its rows are done, and are not sent again."""
    results: list[Result] = []
    sample = setup.rows.plan(None, setup.sha256, setup.out.retry)
    summary = send(run, setup, replace(ready, plan=sample), results.extend)
    found.measure(results)
    return summary


def _show(run: Runtime, found: Estimate) -> None:
    if run.json:
        write_json(run.terminal, found.document())
        return
    lines = [
        f"rows\t{found.rows}",
        f"prompt tokens ({ESTIMATED})\t{found.prompt_tokens}",
        f"completion tokens at most\t{found.most_completion_tokens}",
        f"credits at most\t{_credits(found.worst)}",
        f"credits likely\t{_credits(found.likely)}",
    ]
    for line in lines:
        run.terminal.print(line)


def _credits(number: Decimal | None) -> str:
    return "unknown" if number is None else amount(float(number))

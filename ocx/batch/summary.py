"""What a run came to: counts, failures by class, credits, and the exit code that follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ocx.api.answer import ending_of, unknown_reason
from ocx.api.types import cached_tokens, reasoning_tokens, token_count
from ocx.batch.batch_row import as_number
from ocx.batch.control.settings import Stop
from ocx.batch.finished_rows import FinishedRow
from ocx.batch.row import EXIT_CODES, OK, Result, Row

UNMET = "invalid_answer"
"""The class of a row whose answer is not as it `expect`s."""
MOST_UNMET = 20
_BY_ERROR = {"balance", "max_credits", "min_balance", "refused"}
_STOPS = {name: EXIT_CODES[name] for name in ("rate_limit", "auth", "credits", "network")}
_STOPS |= {"interrupted": 130, "terminated": 143}


@dataclass(frozen=True)
class Example:
    """The first failure of its class."""

    id: str
    line: int
    message: str


@dataclass
class Summary:
    """What a run has come to so far.

    Attributes:
        total: rows that the run was about, None for a stream that was not read to its end.
        cached_tokens, reasoning_tokens: those among the tokens of prompts and of answers.
        skipped: rows that an earlier run had finished; `kept_failures` of them had failed.
        for_good: failures that a rerun does not mend, by class; those that were kept, too.
        cut: answers that the token limit ended.
        unknown_reasons: the finish_reasons of answers that are not known, and how often.
        unmet: the first rows whose answers are not as they `expect`, of `unmet_count`.
        fallbacks: rows answered by another model than they asked for, by model.
        unsent: rows without a result.
        waiting: for whom it waited at the end, and why, if nothing was answered then.
        maybe_paid_twice: rows at most whose request may have been charged more than once.
        credits: the costs that are known by row.
        credits_by_balance: what the run took, where the balance had to tell a part of it;
            `play_money` if it is the sandbox's, which nobody else spends.
    """

    total: int | None = None
    skipped: int = 0
    kept_failures: Counter[str] = field(default_factory=Counter)
    for_good: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    unknown_reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Example] = field(default_factory=dict)
    unmet: list[Example] = field(default_factory=list)
    unmet_count: int = 0
    fallbacks: Counter[str] = field(default_factory=Counter)
    unsent: int = 0
    maybe_paid_twice: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    credits: Decimal = Decimal(0)
    unknown_costs: int = 0
    credits_by_balance: Decimal | None = None
    play_money: bool = False
    seconds: float = 0.0
    outage_seconds: float = 0.0
    stop: Stop | None = None
    waiting: str | None = None

    @property
    def done(self) -> int:
        return self.classes[OK]

    @property
    def failed(self) -> int:
        return sum(self.classes.values()) - self.done

    @property
    def spent(self) -> Decimal | None:
        """Credits that the run took, at least; None if nothing is known of them."""
        if self.credits_by_balance is not None:
            return self.credits_by_balance
        return self.credits if self.credits or not self.unknown_costs else None

    def add(self, result: Result) -> None:
        """Count a finished row."""
        self.classes[result.kind] += 1
        self.requests += result.attempts
        if result.error is not None and not result.rerun_helps:
            self.for_good[result.kind] += 1
        answer = result.answer
        usage = answer.usage if answer is not None else None
        if usage and result.attempts:
            self.prompt_tokens += token_count(usage, "prompt_tokens") or 0
            self.completion_tokens += token_count(usage, "completion_tokens") or 0
            self.cached_tokens += cached_tokens(usage) or 0
            self.reasoning_tokens += reasoning_tokens(usage) or 0
        row = result.row
        if answer is not None and isinstance(row, Row) and row.instead_of:
            self.fallbacks[row.model] += 1
        if answer is not None and (reason := answer.finish_reason) is not None:
            self.cut += ending_of(reason) == "length"
            if unknown := unknown_reason(reason):
                self.unknown_reasons[unknown] += 1
        if result.credits is None and result.attempts:
            self.unknown_costs += 1
        elif result.credits is not None:
            self.credits += result.credits
        if result.error is not None:
            example = Example(row.id, row.line, result.error.message)
            self.examples.setdefault(result.kind, example)
            if result.kind == UNMET and isinstance(row, Row) and row.expect is not None:
                self.unmet_count += 1
                if len(self.unmet) < MOST_UNMET:
                    self.unmet.append(example)

    def spent_between(self, before: Decimal, after: Decimal | None) -> None:
        """The balance before and after the run; one that did not fall tells nothing."""
        if after is not None and before.is_finite() and after < before:
            self.credits_by_balance = before - after

    def skip(self, before: FinishedRow) -> None:
        """Count a row that an earlier run has finished."""
        self.skipped += 1
        if not before.good:
            self.kept_failures[before.kind] += 1
            self.for_good[before.kind] += not before.rerun_helps

    @property
    def retryable(self) -> Counter[str]:
        """Failures that a rerun may mend, by class."""
        left = self.classes + self.kept_failures - self.for_good
        del left[OK]
        return left

    def exit_code(self) -> int:
        """0 if all is good, 13 if a rerun helps, else the class of what is left."""
        stop = self.stop
        reason = stop.reason if stop is not None else ""
        if stop is not None and reason in _BY_ERROR:
            return stop.error.exit_code if stop.error is not None else 1
        if reason in _STOPS:
            return _STOPS[reason]
        permanent, retryable = +self.for_good, self.retryable.total()
        if retryable or (self.unsent and not (reason == "failures" and permanent)):
            return EXIT_CODES["partial"]
        # Of the most frequent class; of several, the lowest.
        classes = [(-count, EXIT_CODES.get(name, 1)) for name, count in permanent.items()]
        return min(classes)[1] if classes else 0

    def document(self) -> dict[str, Any]:
        """For `--report`."""
        return {
            **self._named("total", "done", "failed", "skipped", "unsent"),
            "stopped": self.stop.reason if self.stop else None,
            "failures": {
                name: {
                    "count": self.classes[name],
                    "retryable": name in self.retryable,
                    "example": vars(example),
                }
                for name, example in self.examples.items()
            },
            "cut_at_limit": self.cut,
            "unknown_finish_reasons": dict(self.unknown_reasons),
            "fallbacks": dict(self.fallbacks),
            **self._named("maybe_paid_twice", "requests", "prompt_tokens", "completion_tokens"),
            **self._named("cached_tokens", "reasoning_tokens"),
            "credits": as_number(self.spent),
            "credits_unknown_rows": self.unknown_costs,
            "credits_by_balance": self.credits_by_balance is not None,
            "seconds": round(self.seconds, 3),
            "outage_seconds": round(self.outage_seconds, 3),
            "exit_code": self.exit_code(),
        }

    def _named(self, *names: str) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}

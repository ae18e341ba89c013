"""What a run came to: counts, failures by class, credits; in words, and as exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from ocx.api.answer import ending_of, unknown_reason
from ocx.api.prices import cached_tokens, reasoning_tokens, token_count
from ocx.batch.control import Stop
from ocx.batch.finished_rows import FinishedRow
from ocx.batch.progress import amount, count, duration
from ocx.batch.row import EXIT_CODES, OK, UNMET, Result, Row, line_id
from ocx.errors import ERRORS, Interrupted, OcxError, Terminated
from ocx.output.balance_formats import as_number
from ocx.text import counted

MOST_UNMET = 20
_BY_ERROR = {"balance", "max_credits", "min_balance", "refused"}
_STOPS = {name: EXIT_CODES[name] for name in ("rate_limit", "auth", "credits", "network")}
_STOPS |= {"interrupted": 130, "terminated": 143}


class Example(NamedTuple):
    """The first failure of its class."""

    id: str
    line: int
    message: str


@dataclass
class Summary:
    """What a run has come to so far.

    Attributes:
        total: rows that the run was about, None for a stream; `seen` were read.
        cached_tokens, reasoning_tokens: those among the tokens of prompts and of answers.
        skipped: rows that an earlier run had finished; `kept_failures` of them had failed.
        for_good: failures that a rerun does not mend, by class; those that were kept, too.
        cut: answers that the token limit ended.
        unknown_reasons: the finish_reasons of answers that are not known, and how often.
        unmet: the first rows whose answers are not as they `expect`, of `unmet_count`.
        fallbacks: rows answered by another model than they asked for, by model.
        waiting: for whom it waited at the end, and why, if nothing was answered then.
        maybe_paid_twice: rows at most whose request may have been charged more than once.
        credits: the costs that are known by row.
        credits_by_balance: what the run took, where the balance had to tell a part of it;
            `play_money` if it is the sandbox's, which nobody else spends.
    """

    total: int | None = None
    seen: int = 0
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
    def unsent(self) -> int:
        """Rows without a result."""
        rows = self.seen if self.total is None else self.total
        return max(0, rows - self.skipped - self.classes.total())

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
        if result.credits is not None:
            self.credits += result.credits
        elif result.attempts:
            self.unknown_costs += 1
        row, answer = result.row, result.answer
        if answer is not None:
            if result.attempts and (usage := answer.usage):
                self.prompt_tokens += token_count(usage, "prompt_tokens") or 0
                self.completion_tokens += token_count(usage, "completion_tokens") or 0
                self.cached_tokens += cached_tokens(usage) or 0
                self.reasoning_tokens += reasoning_tokens(usage) or 0
            if isinstance(row, Row) and row.instead_of:
                self.fallbacks[row.model] += 1
            if (reason := answer.finish_reason) is not None:
                self.cut += ending_of(reason) == "length"
                if unknown := unknown_reason(reason):
                    self.unknown_reasons[unknown] += 1
        elif result.error is not None:
            self.for_good[result.kind] += not result.rerun_helps
            example = Example(row.id, row.line, result.error.message)
            self.examples.setdefault(result.kind, example)
            if result.kind == UNMET and isinstance(row, Row) and row.expect is not None:
                self.unmet_count += 1
                if len(self.unmet) < MOST_UNMET:
                    self.unmet.append(example)

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
                    "example": example._asdict(),
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


_BY_CODE = {error.exit_code: error for error in ERRORS}
_RESUME = "the same command with --resume sends what is left"
_AGAIN = "with --resume --retry-errors all the same command sends what failed for good, too"


def summary_lines(summary: Summary) -> Iterator[str]:
    """What a person is told at the end."""
    yield f"{_counts(summary)}; {_took(summary)}"
    if summary.waiting:
        yield f"it was {summary.waiting}"
    for name, example in summary.examples.items():
        mends = "a rerun may help" if name in summary.retryable else "for good"
        told = f"{summary.classes[name]:,} failed with {name} ({mends})"
        listed = example in summary.unmet
        yield f"{told}:" if listed else f"{told}; {_example(example)}"
        if name == UNMET:
            yield from map(_example, sorted(summary.unmet, key=lambda each: each.line))
            if more := summary.unmet_count - len(summary.unmet):
                yield f"and {more:,} more that are not as expected"
    if summary.cut:
        hint = "raise --max-tokens, or use --fail-on-length to fail"
        yield f"{counted(summary.cut, 'row')} cut off at the token limit; {hint}"
    yield from unknown_reasons(summary.unknown_reasons)
    if summary.fallbacks:
        models = ", ".join(sorted(summary.fallbacks))
        yield f"{counted(sum(summary.fallbacks.values()), 'row')} answered by a fallback: {models}"
    if summary.maybe_paid_twice:
        yield f"{counted(summary.maybe_paid_twice, 'row')} at most may have been paid twice"


def unknown_reasons(counts: Mapping[str, int]) -> Iterator[str]:
    """A warning for each finish_reason that is not known."""
    for reason, number in counts.items():
        rows = counted(number, "row")
        yield f"the finish_reason {reason} of {rows} is not known; it counts as finished"


def ending(summary: Summary, *, to_file: bool) -> BaseException | None:
    """What ends the process; None if all rows are there.

    Args:
        to_file: there is an output that can be resumed.
    """
    stop = summary.stop
    code = summary.exit_code()
    if code == _STOPS["interrupted"]:
        return Interrupted()
    if code == _STOPS["terminated"]:
        return Terminated()
    if not code:
        return None
    kind = _BY_CODE.get(code, OcxError)
    left = _left(summary)
    hint = None
    if to_file and (summary.unsent or summary.retryable):
        hint = _RESUME
    elif to_file and +summary.for_good:
        hint = _AGAIN
    if stop is None or stop.error is None:
        return kind(left, hint=hint)
    cause = stop.error
    return kind(
        f"{cause.message}; {left}" if left else cause.message,
        hint=cause.hint if cause.hint and cause.hint != kind.default_hint else hint or cause.hint,
        status=cause.status,
        api_code=cause.api_code,
        request_id=cause.request_id,
        retry_after=cause.retry_after,
    )


def _counts(summary: Summary) -> str:
    parts = [f"{summary.done:,} done", f"{summary.failed:,} failed"]
    if summary.skipped:
        parts.append(f"{summary.skipped:,} done before")
    if failed_before := summary.kept_failures.total():
        parts.append(f"{failed_before:,} of them failed")
    if summary.unsent:
        parts.append(f"{summary.unsent:,} unsent")
    rows = f"{counted(summary.total, 'row')}: " if summary.total is not None else ""
    return rows + ", ".join(parts)


def _took(summary: Summary) -> str:
    finished = summary.done + summary.failed
    parts = [duration(summary.seconds)]
    if summary.seconds > 0 and finished:
        parts.append(f"{finished / summary.seconds:,.1f} rows/s")
    parts.append(f"{count(summary.prompt_tokens)}+{count(summary.completion_tokens)} tokens")
    if finished and summary.spent is not None:
        parts.append(f"{amount(float(summary.spent))} credits")
    # A price could have told what the rows cost only if their tokens are known.
    priceable = summary.prompt_tokens or summary.completion_tokens
    if summary.unknown_costs and summary.credits_by_balance is None and priceable:
        unknown = counted(summary.unknown_costs, "row")
        parts.append(f"cost of {unknown} unknown: set [prices] in config.toml")
    if summary.credits_by_balance is not None and not summary.play_money:
        parts.append("costs by the balance, which the whole account changes")
    if summary.outage_seconds:
        parts.append(f"{duration(summary.outage_seconds)} without the server")
    return ", ".join(parts)


def _left(summary: Summary) -> str:
    failed = summary.failed + sum(summary.kept_failures.values())
    parts = []
    if failed:
        classes = (summary.classes + summary.kept_failures).items()
        named = ", ".join(f"{n} {name}" for name, n in classes if name != "ok" and n)
        parts.append(f"{counted(failed, 'row')} failed ({named})")
    if summary.unsent:
        parts.append(f"{counted(summary.unsent, 'row')} unsent")
    return ", ".join(parts)


def _example(example: Example) -> str:
    line = f"line {example.line}"
    if example.message.startswith(f"{line} "):
        return example.message
    named = "" if example.id == line_id(example.line) else f", {example.id}"
    return f"{line}{named}: {example.message}"

"""How a run ended: in words, as the exception that ends the process, and for `--junit FILE`.

There each row with `expect` is a test case, in the form that Jenkins, GitLab and GitHub's actions
read (testmoapp/junitxml).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from ocx.batch.finished_rows import FinishedRow
from ocx.batch.progress import amount, count, duration
from ocx.batch.row import OK, BadRow, Result, Row, line_id
from ocx.batch.summary import UNMET, Example, Summary
from ocx.errors import ERRORS, Interrupted, OcxError, Terminated
from ocx.text import counted

_BY_CODE = {error.exit_code: error for error in ERRORS}
_RESUME = "the same command with --resume sends what is left"


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
    if stop is not None and stop.reason == "interrupted":
        return Interrupted()
    if stop is not None and stop.reason == "terminated":
        return Terminated()
    code = summary.exit_code()
    if not code:
        return None
    kind = _BY_CODE.get(code, OcxError)
    left = _left(summary)
    hint = _RESUME if to_file and (summary.unsent or summary.retryable) else None
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


_UNKNOWN = "\ufffd"
# What XML 1.0 cannot hold, in any form (its production 2, Char).
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class TestCases:
    """The rows with `expect`, as XML.

    Args:
        suite: what the cases belong to: the input.
    """

    def __init__(self, suite: str) -> None:
        self._suite = _attribute(suite)
        self._cases: list[str] = []
        self._kinds: Counter[str] = Counter()
        self._seconds = 0.0

    def take(self, results: Sequence[Result]) -> None:
        """Add what ended; rows that cannot be read fail, too."""
        for result in results:
            if isinstance(result.row, BadRow) or result.row.expect is not None:
                message = result.error.message if result.error is not None else ""
                self._add(result.id, result.seconds, result.kind, message, result.text or "")

    def skipped(self, row: Row | BadRow, before: FinishedRow) -> None:
        """Add a row that an earlier run has finished."""
        if isinstance(row, Row) and row.expect is not None:
            self._add(row.id, 0.0, before.kind, "in an earlier run", "")

    def document(self) -> str:
        """Failures are answers that are not as expected; everything else that fails is an error."""
        total, failures = self._kinds.total(), self._kinds[UNMET]
        counts = (
            f'tests="{total}" failures="{failures}" errors="{total - failures - self._kinds[OK]}"'
            f' time="{self._seconds:.3f}"'
        )
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {counts}>\n'
            f"<testsuite name={self._suite} {counts}>\n{''.join(self._cases)}"
            "</testsuite>\n</testsuites>\n"
        )

    def _add(self, name: str, seconds: float, kind: str, message: str, text: str) -> None:
        self._kinds[kind] += 1
        self._seconds += seconds
        inner = ""
        if kind != OK:
            tag = "failure" if kind == UNMET else "error"
            inner = f"<{tag} type={_attribute(kind)} message={_attribute(message)}/>"
        elif text:
            inner = f"<system-out>{escape(_NO_CHARACTER.sub(_UNKNOWN, text))}</system-out>"
        names = f"name={_attribute(name)} classname={self._suite}"
        self._cases.append(f'<testcase {names} time="{seconds:.3f}">{inner}</testcase>\n')


def _attribute(text: str) -> str:
    return quoteattr(_NO_CHARACTER.sub(_UNKNOWN, text))

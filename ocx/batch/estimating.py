"""`--estimate`: what is left to do and what it will cost, measured on a sample if one is given."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from ocx.batch.estimate import Estimate
from ocx.batch.execution import Prepared, Setup, prepared, raise_ending, read_balance, send
from ocx.batch.inputs import FileInput, Input
from ocx.batch.result import Result
from ocx.batch.rows.row import Row
from ocx.batch.summary import Summary
from ocx.chat.prices import ESTIMATED
from ocx.errors import BelowError, UsageError
from ocx.output.batch_progress import amount
from ocx.output.json_output import write_json
from ocx.runtime import Runtime


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

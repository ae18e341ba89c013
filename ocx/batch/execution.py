"""What `ocx batch` does: send the rows and tell how that ended, or estimate what it will cost."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterable, Set
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from ocx.api.error_words import is_unknown_model
from ocx.api.prices import ESTIMATED, cost_by_balance, max_completion_tokens, prompt_tokens
from ocx.batch.batch_run import BatchRun, OnSkip, Take, ignored
from ocx.batch.control import RunLimits, Stop
from ocx.batch.input import FileInput
from ocx.batch.options import with_shard
from ocx.batch.progress import Progress, amount, form_of, showing
from ocx.batch.row import Result, Row
from ocx.batch.row_formats import TestCases
from ocx.batch.row_sender import RowSender
from ocx.batch.setup import Prepared, Setup, prepared
from ocx.batch.summary import Summary, ending, summary_lines
from ocx.config.paths import read_models
from ocx.errors import BelowError, OcxError
from ocx.keys.client import advise
from ocx.output.balance_formats import as_number
from ocx.output.writers import is_stream, report_file, write_json, write_report
from ocx.process import raise_lost, stopping
from ocx.text import nearest

_SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def execute(setup: Setup) -> None:
    """The whole run, told at its end. Raises what `send`, `prepared` and `report_file` do.

    Raises: what ends the process, if not all rows are there.
    """
    ctx, out = setup.ctx, setup.options.rows_out
    with ExitStack() as stack:
        # Opened before anything is sent: a report that cannot be written costs nothing.
        report, junit = (
            stack.enter_context(report_file(ctx.terminal, with_shard(name, setup.shard), flag))
            if name
            else None
            for flag, name in (("--report", out.report), ("--junit", out.junit))
        )
        cases = TestCases(setup.options.rows_in.source or "stdin")
        with prepared(setup) as ready:
            # A report, or play money, should tell credits that no answer and no price may name.
            # With a budget the run reads the balance itself.
            limits, sandbox = setup.limits, setup.settings.sandbox
            wanted = (report is not None or sandbox) and not limits.has_budget and not limits.prices
            before = _known_balance(ready) if wanted else None
            if junit is None:
                summary = send(ready)
            else:
                summary = send(ready, cases.take, cases.skipped)
                write_report(ctx.terminal, junit, cases.document())
            if before is not None and summary.unknown_costs and summary.stop is None:
                spent = cost_by_balance(before, _known_balance(ready))
                summary.credits_by_balance = spent.credits
            summary.play_money = sandbox
        for line in summary_lines(summary):
            ctx.note(line)
        document = summary.document()
        if report is not None:
            text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
            write_report(ctx.terminal, report, text)
        if ctx.json:
            write_json(ctx.terminal, document)
    raise_ending(setup, summary)


def _known_balance(ready: Prepared) -> Decimal | None:
    """None, too, if it has no end."""
    with suppress(OcxError):
        if (found := ready.ask(RowSender.balance)).is_finite():
            return found
    return None


def send(ready: Prepared, take: Take = ignored, on_skip: OnSkip = ignored) -> Summary:
    """Send the rows.

    Raises:
        OcxError: the output cannot be written.
    """
    setup = ready.setup
    ctx, out, settings = setup.ctx, setup.options.rows_out, setup.settings
    if not ctx.debug:
        logging.getLogger("ocx").setLevel(logging.ERROR)  # failures are counted, and told once
    form = form_of(ctx, out.progress)
    batch = BatchRun(
        setup.input.chosen(ready.plan),
        ready.sender(),
        settings.base_url,
        setup.limits,
        ready.output,
        out.retry,
        setup.options.failures.drain,
        ready.plan,
        note=ctx.note if form in {None, "plain"} else None,
        take=take,
        on_skip=on_skip,
    )

    def stop(number: int) -> None:
        batch.engine.stop_soon(Stop(_SIGNALS[signal.Signals(number)]))

    raise_lost()  # else its handler would be replaced, and the run begin
    with stopping(stop), showing(ctx.terminal, form, Progress(batch)):
        summary = batch.run()
    error = summary.stop.error if summary.stop is not None else None
    if error is not None:
        advise(ctx, error, settings)
        if is_unknown_model(error):
            near = _near_model(ready, batch.scheduler.early_refusals.models)
            error.hint = f"did you mean -m {near}?" if near else error.hint
    return summary


def _near_model(ready: Prepared, asked: Set[str]) -> str | None:
    """The model that was probably meant: of those that the server has, else had."""
    try:
        known = ready.ask(RowSender.model_ids)
    except OcxError:
        known = read_models(ready.setup.ctx.terminal.env, ready.setup.settings)
    return next((near for model in asked if (near := nearest(model, known)) is not None), None)


def raise_ending(setup: Setup, summary: Summary) -> None:
    """Raises: what ends the process, if not all rows are there."""
    to_file = setup.path is not None and not is_stream(setup.path)
    if (event := ending(summary, to_file=to_file)) is not None:
        raise event


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

    def add(self, row: Row, limits: RunLimits) -> None:
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

    def exceeds(self, limits: RunLimits, balance: Decimal | None) -> bool:
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
    ctx, given, limits = setup.ctx, cast(FileInput, setup.input), setup.limits
    found, summary = Estimate(), None
    whole = replace(given, selection=replace(given.selection, sample=None))
    with prepared(replace(setup, input=whole), lambda row: found.add(row, limits)) as ready:
        if setup.options.sends:  # with -o its rows are done, and not sent again
            results: list[Result] = []
            summary = send(replace(ready, setup=setup, plan=given.plan()), results.extend)
            found.measure(results)
        balance = ready.ask(RowSender.balance) if limits.min_balance is not None else None
    if summary is not None:
        raise_ending(setup, summary)
    if ctx.json:
        write_json(ctx.terminal, found.document())
    else:
        for line in found.lines():
            ctx.terminal.print(line)
    if found.exceeds(limits, balance):
        kind = "worst-case" if found.likely is None else "likely"
        need = amount(float(found.need or 0))
        raise BelowError(f"the budget does not hold the {kind} {need} credits")

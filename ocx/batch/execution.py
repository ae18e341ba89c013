"""A run of the command: the input checked, the output taken up, the rows sent, the end told."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TypeVar

from ocx.api.retry import is_unknown_model
from ocx.api.types import Endpoint
from ocx.batch import outputs
from ocx.batch.batch_row import asked_at
from ocx.batch.batch_run import BatchRun, OnSkip, Take
from ocx.batch.control.settings import Stop
from ocx.batch.input import ChangedInputError, FileInput, Plan
from ocx.batch.merged_file import Adoption
from ocx.batch.progress import Progress, form_of, showing
from ocx.batch.reports import TestCases, ending, summary_lines
from ocx.batch.row import Row
from ocx.batch.row_sender import RowSender
from ocx.batch.setup import Setup
from ocx.batch.store import RowOutput
from ocx.batch.summary import Summary
from ocx.config.completion_cache import read_models
from ocx.context import Context
from ocx.errors import OcxError, UsageError
from ocx.keys.balance import Dated, keep_balance
from ocx.keys.client import advise, open_endpoint
from ocx.output.writers import OutputFile, report_file, write_json
from ocx.process import stopping
from ocx.secret import mask_keys
from ocx.text import nearest

T = TypeVar("T")
_SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


@dataclass(frozen=True)
class Prepared:
    """A run whose input is checked and whose output is locked.

    Attributes:
        plan: of the input; None for a stream.
        readings: the balances that were read, for the history.
    """

    setup: Setup
    endpoint: Endpoint
    output: RowOutput
    plan: Plan | None
    readings: list[Dated] = field(default_factory=list)

    def connect(self) -> RowSender:
        settings, checks = self.setup.settings, self.setup.options.checks
        balance = (settings.balance_path, settings.balance_scale, self.readings)
        return RowSender(self.endpoint, checks, self.setup.schema, *balance)

    def ask(self, question: Callable[[RowSender], Awaitable[T]]) -> T:
        """One question to the server, before or after the run. Raises OcxError."""

        async def answer() -> T:
            sender = self.connect()
            try:
                return await question(sender)
            finally:
                await sender.close()

        return asyncio.run(answer())


@contextmanager
def prepared(setup: Setup, on_row: Callable[[Row], None] | None = None) -> Iterator[Prepared]:
    """Check the input, find the key, take up the output; in this order.

    Args:
        on_row: told of each row that is left to be sent.

    Raises:
        UsageError: of the input or the output.
        AuthError, ConfigError: of the key.
    """
    path, out, given, settings = setup.path, setup.options.rows_out, setup.input, setup.settings
    resume = outputs.resumes(out, setup.shard)
    with ExitStack() as stack:
        fresh = path is None or outputs.check_empty(path, resume=resume)
        # What is wrong with an input must not leave an empty output behind.
        plan = given.plan(None, on_row) if fresh else None
        endpoint = stack.enter_context(open_endpoint(setup.ctx, settings))
        form = outputs.make_format(out, given, setup.schema, settings.base_url)
        adoption = None
        if isinstance(given, FileInput):
            adoption = Adoption(lambda: given.chosen(given.plan()), setup.sha256)
        opened = outputs.open_output(
            setup.ctx.terminal, path, out, form, resume=resume, adoption=adoption
        )
        output = stack.enter_context(opened)
        if not fresh:
            decide = partial(output.finished.decide, base_url=settings.base_url, retry=out.retry)
            try:
                plan = given.plan(decide, on_row)
            except ChangedInputError as error:
                raise _other_url(setup) or error from None
        ready = Prepared(setup, endpoint, output, plan)
        stack.callback(keep_balance, setup.ctx, settings, ready.readings)
        yield ready


def _other_url(setup: Setup) -> UsageError | None:
    """The error of a resume that asks another endpoint than the rows that are there, said once."""
    asked, now = setup.path and asked_at(setup.path), setup.settings.base_url
    if not asked or asked.rstrip("/") == now.rstrip("/"):
        return None
    return UsageError(
        f"{setup.path} was answered by {asked}, and this run would ask {now}",
        hint="--resume goes on with the same base URL; use another -o for this one",
    )


def execute(setup: Setup) -> None:
    """The whole run, told at its end. Raises what `send`, `prepared` and `report_file` do.

    Raises: what ends the process, if not all rows are there.
    """
    ctx, out = setup.ctx, setup.options.rows_out
    with ExitStack() as stack:
        # Opened before anything is sent: a report that cannot be written costs nothing.
        report, junit = (
            stack.enter_context(report_file(ctx.terminal, name, flag)) if name else None
            for flag, name in (
                ("--report", outputs.beside_path(out.report, setup.shard)),
                ("--junit", outputs.beside_path(out.junit, setup.shard)),
            )
        )
        cases = TestCases(setup.options.arguments.source or "stdin")
        with prepared(setup) as ready:
            # A report, or play money, should tell credits that no answer and no price may name.
            # With a budget the run reads the balance itself.
            budget, sandbox = setup.limits.budget, setup.settings.sandbox
            wanted = (report is not None or sandbox) and not budget.any and not budget.prices
            before = _known_balance(ready) if wanted else None
            if junit is None:
                summary = send(ready)
            else:
                summary = send(ready, cases.take, cases.skipped)
                _write_report(ctx, junit, cases.document())
            if before is not None and summary.unknown_costs and summary.stop is None:
                summary.spent_between(before, _known_balance(ready))
            summary.play_money = sandbox
        ctx.notes(summary_lines(summary))
        document = summary.document()
        if report is not None:
            text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
            _write_report(ctx, report, text)
        if ctx.json:
            write_json(ctx.terminal, document)
    raise_ending(setup, summary)


def _known_balance(ready: Prepared) -> Decimal | None:
    try:
        return ready.ask(RowSender.balance)
    except OcxError:
        return None


def _write_report(ctx: Context, target: OutputFile, text: str) -> None:
    """Raises OcxError if it cannot be written."""
    target.write(mask_keys(text, ctx.terminal.stderr.keys).encode("utf-8", "replace"))
    target.complete()


def send(ready: Prepared, take: Take = lambda _: None, on_skip: OnSkip | None = None) -> Summary:
    """Send the rows.

    Raises:
        OcxError: the output cannot be written.
    """
    setup, plan = ready.setup, ready.plan
    ctx, out, settings = setup.ctx, setup.options.rows_out, setup.settings
    if not ctx.debug:
        logging.getLogger("ocx").setLevel(logging.ERROR)  # failures are counted, and told once
    form = form_of(ctx, out.progress)
    batch = BatchRun(
        setup.input.chosen(plan),
        ready.connect(),
        settings.base_url,
        setup.limits,
        ready.output,
        out.retry,
        out.dedup,
        setup.options.failures.drain,
        total=plan.total if plan is not None else None,
        models=plan.models if plan is not None else (),
        note=ctx.note if form in {None, "plain"} else None,
        on_skip=on_skip,
    )

    def stop(number: int) -> None:
        batch.engine.stop_soon(Stop(_SIGNALS[signal.Signals(number)]))

    with stopping(stop), showing(ctx.terminal, form, Progress(batch)):
        summary = batch.run(take)
    error = summary.stop.error if summary.stop is not None else None
    if error is not None:
        advise(error, settings)
        if is_unknown_model(error):
            near = _near_model(ready, batch.scheduler.beginning.models)
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
    to_file = setup.path is not None and not outputs.is_stream(setup.path)
    if (event := ending(summary, to_file=to_file)) is not None:
        raise event

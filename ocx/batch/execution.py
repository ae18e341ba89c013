"""A run of the command: the input checked, the output taken up, the rows sent, the end told."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ocx.api.retry import is_unknown_model
from ocx.batch.batch_row import asked_at
from ocx.batch.batch_run import BatchRun, OnSkip, Take, decider
from ocx.batch.connection import Connection
from ocx.batch.control.settings import RunLimits, Stop
from ocx.batch.input import ChangedInputError, FileInput, Input, Plan
from ocx.batch.merged_file import Adoption
from ocx.batch.options import RowsOut
from ocx.batch.outputs import check_empty, is_stream, make_format, open_output
from ocx.batch.progress import Progress, form_of, showing
from ocx.batch.reports import TestCases, ending, summary_lines
from ocx.batch.row import BadRow, Row, hash_request
from ocx.batch.store import RowOutput
from ocx.batch.summary import Summary
from ocx.chat.options import AnswerChecks
from ocx.config.completion_cache import read_models
from ocx.config.settings import Settings
from ocx.errors import OcxError, UsageError
from ocx.keys.balance import Dated, keep_balance
from ocx.keys.client import advise, open_endpoint
from ocx.output.output_file import OutputFile, report_file
from ocx.output.results import write_json
from ocx.process import stopping
from ocx.runtime import Runtime
from ocx.secret import mask_keys
from ocx.text import nearest

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

T = TypeVar("T")
_SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


@dataclass(frozen=True)
class Setup:
    """What the options mean.

    Attributes:
        path: the output; None is stdout.
        resume: go on with what the output holds.
        drain: seconds for requests in flight after a signal.
        name: the input's, for a person.
    """

    input: Input
    settings: Settings
    limits: RunLimits
    checks: AnswerChecks
    schema: Schema | None
    out: RowsOut
    path: Path | None
    resume: bool
    drain: float
    report: str | None = None
    junit: str | None = None
    name: str = ""

    def sha256(self, row: Row) -> str:
        # Not the endpoint's own URL: the sandbox has another port in every run.
        return hash_request(row, self.settings.base_url)[0]

    def chosen(self) -> Iterator[Row | BadRow]:
        """The rows of a file that the run is about, once more."""
        given = self.input
        return given.chosen(given.plan()) if isinstance(given, FileInput) else iter(())


@dataclass(frozen=True)
class Prepared:
    """Attributes:
    connect: makes a connection.
    plan: of the input; None for a stream.
    """

    connect: Callable[[], Connection]
    output: RowOutput
    plan: Plan | None

    def ask(self, question: Callable[[Connection], Awaitable[T]]) -> T:
        """One question to the server, before or after the run. Raises OcxError."""

        async def answer() -> T:
            connection = self.connect()
            try:
                return await question(connection)
            finally:
                await connection.close()

        return asyncio.run(answer())


@contextmanager
def prepared(
    ctx: Runtime, setup: Setup, on_row: Callable[[Row], None] | None = None
) -> Iterator[Prepared]:
    """Check the input, find the key, take up the output; in this order.

    Args:
        on_row: told of each row that is left to be sent.

    Raises:
        UsageError: of the input or the output.
        AuthError, ConfigError: of the key.
    """
    path, out, given, settings = setup.path, setup.out, setup.input, setup.settings
    is_file = isinstance(given, FileInput)
    with ExitStack() as stack:
        fresh = path is None or check_empty(path, resume=setup.resume)
        # What is wrong with an input must not leave an empty output behind.
        plan = given.plan(None, on_row) if fresh else None
        endpoint = stack.enter_context(open_endpoint(ctx, settings))
        adoption = Adoption(setup.chosen, setup.sha256) if is_file else None
        output = stack.enter_context(
            open_output(
                ctx.terminal,
                path,
                out,
                make_format(out, given, setup.schema, settings.base_url),
                resume=setup.resume,
                adoption=adoption,
            )
        )
        if not fresh:
            try:
                plan = given.plan(decider(output.finished, settings.base_url, out.retry), on_row)
            except ChangedInputError as error:
                raise _other_url(setup) or error from None
        readings: list[Dated] = []
        stack.callback(keep_balance, ctx, settings, readings)

        def connect() -> Connection:
            return Connection(
                endpoint,
                setup.checks,
                setup.schema,
                balance_path=settings.balance_path,
                balance_scale=settings.balance_scale,
                readings=readings,
            )

        yield Prepared(connect, output, plan)


def _other_url(setup: Setup) -> UsageError | None:
    """The error of a resume that asks another endpoint than the rows that are there, said once."""
    asked, now = setup.path and asked_at(setup.path), setup.settings.base_url
    if not asked or asked.rstrip("/") == now.rstrip("/"):
        return None
    return UsageError(
        f"{setup.path} was answered by {asked}, and this run would ask {now}",
        hint="--resume goes on with the same base URL; use another -o for this one",
    )


def execute(ctx: Runtime, setup: Setup) -> Summary:
    """The whole run, told at its end. Raises what `send`, `prepared` and `report_file` do."""
    with ExitStack() as stack:
        # Opened before anything is sent: a report that cannot be written costs nothing.
        report, junit = (
            stack.enter_context(report_file(ctx.terminal, name, flag)) if name else None
            for name, flag in ((setup.report, "--report"), (setup.junit, "--junit"))
        )
        cases = TestCases(setup.name)
        with prepared(ctx, setup) as ready:
            # A report, or play money, should tell credits that no answer and no price may name.
            # With a budget the run reads the balance itself.
            budget, sandbox = setup.limits.budget, setup.settings.sandbox
            wanted = (report is not None or sandbox) and not budget.any and not budget.prices
            before = _known_balance(ready) if wanted else None
            if junit is None:
                summary = send(ctx, setup, ready)
            else:
                summary = send(ctx, setup, ready, cases.take, cases.skipped)
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
    return summary


def _known_balance(ready: Prepared) -> Decimal | None:
    try:
        return ready.ask(Connection.balance)
    except OcxError:
        return None


def _write_report(ctx: Runtime, target: OutputFile, text: str) -> None:
    """Raises OcxError if it cannot be written."""
    target.write(mask_keys(text, ctx.terminal.stderr.keys).encode("utf-8", "replace"))
    target.complete()


def send(
    ctx: Runtime,
    setup: Setup,
    ready: Prepared,
    take: Take = lambda _: None,
    on_skip: OnSkip | None = None,
) -> Summary:
    """Send the rows.

    Raises:
        OcxError: the output cannot be written.
    """
    if not ctx.debug:
        logging.getLogger("ocx").setLevel(logging.ERROR)  # failures are counted, and told once
    form, out, plan = form_of(ctx, setup.out.progress), setup.out, ready.plan
    batch = BatchRun(
        setup.input.chosen(plan),
        ready.connect(),
        setup.settings.base_url,
        setup.limits,
        ready.output,
        out.retry,
        out.dedup,
        setup.drain,
        total=plan.total if plan is not None else None,
        models=plan.models if plan is not None else (),
        note=ctx.note if form in {None, "plain"} else None,
        on_skip=on_skip,
    )

    def stop(number: int) -> None:
        batch.engine.stop_soon(Stop(_SIGNALS[signal.Signals(number)]))

    with stopping(stop), showing(ctx.terminal, form, Progress(batch)):
        summary = batch.run(take)
    stopped = summary.stop
    if stopped is not None and stopped.error is not None:
        advise(stopped.error, setup.settings)
        if is_unknown_model(stopped.error):
            near = _near_model(ctx, setup, ready, batch.scheduler.beginning.models)
            stopped.error.hint = f"did you mean -m {near}?" if near else stopped.error.hint
    return summary


def _near_model(ctx: Runtime, setup: Setup, ready: Prepared, asked: Set[str]) -> str | None:
    """The model that was probably meant: of those that the server has, else had."""
    try:
        known = ready.ask(Connection.model_ids)
    except OcxError:
        known = read_models(ctx.terminal.env, setup.settings)
    return next((near for model in asked if (near := nearest(model, known)) is not None), None)


def raise_ending(setup: Setup, summary: Summary) -> None:
    """Raises: what ends the process, if not all rows are there."""
    to_file = setup.path is not None and not is_stream(setup.path)
    event = ending(summary, to_file=to_file)
    if event is not None:
        raise event

"""A run of the command: the input checked, the output taken up, the rows sent, the end told."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Callable, Iterator, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from ocx.api.retry import is_unknown_model
from ocx.api.types import Endpoint
from ocx.batch.connection import ApiConnection, Connection
from ocx.batch.control.settings import RunLimits, Stop
from ocx.batch.finished_rows import id_key
from ocx.batch.input import FileInput, Input
from ocx.batch.job import Job, OnSkip, Run, Take
from ocx.batch.options import RowsOut
from ocx.batch.output.adoption import Adoption
from ocx.batch.output.resume import asked_at
from ocx.batch.outputs import (
    Opened,
    check_empty,
    is_parquet,
    is_stream,
    make_renderer,
    open_output,
)
from ocx.batch.parquet import adopt_parquet, answers_path, write_parquet
from ocx.batch.plan import ChangedInputError, Plan, Seen
from ocx.batch.progress import Progress, form_of, showing
from ocx.batch.reports import TestCases, ending, summary_lines
from ocx.batch.row import BadRow, Row, request_sha256
from ocx.batch.summary import Summary
from ocx.chat.options import AnswerChecks
from ocx.config.completion_cache import read_models
from ocx.config.settings import Settings
from ocx.errors import OcxError, UsageError
from ocx.keys.balance import Dated, keep_balance
from ocx.keys.client import advise, open_endpoint
from ocx.output.output_file import Target, report_target
from ocx.output.results import write_json
from ocx.runtime import Runtime
from ocx.secret import mask
from ocx.signals import stopping
from ocx.text import nearest

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

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

    rows: Input
    settings: Settings
    scheduler: RunLimits
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
        return request_sha256(row, self.settings.base_url)


@dataclass(frozen=True)
class Prepared:
    """Attributes:
    connect: makes a worker's connection.
    plan: of the input; None for a stream.
    """

    connect: Callable[[], Connection]
    output: Opened
    plan: Plan | None


@contextmanager
def prepared(run: Runtime, setup: Setup, on_row: Seen | None = None) -> Iterator[Prepared]:
    """Check the input, find the key, take up the output; in this order.

    Args:
        on_row: told of each row that is left to be sent.

    Raises:
        UsageError: of the input or the output.
        AuthError, ConfigError: of the key.
    """
    with ExitStack() as stack:
        fresh = setup.path is None or check_empty(setup.path, resume=setup.resume)
        if setup.path is not None and is_parquet(setup.out):
            if not fresh and not answers_path(setup.path).exists():
                _adopt_parquet(setup, setup.path)
            fresh = check_empty(answers_path(setup.path), resume=setup.resume)
        # What is wrong with an input must not leave an empty output behind.
        plan = setup.rows.plan(None, setup.sha256, setup.out.retry, on_row) if fresh else None
        endpoint = stack.enter_context(open_endpoint(run, setup.settings))
        renderer = make_renderer(setup.out, setup.rows, setup.schema, setup.settings.base_url)
        opened = stack.enter_context(
            open_output(
                run.terminal,
                setup.path,
                setup.out,
                renderer,
                resume=setup.resume,
                adoption=_adoption(setup),
            )
        )
        if not fresh:
            states = opened.store.states if opened.store is not None else None
            try:
                plan = setup.rows.plan(states, setup.sha256, setup.out.retry, on_row)
            except ChangedInputError as error:
                raise _other_url(setup) or error from None
        readings: list[Dated] = []
        stack.callback(keep_balance, run, setup.settings, readings)
        yield Prepared(_connector(setup, endpoint, readings), opened, plan)


def _adoption(setup: Setup) -> Adoption | None:
    """How to go on with a complete output; not for stdin, which is read once."""
    rows = setup.rows
    if not isinstance(rows, FileInput):
        return None

    def chosen() -> Iterator[Row | BadRow]:
        return rows.chosen(rows.plan(None, setup.sha256, setup.out.retry))

    return Adoption(chosen, setup.sha256)


def _order(setup: Setup, plan: Plan | None) -> Callable[[], Iterator[int]] | None:
    """The order of the input, where the output is to have it."""
    rows = setup.rows
    if not setup.out.in_order or not isinstance(rows, FileInput):
        return None
    return lambda: (id_key(row.id) for row in rows.chosen(plan))


def _other_url(setup: Setup) -> UsageError | None:
    """The error of a resume that asks another endpoint than the rows that are there, said once."""
    asked, now = setup.path and asked_at(setup.path), setup.settings.base_url
    if not asked or asked.rstrip("/") == now.rstrip("/"):
        return None
    return UsageError(
        f"{setup.path} was answered by {asked}, and this run would ask {now}",
        hint="--resume goes on with the same base URL; use another -o for this one",
    )


def execute(run: Runtime, setup: Setup) -> Summary:
    """The whole run, told at its end. Raises what `send`, `prepared` and `report_target` do."""
    with ExitStack() as stack:
        # Opened before anything is sent: a report that cannot be written costs nothing.
        report, junit = (
            stack.enter_context(report_target(run.terminal, name, flag)) if name else None
            for name, flag in ((setup.report, "--report"), (setup.junit, "--junit"))
        )
        cases = TestCases(setup.name)
        with prepared(run, setup) as ready:
            before = _balance_before(setup, ready)
            if junit is None:
                summary = send(run, setup, ready)
            else:
                summary = send(run, setup, ready, cases.take, cases.skipped)
                write_report(run, junit, cases.document())
            if before is not None and summary.unknown_costs and summary.stop is None:
                summary.spent_between(before, _known_balance(ready))
            summary.play_money = setup.settings.sandbox
        tell(run, summary, report)
    return summary


def _balance_before(setup: Setup, ready: Prepared) -> Decimal | None:
    """Where a report, or play money, should tell credits that no answer and no price may name.

    With a budget the run reads the balance itself.
    """
    limits = setup.scheduler.limits
    wanted = setup.report is not None or setup.settings.sandbox
    return _known_balance(ready) if wanted and not limits.any and not limits.prices else None


def _known_balance(ready: Prepared) -> Decimal | None:
    try:
        return read_balance(ready)
    except OcxError:
        return None


def read_balance(ready: Prepared) -> Decimal:
    """The credits that are left. Raises OcxError."""

    async def read() -> Decimal:
        connection = ready.connect()
        try:
            return await connection.balance()
        finally:
            await connection.close()

    return asyncio.run(read())


def send(
    run: Runtime,
    setup: Setup,
    ready: Prepared,
    take: Take = lambda _: None,
    on_skip: OnSkip | None = None,
) -> Summary:
    """Send the rows.

    Raises:
        OcxError: the output cannot be written.
    """
    if not run.debug:
        logging.getLogger("ocx").setLevel(logging.ERROR)  # failures are counted, and told once
    store = ready.output.store
    form = form_of(run, setup.out.progress)
    job = Job(
        setup.rows.rows(ready.plan),
        ready.connect,
        setup.settings.base_url,
        setup.scheduler,
        store=store,
        window=ready.output.window,
        retry=setup.out.retry,
        dedup=setup.out.dedup,
        drain=setup.drain,
        total=ready.plan.total if ready.plan is not None else None,
        models=frozenset(ready.plan.models) if ready.plan is not None else frozenset(),
        note=run.note if form in {None, "plain"} else None,
        on_skip=on_skip,
        order=None if is_parquet(setup.out) else _order(setup, ready.plan),
    )
    rows = Run(job, ready.output.output)

    def stop(number: int) -> None:
        rows.stop(Stop(_SIGNALS[signal.Signals(number)]))

    with stopping(stop), showing(run.terminal, form, Progress(rows)):
        summary = rows.run(take)
    if is_parquet(setup.out) and summary.stop is None and not summary.unsent:
        _write_parquet(setup, ready)
        if store is not None and store.complete:
            store.path.unlink(missing_ok=True)
    stop_error = summary.stop.error if summary.stop is not None else None
    if stop_error is not None:
        advise(stop_error, setup.settings)
        if is_unknown_model(stop_error):
            near = _near_model(run, setup, ready, rows.scheduler.beginning.models)
            stop_error.hint = f"did you mean -m {near}?" if near else stop_error.hint
    return summary


def _adopt_parquet(setup: Setup, path: Path) -> None:
    if isinstance(setup.rows, FileInput):
        rows = setup.rows.chosen(setup.rows.plan(None, setup.sha256, setup.out.retry))
        adopt_parquet(path, rows, setup.sha256, setup.out.field)


def _write_parquet(setup: Setup, ready: Prepared) -> None:
    rows, path = setup.rows, setup.path
    if isinstance(rows, FileInput) and path is not None:
        every, chosen = rows.source.rows(), rows.chosen(ready.plan)
        write_parquet(path, rows.source.path, every, chosen, setup.out.field)


def _near_model(run: Runtime, setup: Setup, ready: Prepared, asked: Set[str]) -> str | None:
    """The model that was probably meant: of those that the server has, else had."""

    async def read() -> list[str]:
        connection = ready.connect()
        try:
            return await connection.model_ids()
        finally:
            await connection.close()

    try:
        known = asyncio.run(read())
    except OcxError:
        known = read_models(run.terminal.env, setup.settings)
    return next((near for model in asked if (near := nearest(model, known)) is not None), None)


def tell(run: Runtime, summary: Summary, report: Target | None) -> None:
    """The summary, on stderr, in the report and as JSON. Raises OcxError for the report."""
    run.notes(summary_lines(summary))
    document = summary.document()
    if report is not None:
        write_report(run, report, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    if run.json:
        write_json(run.terminal, document)


def write_report(run: Runtime, target: Target, text: str) -> None:
    """Raises OcxError if it cannot be written."""
    target.write(mask(text, run.terminal.stderr.keys).encode("utf-8", "replace"))
    target.complete()


def raise_ending(setup: Setup, summary: Summary) -> None:
    """Raises: what ends the process, if not all rows are there."""
    to_file = setup.path is not None and not is_stream(setup.path)
    event = ending(summary, to_file=to_file)
    if event is not None:
        raise event


def _connector(setup: Setup, endpoint: Endpoint, readings: list[Dated]) -> Callable[[], Connection]:
    settings = setup.settings

    def connect() -> Connection:
        return ApiConnection(
            endpoint,
            setup.checks,
            setup.schema,
            balance_path=settings.balance_path,
            balance_scale=settings.balance_scale,
            readings=readings,
        )

    return connect

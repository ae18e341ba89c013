"""From the options to a run that can begin: its requests, its limits, its input, its output."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, aclosing, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ocx.api.types import Endpoint
from ocx.batch.batch_row import asked_at
from ocx.batch.control import RunLimits, parse_max_failures
from ocx.batch.input import ChangedInputError, FileInput, Input, Plan, open_rows
from ocx.batch.journal import Journal
from ocx.batch.options import BatchOptions, Shard, find_shard
from ocx.batch.output_files import Adoption, BatchFile, MergedFile, not_empty
from ocx.batch.parquet import SUFFIX, AnswerColumn, ParquetFile
from ocx.batch.request_builder import RequestBuilder
from ocx.batch.row import Row
from ocx.batch.row_formats import BatchRows, MergedJson, MergedTable, RowFormat, TextLines
from ocx.batch.row_output import PrintedRows, ReorderBuffer, RowOutput
from ocx.batch.row_sender import RowSender
from ocx.chat.credits import gate, known_prices, threshold
from ocx.chat.placeholders import join, parse_params, reads_stdin
from ocx.chat.request import find_template, prepare_settings
from ocx.chat.templates import STDIN_NAME, Template
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.decoding import STDIN, check_claims
from ocx.errors import UsageError
from ocx.files import journal_path
from ocx.keys.client import Dated, keep_balance, open_endpoint
from ocx.output.writers import Sink, is_stream, open_output_file
from ocx.process import raise_file_limit
from ocx.text import did_you_mean

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

T = TypeVar("T")
_OTHER_FILES = 64


@dataclass(frozen=True)
class Setup:
    """What the options mean.

    Attributes:
        path: the output; None is stdout.
    """

    ctx: Context
    options: BatchOptions
    input: Input
    settings: Settings
    limits: RunLimits
    schema: Schema | None
    shard: Shard | None
    path: Path | None


def make_setup(ctx: Context, options: BatchOptions) -> Setup:
    """What the options mean.

    Raises:
        UsageError, ConfigError: an option, a template, a setting or a price is wrong.
    """
    _check_stdin(ctx, options)
    if ctx.json and options.sends and options.rows_out.to_stdout:
        raise UsageError("--json prints the summary on stdout", hint="-o FILE takes the rows")
    schema = options.checks.read_schema(ctx.read_stdin)
    builder, settings = _builder(ctx, options, schema)
    shard = find_shard(options.shards.shard, ctx.terminal.env)
    given, path = open_rows(ctx, options, builder, shard), options.rows_out.path(shard)
    if path is not None and isinstance(given, FileInput):
        there = path.exists() and given.path.exists()
        if there and path.samefile(given.path):  # a hard link, too
            raise UsageError(f"-o {path} is the input itself", hint="use another -o")
    limits = _limits(ctx, settings, options)
    return Setup(ctx, options, given, settings, limits, schema, shard, path)


def _limits(ctx: Context, settings: Settings, options: BatchOptions) -> RunLimits:
    """What the scheduler keeps to; prices are asked from the endpoint only if they matter."""
    budget, failures, rates = options.budget, options.failures, options.rates
    most = threshold("--max-credits", budget.max_credits)
    least = gate(settings, "--min-balance", budget.min_balance)
    priced = budget.estimate or most is not None or least is not None
    models = (settings.model, *settings.fallback_models) if priced else ()
    return RunLimits(
        _possible_jobs(ctx, rates.jobs),
        settings.retries,
        rates.rpm,
        rates.tpm,
        failures.max_outage,
        tuple(parse_max_failures(text) for text in failures.max_failures),
        settings.fallback_models,
        most,
        least,
        known_prices(ctx, settings, models),
        1 + options.checks.schema_retries,
    )


def _possible_jobs(ctx: Context, jobs: int) -> int:
    """So many requests at once, or as many as this process may have connections."""
    room = raise_file_limit(jobs + _OTHER_FILES) - _OTHER_FILES
    if room >= jobs:
        return jobs
    most = max(1, room)
    ctx.warn(f"-j {jobs:,} needs more open files than are allowed; {most:,} at once (ulimit -n)")
    return most


def _builder(
    ctx: Context, options: BatchOptions, schema: Schema | None
) -> tuple[RequestBuilder, Settings]:
    """What makes the rows requests, and the settings of the run."""
    template = _row_template(ctx, options)
    request = prepare_settings(ctx, options.instructions, options.model, template)
    if template is not None and request.system_given:
        template = replace(template, system=None)
    defaults: dict[str, Any] = {k: v for k, v in request.body().items() if k != "messages"}
    if schema is not None:
        defaults = {"response_format": schema.response_format(), **defaults}
    texts = (template.prompt, template.system) if template is not None else ()
    # UnicodeEncodeError, told once and not for each row: argv may hold any bytes.
    json.dumps([defaults, request.system, *texts], ensure_ascii=False).encode()
    columns = (options.rows_in.id_column, options.rows_in.attach_field)
    return RequestBuilder(defaults, request.system, template, *columns), request.settings


def _check_stdin(ctx: Context, options: BatchOptions) -> None:
    """Raise UsageError if two things are to be read from stdin."""
    source = options.rows_in.source
    piped = source is None and ctx.terminal.stdin_piped
    named = {
        "the rows": STDIN if piped else source,
        "--system-file": options.instructions.system_file,
        "--schema": options.checks.schema,
        "--tools": options.model.tools,
        "-O NAME=@-": STDIN if reads_stdin(options.model.options) else None,
        "--key-file": ctx.flags.get("key_file"),
    }
    check_claims([flag for flag, value in named.items() if value == STDIN])


def _row_template(ctx: Context, options: BatchOptions) -> Template | None:
    """The prompt of every row: that of -t, then the words; None if the rows have their own."""
    given, words = options.instructions, options.rows_in.words
    bare = words and given.template is None
    # `find_template` refuses a -p that sets nothing.
    template = Template("PROMPT") if bare else find_template(ctx, given)
    if template is None:
        return None
    prompt = join([template.prompt or "", " ".join(words)])
    params = parse_params(given.params)
    template = replace(template, prompt=prompt or None, defaults={**template.defaults, **params})
    known = [name for name in template.places_of() if name != STDIN_NAME]
    for name in params:
        if name not in known:
            raise UsageError(
                f"-p sets {name}, which the prompt does not use{did_you_mean(name, known)}",
                hint=f"it has {', '.join(known)}" if known else "it has no $NAME",
            )
    return template


@dataclass(frozen=True)
class Prepared:
    """A run whose input is checked and whose output is locked.

    Attributes:
        plan: of the input.
        readings: the balances that were read, for the history.
    """

    setup: Setup
    endpoint: Endpoint
    output: RowOutput
    plan: Plan
    readings: list[Dated] = field(default_factory=list)

    def sender(self) -> RowSender:
        settings, checks = self.setup.settings, self.setup.options.checks
        balance = (settings.balance_path, settings.balance_scale, self.readings)
        return RowSender(self.endpoint, checks, self.setup.schema, *balance)

    def ask(self, question: Callable[[RowSender], Awaitable[T]]) -> T:
        """One question to the server, before or after the run. Raises OcxError."""

        async def answer() -> T:
            async with aclosing(self.sender()) as sender:
                return await question(sender)

        return asyncio.run(answer())


@contextmanager
def prepared(setup: Setup, on_row: Callable[[Row], None] | None = None) -> Iterator[Prepared]:
    """Check the input, find the key, open the output and read what is in it; in this order.

    Args:
        on_row: told of each row that is left to be sent.

    Raises:
        UsageError: of the input or the output.
        AuthError, ConfigError: of the key.
    """
    path, out, given, settings = setup.path, setup.options.rows_out, setup.input, setup.settings
    # A task that a cluster restarts runs the same command.
    resume = out.resume or (setup.shard is not None and setup.shard.source != "--shard")
    with ExitStack() as stack:
        fresh = path is None or check_empty(path, resume=resume)
        # What is wrong with an input must not leave an empty output behind.
        plan = given.plan(None, on_row) if fresh else Plan()
        endpoint = stack.enter_context(open_endpoint(setup.ctx, settings))
        if fresh and not setup.options.sends:
            setup = replace(setup, path=None)  # no output is made that gets no row
        output = _open_output(setup, stack, resume=resume)
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


def check_empty(path: Path, *, resume: bool) -> bool:
    """Whether there is nothing to go on with. Raises UsageError for a file with content."""
    try:
        size = path.stat().st_size if path.is_file() else 0
    except OSError:
        return True
    if size and not resume:
        raise not_empty(path)
    return not size and not (resume and journal_path(path.resolve()).exists())


def _row_format(setup: Setup) -> RowFormat:
    """What makes the bytes of a row. Raises UsageError for an input that cannot be merged."""
    out, given, schema = setup.options.rows_out, setup.input, setup.schema
    if out.row_format == "text":
        return TextLines(of_sample=setup.options.rows_in.sample is not None)
    if out.output is not None and out.output.lower().endswith(SUFFIX):
        if not out.merge or given.form != "parquet" or not isinstance(given, FileInput):
            raise UsageError(
                "a Parquet output is a Parquet input with its answers added", hint="add --merge"
            )
        return AnswerColumn(given.path, out.field)
    if not out.merge:
        return BatchRows(setup.settings.base_url)
    if given.form in {"jsonl", "text", "parquet"}:
        return MergedJson(out.field, parse=schema is not None)
    properties = schema.document.get("properties") if schema is not None else None
    added = tuple(properties) if isinstance(properties, dict) else ()
    return MergedTable(given.columns(), given.dialect, out.field, added)


def _open_output(setup: Setup, stack: ExitStack, *, resume: bool) -> RowOutput:
    """Lock and take up the file, or print; closed with `stack`. Raises UsageError, OcxError."""
    terminal, path, given, out = setup.ctx.terminal, setup.path, setup.input, setup.options.rows_out
    form = _row_format(setup)
    whole = isinstance(form, AnswerColumn)  # and so written at the end
    buffer = ReorderBuffer() if out.in_order and not whole else None
    if path is None or is_stream(path):
        to: Sink = terminal.stdout
        if path is not None:
            if out.resume:
                raise UsageError(f"--resume goes on with a file, and {path} is none")
            target = to = open_output_file(terminal, str(path))
            stack.callback(target.complete)
        kept = stack.enter_context(closing(Journal(None))) if out.dedup else None
        to_person = path is None and terminal.stdout_tty
        return PrintedRows(form, buffer, out.dedup, out=to, to_person=to_person, kept=kept)
    if form.tells_ids:
        file = BatchFile(form, buffer, out.dedup, path=path, resume=resume)
        return stack.enter_context(closing(file))
    adoption = None
    if isinstance(given, FileInput):
        # Not the endpoint's own URL: the sandbox has another port in every run.
        adoption = Adoption(lambda: given.chosen(given.plan()), setup.settings.base_url)
    kind = ParquetFile if whole else MergedFile
    merged = kind(form, buffer, out.dedup, path=path, resume=resume, adoption=adoption)
    return stack.enter_context(closing(merged))

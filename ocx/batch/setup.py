"""From the options to what makes each row a request, and to what the scheduler keeps to."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocx.batch.control.budget import BudgetLimits
from ocx.batch.control.settings import RunLimits, parse_max_failures
from ocx.batch.input import Input, open_rows
from ocx.batch.options import BatchOptions
from ocx.batch.outputs import output_path
from ocx.batch.request_builder import RequestBuilder
from ocx.batch.row import Row, hash_request
from ocx.batch.shards import Shard, find_shard
from ocx.chat.credits import known_prices, refuse_play_money, threshold
from ocx.chat.placeholders import join, parse_params, reads_stdin
from ocx.chat.request import find_template, prepare_settings
from ocx.chat.templates import STDIN_NAME, Template
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.decoding import STDIN, check_claims
from ocx.errors import UsageError
from ocx.process import raise_file_limit
from ocx.text import did_you_mean

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

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

    def sha256(self, row: Row) -> str:
        # Not the endpoint's own URL: the sandbox has another port in every run.
        return hash_request(row, self.settings.base_url)[0]


def make_setup(ctx: Context, options: BatchOptions) -> Setup:
    """What the options mean.

    Raises:
        UsageError, ConfigError: an option, a template, a setting or a price is wrong.
    """
    _check_stdin(ctx, options)
    schema = options.checks.read_schema(ctx.read_stdin)
    builder, settings = _builder(ctx, options, schema)
    shard = find_shard(options.shards.shard, ctx.terminal.env)
    given = open_rows(ctx, options, builder, shard)
    limits, path = _limits(ctx, settings, options), output_path(options.rows_out, shard)
    return Setup(ctx, options, given, settings, limits, schema, shard, path)


def _limits(ctx: Context, settings: Settings, options: BatchOptions) -> RunLimits:
    """What the scheduler keeps to; prices are asked from the endpoint only if they matter."""
    budget, failures, rates = options.budget, options.failures, options.rates
    if budget.min_balance is not None:
        refuse_play_money(settings, "--min-balance")
    most = threshold("--max-credits", budget.max_credits)
    least = threshold("--min-balance", budget.min_balance)
    priced = budget.estimate or most is not None or least is not None
    models = (settings.model, *settings.fallback_models) if priced else ()
    prices, requests = known_prices(ctx, settings, models), 1 + options.checks.schema_retries
    return RunLimits(
        _possible_jobs(ctx, rates.jobs),
        settings.retries,
        rates.rpm,
        rates.tpm,
        failures.max_outage,
        BudgetLimits(most, least, prices, requests, settings.fallback_models),
        tuple(parse_max_failures(text) for text in failures.max_failures),
        settings.fallback_models,
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
    source = options.arguments.source
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
    given, words = options.instructions, options.arguments.words
    if given.template is None and words:
        template = Template("PROMPT")
    elif (stored := find_template(ctx, given)) is not None:  # refuses a -p that sets nothing
        template = stored
    else:
        return None
    prompt = join([template.prompt or "", " ".join(words)])
    params = parse_params(given.params)
    template = replace(template, prompt=prompt or None, defaults={**template.defaults, **params})
    known = [name for name in template.places if name != STDIN_NAME]
    for name in params:
        if name not in known:
            raise UsageError(
                f"-p sets {name}, which the prompt does not use{did_you_mean(name, known)}",
                hint=f"it has {', '.join(known)}" if known else "it has no $NAME",
            )
    return template

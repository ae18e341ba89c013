"""From the options to what makes each row a request, and to what the scheduler keeps to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ocx.batch.control.budget import BudgetLimits
from ocx.batch.control.settings import RunLimits, parse_max_failures
from ocx.batch.options import (
    BatchBudget,
    FailureLimits,
    InputArguments,
    RateOptions,
    RowsIn,
)
from ocx.batch.request_builder import RequestBuilder
from ocx.chat.credits import refuse_play_money, threshold
from ocx.chat.options import AnswerChecks, Instructions, ModelOptions
from ocx.chat.parameters import join, parse_params, reads_stdin
from ocx.chat.prices import known_prices
from ocx.chat.request import find_template, prepare_settings
from ocx.chat.templates import STDIN_NAME, Template
from ocx.config.settings import Settings
from ocx.decoding import STDIN, check_claims
from ocx.descriptors import raise_limit
from ocx.errors import UsageError
from ocx.runtime import Runtime
from ocx.text import did_you_mean

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

_OTHER_FILES = 64


def make_limits(
    ctx: Runtime,
    settings: Settings,
    rates: RateOptions,
    failures: FailureLimits,
    budget: BatchBudget,
    checks: AnswerChecks,
) -> RunLimits:
    """What the scheduler keeps to.

    Prices are those of the config file, else of the endpoint if they matter.

    Raises:
        UsageError: a limit is not a number.
        ConfigError: a price is not, or the sandbox was not asked for in words.
    """
    if budget.min_balance is not None:
        refuse_play_money(settings, "--min-balance")
    most = threshold("--max-credits", budget.max_credits)
    least = threshold("--min-balance", budget.min_balance)
    priced = budget.estimate or most is not None or least is not None
    models = (settings.model, *settings.fallback_models) if priced else ()
    prices, requests = known_prices(ctx, settings, models), 1 + checks.schema_retries
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


def _possible_jobs(ctx: Runtime, jobs: int) -> int:
    """So many requests at once, or as many as this process may have connections."""
    room = raise_limit(jobs + _OTHER_FILES) - _OTHER_FILES
    if room >= jobs:
        return jobs
    most = max(1, room)
    ctx.warn(f"-j {jobs:,} needs more open files than are allowed; {most:,} at once (ulimit -n)")
    return most


def make_builder(
    ctx: Runtime,
    arguments: InputArguments,
    given: Instructions,
    sampling: ModelOptions,
    rows_in: RowsIn,
    schema: Schema | None,
) -> tuple[RequestBuilder, Settings]:
    """What makes the rows requests, and the settings of the run.

    Raises:
        UsageError, ConfigError: an option, a template or a setting is wrong.
    """
    template = _row_template(ctx, arguments, given)
    request = prepare_settings(ctx, given, sampling, template)
    if template is not None and request.system_given:
        template = replace(template, system=None)
    defaults: dict[str, Any] = {k: v for k, v in request.body().items() if k != "messages"}
    if schema is not None:
        defaults = {"response_format": schema.response_format(), **defaults}
    texts = (template.prompt, template.system) if template is not None else ()
    # UnicodeEncodeError, told once and not for each row: argv may hold any bytes.
    json.dumps([defaults, request.system, *texts], ensure_ascii=False).encode()
    builder = RequestBuilder(
        defaults, request.system, template, rows_in.id_column, rows_in.attach_field
    )
    return builder, request.settings


def check_stdin(
    ctx: Runtime,
    arguments: InputArguments,
    given: Instructions,
    sampling: ModelOptions,
    checks: AnswerChecks,
) -> None:
    """Raise UsageError if two things are to be read from stdin."""
    piped = arguments.source is None and ctx.terminal.stdin_piped
    named = {
        "the rows": STDIN if piped else arguments.source,
        "--system-file": given.system_file,
        "--schema": checks.schema,
        "--tools": sampling.tools,
        "-O NAME=@-": STDIN if reads_stdin(sampling.options) else None,
        "--key-file": ctx.flags.get("key_file"),
    }
    check_claims([flag for flag, value in named.items() if value == STDIN])


def _row_template(ctx: Runtime, arguments: InputArguments, given: Instructions) -> Template | None:
    """The prompt of every row: that of -t, then the words; None if the rows have their own."""
    if given.template is None and arguments.words:
        template = Template("PROMPT")
    elif (stored := find_template(ctx, given)) is not None:  # refuses a -p that sets nothing
        template = stored
    else:
        return None
    prompt = join([template.prompt or "", " ".join(arguments.words)])
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

"""From the options to what makes each row a request, and to what the scheduler keeps to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ocx.batch.control.budget import BudgetLimits
from ocx.batch.control.settings import RunLimits, parse_max_failures
from ocx.batch.options import (
    BatchBudget,
    FailureLimits,
    InputArguments,
    RateOptions,
    RowChecks,
    RowsIn,
)
from ocx.batch.request_builder import Composer
from ocx.chat.credits import refuse_play_money, threshold
from ocx.chat.messages import STDIN, StdinClaims, join
from ocx.chat.options import AnswerChecks, Instructions, ModelOptions
from ocx.chat.parameters import reads_stdin
from ocx.chat.prices import known_prices, prices_of
from ocx.chat.request import find_template, prepare_settings
from ocx.chat.templates import STDIN_NAME, Template, parse_params
from ocx.config import profiles
from ocx.config.settings import Settings
from ocx.descriptors import raise_limit
from ocx.errors import UsageError
from ocx.runtime import Runtime
from ocx.text import did_you_mean

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

_OTHER_FILES = 64


def make_limits(
    run: Runtime, settings: Settings, budget: BatchBudget, checks: RowChecks
) -> BudgetLimits:
    """The budget, with the prices of the config file, else of the endpoint if they matter.

    Raises:
        UsageError: it is not a number.
        ConfigError: a price is not, or the sandbox was not asked for in words.
    """
    if budget.min_balance is not None:
        refuse_play_money(settings, "--min-balance")
    limits = (
        threshold("--max-credits", budget.max_credits),
        threshold("--min-balance", budget.min_balance),
    )
    if budget.estimate or any(limit is not None for limit in limits):
        prices = known_prices(run, settings, (settings.model, *settings.fallback_models))
    else:
        prices = prices_of(profiles.load(run.terminal.env).prices(), settings.aliases)
    return BudgetLimits(
        *limits,
        prices,
        1 + checks.schema_retries,
        settings.fallback_models,
    )


def possible_jobs(run: Runtime, jobs: int) -> int:
    """So many requests at once, or as many as this process may have connections."""
    room = raise_limit(jobs + _OTHER_FILES) - _OTHER_FILES
    if room >= jobs:
        return jobs
    most = max(1, room)
    run.warn(f"-j {jobs:,} needs more open files than are allowed; {most:,} at once (ulimit -n)")
    return most


def make_settings(
    run: Runtime,
    settings: Settings,
    speed: RateOptions,
    failures: FailureLimits,
    limits: BudgetLimits,
) -> RunLimits:
    """What the scheduler keeps to. Raises UsageError."""
    return RunLimits(
        possible_jobs(run, speed.jobs),
        settings.retries,
        speed.rpm,
        speed.tpm,
        failures.max_outage,
        limits,
        tuple(parse_max_failures(text) for text in failures.max_failures),
        settings.fallback_models,
    )


def make_composer(
    run: Runtime,
    words: InputArguments,
    given: Instructions,
    sampling: ModelOptions,
    rows_in: RowsIn,
    schema: Schema | None,
) -> tuple[Composer, Settings]:
    """What composes the rows, and the settings of the run.

    Raises:
        UsageError, ConfigError: an option, a template or a setting is wrong.
    """
    template = _row_template(run, words, given)
    request = prepare_settings(run, given, sampling, template)
    if template is not None and request.system_given:
        template = replace(template, system=None)
    defaults: dict[str, Any] = {k: v for k, v in request.body().items() if k != "messages"}
    if schema is not None:
        defaults = {"response_format": schema.response_format(), **defaults}
    texts = (template.prompt, template.system) if template is not None else ()
    _check_text([defaults, request.system, *texts])
    composer = Composer(defaults, request.system, template, rows_in.id_column, rows_in.attach_field)
    return composer, request.settings


def _check_text(texts: list[Any]) -> None:
    """Raise UnicodeEncodeError, told once and not for each row: argv may hold any bytes."""
    json.dumps(texts, ensure_ascii=False).encode()


def check_stdin(
    run: Runtime,
    words: InputArguments,
    given: Instructions,
    sampling: ModelOptions,
    checks: AnswerChecks,
) -> None:
    """Raise UsageError if two things are to be read from stdin."""
    piped = words.source is None and run.terminal.stdin_piped
    named = {
        "the rows": STDIN if piped else words.source,
        "--system-file": given.system_file,
        "--schema": checks.schema,
        "--tools": sampling.tools,
        "-O NAME=@-": STDIN if reads_stdin(sampling.options) else None,
        "--key-file": run.flags.get("key_file"),
    }
    StdinClaims(tuple(flag for flag, value in named.items() if value == STDIN)).check()


def _row_template(run: Runtime, words: InputArguments, given: Instructions) -> Template | None:
    """The prompt of every row: that of -t, then the words; None if the rows have their own."""
    if given.template is None and not words.words:
        return find_template(run, given)  # refuses a -p that sets nothing
    stored = find_template(run, given) if given.template is not None else None
    template = stored or Template("PROMPT")
    prompt = join([template.prompt or "", " ".join(words.words)])
    template = replace(template, prompt=prompt or None)
    params = parse_params(given.params)
    template = replace(template, defaults={**template.defaults, **params})
    _check_params(params, template)
    return template


def _check_params(params: Mapping[str, str], template: Template) -> None:
    known = [name for name in template.places if name != STDIN_NAME]
    for name in params:
        if name not in known:
            raise UsageError(
                f"-p sets {name}, which the prompt does not use{did_you_mean(name, known)}",
                hint=f"it has {', '.join(known)}" if known else "it has no $NAME",
            )

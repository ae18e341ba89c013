"""From the options to the settings of the scheduler."""

from __future__ import annotations

from ocx.batch.control.budget import BudgetLimits
from ocx.batch.control.failures import parse_max_failures
from ocx.batch.control.settings import RunLimits
from ocx.batch.options import BatchBudget, Failures, RowChecks, Speed
from ocx.chat.credits import refuse_play_money, threshold
from ocx.chat.prices import known_prices, prices_of
from ocx.config import profiles
from ocx.config.settings import Settings
from ocx.descriptors import raise_limit
from ocx.runtime import Runtime

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
    run: Runtime, settings: Settings, speed: Speed, failures: Failures, limits: BudgetLimits
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

"""`--estimate`: the tokens of a call and what it may cost at most; nothing is sent to a model."""

from __future__ import annotations

import time
from typing import Any

from ocx.answer.price import ESTIMATED, max_completion_tokens, prompt_tokens, worst_of
from ocx.call.credits import check_minimum, refuse_play_money, threshold
from ocx.call.options import CreditLimits
from ocx.call.prices import known_prices
from ocx.config.settings import Settings
from ocx.errors import ConfigError
from ocx.keyring.balance import keep_balance, read_balance
from ocx.keyring.client import open_client
from ocx.output.json_output import write_json
from ocx.runtime import Runtime


def estimate(run: Runtime, settings: Settings, body: dict[str, Any], limits: CreditLimits) -> None:
    """Print the estimate, and hold it against --min-balance.

    Raises:
        BelowError: after the worst case the balance would be below the minimum.
        ConfigError: there is a minimum, and no price for one of the models.
        OcxError: the balance cannot be read.
    """
    model = str(body["model"])
    prompt, completion = prompt_tokens(body), max_completion_tokens(body)
    models = (model, *settings.fallback_models)
    prices = known_prices(run, settings, models)
    worst = worst_of(body, settings.fallback_models, prices)
    unpriced = next((each for each in models if each not in prices), None)
    if run.json:
        document = {"model": model, "prompt_tokens": prompt, "max_completion_tokens": completion}
        write_json(
            run.terminal, {**document, "worst_credits": None if worst is None else float(worst)}
        )
    else:
        cost = f"at most {worst:f} credits" if worst is not None else f"no price for {unpriced}"
        about = f"about {prompt} prompt tokens ({ESTIMATED})"
        run.terminal.print(f"{about}, at most {completion} completion tokens, {cost}")
    minimum = threshold("--min-balance", limits.min_balance)
    if minimum is None:
        return
    refuse_play_money(settings, "--min-balance")
    if worst is None:
        raise ConfigError(
            f"--min-balance needs a price for {unpriced}",
            hint=f'add [prices."{unpriced}"] with prompt and completion to config.toml',
        )
    with open_client(run, settings) as client:
        reading = read_balance(client, settings)
    keep_balance(run, settings, [(time.time(), reading)])
    check_minimum(reading, minimum + worst, accept_guess=False)

"""What models cost in credits: as the configuration says, else as the endpoint does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from ocx.answer.price import Price, prices_of
from ocx.api.model_facts import ModelPrice, model_facts
from ocx.config import profiles
from ocx.config.settings import Settings
from ocx.errors import OcxError
from ocx.keyring.client import open_client
from ocx.prompt.input import STDIN
from ocx.runtime import Runtime

_SECONDS = 5.0  # prices are worth a short question, not a wait


def known_prices(run: Runtime, settings: Settings, models: Sequence[str]) -> dict[str, Price]:
    """Prices by model id; the endpoint is asked only if the configuration lacks one of `models`.

    Raises:
        ConfigError: the prices of the configuration are none.
    """
    table = profiles.load(run.terminal.env).prices()
    configured = prices_of(table, settings.aliases)
    if all(model in configured for model in models) or not _may_ask(run, settings):
        return configured
    return {**_of_endpoint(run, settings), **configured}


def _may_ask(run: Runtime, settings: Settings) -> bool:
    """Not by itself where the key can be read only once, or is asked for each time."""
    asks_for_key = settings.api_key_command or run.flags.get("key_file") == STDIN
    return settings.price_scale is not None or not asks_for_key


def _of_endpoint(run: Runtime, settings: Settings) -> dict[str, Price]:
    """The prices that GET /models names in a known unit; none if it cannot be asked."""
    brief = replace(settings, retries=0, timeout=min(settings.timeout or _SECONDS, _SECONDS))
    try:
        with open_client(run.with_flags(quiet=True), brief) as client:
            models = model_facts(client.models().json)
    except OcxError:
        return {}
    scale = settings.price_scale
    found = {each.id: _in_credits(each.price, scale) for each in models if each.price}
    return {name: price for name, price in found.items() if price is not None}


def _in_credits(price: ModelPrice, scale: float | None) -> Price | None:
    """None if the unit is not known, or if tokens are not all that is charged."""
    if price.more or not (price.in_credits or scale is not None):
        return None
    factor = Decimal(1) if price.in_credits or scale is None else Decimal(str(scale))
    cached = None if price.cached_prompt is None else price.cached_prompt * factor
    return Price(price.prompt * factor, price.completion * factor, cached)

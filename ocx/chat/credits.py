"""The credits of a call: `--min-balance` before it, `--cost` after it, and what it may cost."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ocx.api.balance import Balance
from ocx.api.models import ModelFacts, model_facts
from ocx.api.prices import Cost, Price, cost_by_balance, cost_in_answer, prices_of
from ocx.api.types import amount_in
from ocx.chat.options import CreditLimits
from ocx.config import profiles
from ocx.config.settings import Settings
from ocx.decoding import STDIN
from ocx.errors import BelowError, ConfigError, OcxError, ServerError, UsageError
from ocx.keys.client import Dated, keep_balance, open_client, read_balance
from ocx.output.balance_formats import balance_text

if TYPE_CHECKING:
    from ocx.api import Client
    from ocx.context import Context


_SECONDS = 5.0  # prices are worth a short question, not a wait


class Credits:
    """The credits of calls; asks for the balance only if the limits need it.

    Args:
        settings: how the account's balance is read.
        reported: the costs are wanted where --min-balance has read the balance before the call.

    Raises:
        UsageError: the --min-balance is not a number.
        ConfigError: a sandbox that a variable chose would pass it with play money.
    """

    def __init__(self, limits: CreditLimits, settings: Settings, *, reported: bool = False) -> None:
        self._cost = limits.cost
        self._by_balance = limits.cost or (reported and limits.min_balance is not None)
        self._minimum = gate(settings, "--min-balance", limits.min_balance)
        self._settings = settings
        self._before: Decimal | None = None
        self.readings: list[Dated] = []
        """Every balance that was read, for the history."""

    def begin(self, client: Client) -> None:
        """Look at the balance before anything is spent.

        Raises, for --min-balance:
            BelowError: fewer credits are left.
            ServerError: the balance is a guess.
            OcxError: it cannot be read.
        """
        if self._minimum is not None:
            balance = self._read(client)
            check_minimum(balance, self._minimum, accept_guess=False)
            self._before = balance.amount
        elif self._cost:
            self._before = self._amount(client)

    def end(self, client: Client, fields: Mapping[str, Any]) -> Cost:
        """What the call took, never raising: the answer is there already."""
        if named := cost_in_answer(fields):
            return named
        if not self._by_balance:
            return Cost(reason="the answer does not say")
        return cost_by_balance(self._before, self._amount(client))

    def lost(self, fields: Mapping[str, Any]) -> Cost:
        """The same for a call that failed: the balance is not asked for again."""
        return cost_in_answer(fields) or Cost(reason="the call did not end well")

    def left(self, client: Client) -> Balance | None:
        """What is left now; None if that cannot be read."""
        try:
            return self._read(client)
        except OcxError:
            return None

    def _amount(self, client: Client) -> Decimal | None:
        found = self.left(client)
        return found.amount if found else None

    def _read(self, client: Client) -> Balance:
        found = read_balance(client, self._settings)
        self.readings.append((time.time(), found))
        return found

    def keep(self, ctx: Context) -> None:
        """Keep what was read in the history. Never raises an OcxError."""
        keep_balance(ctx, self._settings, self.readings)


def threshold(flag: str, text: str | None, of: str = "credits") -> Decimal | None:
    """The number, of credits or days, that a flag names.

    Raises:
        UsageError: they are not a number.
    """
    number = amount_in(text)
    if number is None and text is not None:
        raise UsageError(f"{flag} takes a number of {of}, not {text!r}")
    return number


def gate(settings: Settings, flag: str, text: str | None, of: str = "credits") -> Decimal | None:
    """The same of a flag that a call may fail by: it must not look at play money.

    Raises:
        ConfigError: a variable that was left behind chose the sandbox.
    """
    source = settings.sources.get("sandbox")
    if text is not None and source is not None and not source.is_flag:
        raise ConfigError(
            f"the sandbox was chosen by {source}: its credits are play money, no gate for {flag}",
            hint="unset it, or say --sandbox on the command line if you mean it",
        )
    return threshold(flag, text, of)


def check_minimum(reading: Balance, least: Decimal, *, accept_guess: bool) -> None:
    """Return only if at least `least` is surely there.

    Raises:
        BelowError: it is known to be less.
        ServerError: that cannot be known.
    """
    check_known(reading, accept_guess=accept_guess)
    if reading.amount is not None and reading.amount < least:
        raise BelowError(f"{balance_text(reading)} left, fewer than {least:f}", hint="top up")


def check_known(reading: Balance, *, accept_guess: bool) -> None:
    """Return only if it is known how much is left.

    Raises:
        ServerError: there are several balances, or the reading is a guess.
    """
    if reading.unlimited:
        return
    if reading.amount is None:
        held = ", ".join(each.unit for each in reading.currencies)
        raise ServerError(
            f"the account holds several balances ({held})", hint="choose one with --currency"
        )
    if reading.confidence == "guessed" and not accept_guess:
        raise ServerError(
            f"the balance may be {balance_text(reading)}, but that is a guess",
            hint="`ocx balance --raw` shows the answer; set balance_path to name the number",
        )


def known_prices(ctx: Context, settings: Settings, models: Collection[str]) -> dict[str, Price]:
    """Prices by model id; the endpoint is asked only if the configuration lacks one of `models`.

    Raises:
        ConfigError: the prices of the configuration are none.
    """
    table = profiles.load(ctx.terminal.env).prices()
    configured = prices_of(table, settings.aliases)
    # Not by itself where the key can be read only once, or is asked for each time.
    asks_for_key = settings.api_key_command or ctx.flags.get("key_file") == STDIN
    if configured.keys() >= {*models} or (asks_for_key and settings.price_scale is None):
        return configured
    return {**_of_endpoint(ctx, settings), **configured}


def _of_endpoint(ctx: Context, settings: Settings) -> dict[str, Price]:
    """The prices that GET /models names in a known unit; none if it cannot be asked."""
    brief = replace(settings, retries=0, timeout=min(settings.timeout or _SECONDS, _SECONDS))
    try:
        with open_client(ctx.with_flags(quiet=True), brief) as client:
            models = model_facts(client.models().json)
    except OcxError:
        return {}
    found = {each.id: _in_credits(each, settings.price_scale) for each in models}
    return {name: price for name, price in found.items() if price is not None}


def _in_credits(model: ModelFacts, scale: float | None) -> Price | None:
    """None if the unit is not known, or if tokens are not all that is charged."""
    if model.price is None or model.more_charged:
        return None
    if model.in_credits:
        return model.price
    return None if scale is None else model.price.times(Decimal(str(scale)))

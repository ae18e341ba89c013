"""`--cost` and `--min-balance`: the credits around a call."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ocx.answer.cost import Cost, cost_by_balance, cost_in_answer, unknown
from ocx.api.balance import Balance, parse_balance
from ocx.commands.balance import check_minimum, refuse_play_money, threshold
from ocx.config.settings import Settings
from ocx.errors import OcxError

if TYPE_CHECKING:
    from ocx.api import Client


class Spending:
    """The credits of one call; asks for the balance only where the flags need it.

    Raises: UsageError for a --min-balance that is no number, ConfigError for one that a sandbox
        chosen by a variable would pass with play money.
    """

    def __init__(self, settings: Settings, *, cost: bool, minimum: str | None) -> None:
        self._settings = settings
        self._cost = cost
        self._minimum = threshold("--min-balance", minimum)
        self._before: Decimal | None = None
        if self._minimum is not None:
            refuse_play_money(settings, "--min-balance")

    def begin(self, client: Client) -> None:
        """Look at the balance before anything is spent.

        Raises, for --min-balance: BelowError, and every error of a balance that cannot be read;
            a guess is refused too (ServerError).
        """
        if self._minimum is not None:
            balance = self._read(client)
            check_minimum(balance, self._minimum, accept_guess=False)
            self._before = balance.amount
        elif self._cost:
            self._before = self._amount(client)

    def end(self, client: Client, fields: Mapping[str, Any]) -> Cost:
        """What the call took, never raising: the answer is there already."""
        named = cost_in_answer(fields)
        if named is not None:
            return named
        if not self._cost:
            return unknown("the answer does not say")
        return cost_by_balance(self._before, self._amount(client))

    def _amount(self, client: Client) -> Decimal | None:
        try:
            return self._read(client).amount
        except OcxError:
            return None

    def _read(self, client: Client) -> Balance:
        settings = self._settings
        return parse_balance(
            client.balance().body, path=settings.balance_path, scale=settings.balance_scale
        )

"""`--cost` and `--min-balance`: the credits around a call."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from ocx.answer.cost import Cost, cost_by_balance, cost_in_answer, unknown
from ocx.api.balance import Balance, read
from ocx.config.settings import Settings
from ocx.errors import BelowError, ConfigError, OcxError, ServerError, UsageError

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
        self._minimum = None if minimum is None else _threshold(minimum)
        self._before: Decimal | None = None
        source = settings.sources.get("sandbox", "flag")
        if minimum is not None and settings.sandbox and source != "flag":
            raise ConfigError(
                f"the sandbox was chosen by {source}: play money passes no --min-balance",
                hint="unset it, or say --sandbox on the command line if you mean it",
            )

    def begin(self, client: Client) -> None:
        """Look at the balance before anything is spent.

        Raises, for --min-balance: BelowError, and every error of a balance that cannot be read;
            a guess is refused too (ServerError).
        """
        if self._minimum is not None:
            balance = self._read(client)
            self._gate(balance, self._minimum)
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
        return read(client.balance().body, path=settings.balance_path, scale=settings.balance_scale)

    def _gate(self, balance: Balance, least: Decimal) -> None:
        if balance.unlimited:
            return
        if balance.amount is None:
            raise ServerError("--min-balance cannot choose between several balances")
        if balance.confidence == "guessed":
            raise ServerError(
                "--min-balance does not rely on a guess at what the balance is",
                hint="set balance_path in the profile; `ocx balance --json` shows the guess",
            )
        if balance.amount < least:
            raise BelowError(
                f"{balance.amount} {balance.unit} left, fewer than {least}; nothing was sent"
            )


def _threshold(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise UsageError(f"--min-balance takes a number of credits, not {text!r}")
    return number

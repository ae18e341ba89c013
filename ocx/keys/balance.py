"""The balance of the account that the settings mean: asked for, read, and kept in the history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ocx.api.balance import Balance, parse_balance
from ocx.api.types import Reply
from ocx.config.paths import Env, env_name, state_dir
from ocx.config.schema import SANDBOX
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.errors import OcxError
from ocx.keys.lookup import PROVIDER_VARIABLE

if TYPE_CHECKING:
    from ocx.api import Client
    from ocx.history.call import Point
    from ocx.history.store import Account

Dated = tuple[float, Balance]
"""A balance, and when it was read, in seconds since the epoch."""


def read_balance(client: Client, settings: Settings, currency: str | None = None) -> Balance:
    """Ask for the balance; raises as `Client.balance` and `parse_balance`."""
    return balance_in(client.balance(), settings, currency)


def balance_in(reply: Reply, settings: Settings, currency: str | None = None) -> Balance:
    """The balance in an answer, read as the profile says."""
    return parse_balance(
        reply, path=settings.balance_path, scale=settings.balance_scale, currency=currency
    )


def keep_balance(ctx: Context, settings: Settings, found: Sequence[Dated]) -> None:
    """Add balances to the history, for `ocx balance --days`, unless it is off.

    Never raises an OcxError: what was asked for is there. A history that is locked or damaged is
    worth a warning; a container whose folders are read-only is not, at every call.
    """
    if not found or settings.history == "off" or _is_passing_server(settings, ctx.terminal.env):
        return
    from ocx.history.store import Reading, keep_readings  # sqlite3, not with the history off

    readings = [
        Reading(at, each.unit, each.amount)
        for at, balance in found
        for each in balance.currencies or (balance,)
        if each.amount is not None
    ]
    try:
        if readings:
            keep_readings(state_dir(ctx.terminal.env), _account(settings), readings)
    except OcxError as error:
        # sqlite3 says "readonly" and "cannot open" by these codes.
        code = getattr(error.__cause__, "sqlite_errorcode", None)
        if code is not None and code & 0xFF not in {8, 14}:
            ctx.warn(f"this balance is not in the history: {error.message}")


def kept_points(env: Env, settings: Settings, unit: str, since: float) -> list[Point]:
    """The balances of this account that are in the history, oldest first.

    Raises:
        HistoryError: the history cannot be read.
    """
    if settings.history == "off":
        return []
    from ocx.history.store import points  # sqlite3, not with the history off

    return points(state_dir(env), _account(settings), unit, since)


def _account(settings: Settings) -> Account:
    """Whose balances are compared. The sandbox's endpoint is another one in each run."""
    from ocx.history.store import Account  # the same

    url = SANDBOX if settings.sandbox else settings.base_url.rstrip("/")
    return Account(settings.profile_in_use, url)


def _is_passing_server(settings: Settings, env: Env) -> bool:
    """Whether it is an `ocx serve` of this environment alone: its port and credits end with it."""
    source = settings.sources.get("base_url")
    keys = (env.get(name, "") for name in (env_name("api_key"), PROVIDER_VARIABLE))
    local = any(key.startswith("sk-live-local-") for key in keys)
    return local and source is not None and source.is_explicit

"""An open client for the settings, with its key or the sandbox; reading and keeping balances.

And hints after an error, by where the key and the URL came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ocx.api.types import Endpoint, Reply
from ocx.config.paths import SANDBOX_FILE, Env, env_name, if_known, state_dir
from ocx.config.schema import SANDBOX
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.errors import AuthError, NetworkError, OcxError
from ocx.keys.lookup import PROVIDER_VARIABLE, endpoint, find_key, locate_key
from ocx.secret import Secret

if TYPE_CHECKING:
    from ocx.api import Client
    from ocx.api.balance import Balance
    from ocx.history.call import Point
    from ocx.history.store import Account


def advise(ctx: Context, error: OcxError, settings: Settings) -> None:
    """Give `error` the hint that fits the endpoint of `settings`, if there is a better one."""
    if isinstance(error, AuthError) and error.status is not None and not settings.sandbox:
        source = locate_key(ctx, settings).name
        if settings.auth == "none":
            error.hint = (
                f"no key was sent: profile {settings.profile} has auth = none; if it needs one:"
                f" `ocx -P {settings.profile} config unset auth`, then `ocx keys add`"
            )
        elif source.startswith("environment "):
            variable = source.removeprefix("environment ")
            error.hint = (
                f"the key is that of {variable}: set another, or unset it to use a stored one"
            )
        elif source.startswith("key "):
            name = source.removeprefix("key ")
            error.hint = f"`ocx keys rotate {name}` stores another in its place"
        else:
            error.hint = f"the key came from {source}: is it the right one?"
    elif isinstance(error, NetworkError) and "Connection refused" in error.message:
        same = ""
        if settings.from_flag("base_url"):
            same = f"--base-url {settings.base_url} "
        elif settings.profile != "default":
            same = f"-P {settings.profile} "
        error.hint = f"is the server running? `ocx {same}doctor` tells more"
    elif settings.from_flag("profile") and error.hint:
        error.hint = error.hint.replace("`ocx ", f"`ocx -P {settings.profile} ")


@contextmanager
def open_client(ctx: Context, settings: Settings, key: Secret | None = None) -> Iterator[Client]:
    """An open client for the endpoint that `settings` mean; as `open_endpoint`."""
    from ocx.api import Client  # httpx: a batch opens the endpoint alone

    with open_endpoint(ctx, settings, key) as found, Client(found) as client:
        yield client


@contextmanager
def open_endpoint(
    ctx: Context, settings: Settings, key: Secret | None = None
) -> Iterator[Endpoint]:
    """The endpoint that `settings` mean, with its key, which stderr hides from now on.

    Args:
        key: to be sent instead of the one that the settings mean; the sandbox takes none.

    Raises:
        AuthError: there is no key.
        ConfigError: the URL is refused, the key cannot be read, or must not go there.
    """
    ctx.start_logging()
    if settings.sandbox:
        with _sandbox(ctx, settings) as found:
            yield found
        return
    if key is None:
        key = find_key(ctx, settings).secret
    else:
        ctx.terminal.stderr.hide(key)
    try:
        yield endpoint(settings, key)
    except OcxError as error:
        advise(ctx, error, settings)
        raise


@contextmanager
def _sandbox(ctx: Context, settings: Settings) -> Iterator[Endpoint]:
    from ocx.serve.launch import sandbox  # a whole HTTP server, only if it is asked for

    by_flag = settings.from_flag("sandbox")
    if ctx.terminal.stderr_tty or not by_flag:
        chosen = "" if by_flag else f" (chosen by {settings.sources['sandbox']})"
        does = "the built-in server repeats your prompt and charges play credits"
        ctx.note(f"sandbox{chosen}: {does}")
    folder = sandbox_folder(ctx)
    with sandbox(folder and folder / SANDBOX_FILE) as (base_url, key):
        ctx.terminal.stderr.hide(key)
        yield endpoint(settings, key, base_url)


def sandbox_folder(ctx: Context) -> Path | None:
    """Where the sandbox keeps its ledger; None, and a note, if it must stay in memory."""
    from ocx.files import can_write  # as in open_endpoint
    from ocx.locks import has_locks
    from ocx.owners import keeps_modes

    folder = if_known(state_dir, ctx.terminal.env)
    if folder is None:
        why = "there is no home folder"
    elif not can_write(folder, SANDBOX_FILE):
        why = f"{folder} cannot be written"
    elif not keeps_modes(folder):
        why = f"the file system of {folder} keeps no modes"
    elif not has_locks(folder / f"{SANDBOX_FILE}.lock"):
        why = f"the file system of {folder} has no locks"
    else:
        return folder
    ctx.note(f"the sandbox's credits are kept in memory only: {why} (XDG_STATE_HOME)")
    return None


Dated = tuple[float, "Balance"]
"""A balance, and when it was read, in seconds since the epoch."""


def read_balance(client: Client, settings: Settings) -> Balance:
    """Ask for the balance; raises as `Client.balance` and `parse_balance`."""
    return balance_in(client.balance(), settings)


def balance_in(reply: Reply, settings: Settings, currency: str | None = None) -> Balance:
    """The balance in an answer, read as the profile says."""
    from ocx.api.balance import parse_balance  # not for a call that asks for none

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
        for each in balance.each
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

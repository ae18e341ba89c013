"""What an endpoint says about a key: GET /balance, and GET /models where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from ocx.api.balance import read
from ocx.errors import AuthError, CreditsError, OcxError, RejectedError, ServerError

if TYPE_CHECKING:
    from decimal import Decimal

    from ocx.api import Client, Reply

State = Literal["valid", "no credits", "invalid", "could not tell", "failed"]


class Verdict(NamedTuple):
    """`error` is what the command ends with: None only where the key is valid.

    `could not tell` is a failure (exit 8) and not a success: a script that asks whether a key is
    valid must not be told yes by an endpoint that would serve anybody.
    """

    state: State
    detail: str
    error: OcxError | None = None
    balance: Decimal | None = None


def ask(client: Client, path: str | None = None, scale: Decimal | None = None) -> Verdict:
    """Ask the endpoint of `client`; never raises an OcxError.

    Args:
        path: where the balance stands in the answer; None finds it.
        scale: what to multiply it by.
    """
    try:
        return _from_balance(client.balance(), path, scale)
    except RejectedError as error:
        return _without_balance(client) if error.status == 404 else _from_error(error)
    except OcxError as error:
        return _from_error(error)


def _from_balance(reply: Reply, path: str | None, scale: Decimal | None) -> Verdict:
    reading = read(reply.json, path=path, scale=scale)
    amount = reading.amount
    if reading.unlimited or amount is None:
        return Verdict("valid", "unlimited" if reading.unlimited else "")
    detail = f"{amount:f} {reading.unit}".rstrip()
    # A guessed number may be anything: it is no reason to call a key useless.
    if amount > 0 or reading.confidence == "guessed":
        return Verdict("valid", detail, None, amount)
    error = CreditsError(f"no credits are left: the balance is {detail}")
    return Verdict("no credits", detail, error, amount)


def _without_balance(client: Client) -> Verdict:
    """An endpoint without /balance: being listed the models proves little, a refusal everything."""
    try:
        client.models()
    except OcxError as error:
        return _from_error(error)
    return _unknown("it has no /balance, and /models may be open to everybody")


def _from_error(error: OcxError) -> Verdict:
    if isinstance(error, AuthError):
        return Verdict("invalid", error.message, error)
    if isinstance(error, CreditsError):
        return Verdict("no credits", error.message, error)
    if isinstance(error, ServerError) and error.status == 200:
        return _unknown(error.message)
    return Verdict("failed", error.message, error)


def _unknown(why: str) -> Verdict:
    error = ServerError(f"could not tell whether the key is valid: {why}", hint="")
    return Verdict("could not tell", why, error)

"""What an endpoint says about a key: GET /balance, and GET /models where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from ocx.api.balance import Balance, parse_balance
from ocx.errors import AuthError, CreditsError, OcxError, ServerError

if TYPE_CHECKING:
    from decimal import Decimal

    from ocx.api import Client

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
        reply = client.balance()
    except OcxError as error:
        return _without_balance(client) if error.status == 404 else _from_error(error)
    try:
        return _from_balance(parse_balance(reply.body, path=path, scale=scale))
    except ServerError as error:
        return _unknown(error.message)
    except OcxError as error:
        return _from_error(error)


def _from_balance(reading: Balance) -> Verdict:
    amounts = [b.amount for b in (reading, *reading.currencies) if b.amount is not None]
    if reading.unlimited or not amounts:
        return Verdict("valid", "unlimited")
    detail = ", ".join(
        f"{b.amount:f} {b.unit}" for b in (reading, *reading.currencies) if b.amount is not None
    )
    # A guessed number may be anything: it is no reason to call a key useless.
    if max(amounts) > 0 or reading.confidence == "guessed":
        return Verdict("valid", detail, None, reading.amount)
    error = CreditsError(f"no credits are left: the balance is {detail}")
    return Verdict("no credits", detail, error, reading.amount)


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
    return Verdict("failed", error.message, error)


def _unknown(why: str) -> Verdict:
    error = ServerError(f"could not tell whether the key is valid: {why}", hint="")
    return Verdict("could not tell", why, error)

"""Reading a balance: the API documents that there is one, not how it looks; pure."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from ocx.api.balance_shapes import Found, find_balance, raise_reported, unreadable
from ocx.api.error_response import described
from ocx.api.http import sniff
from ocx.api.types import Balance, Reply, number_in
from ocx.text import loads

__all__ = ["Balance", "parse_balance"]

_STEP = re.compile(r"[^.\[\]]+")


def parse_balance(
    body: Any, *, path: str | None = None, scale: Decimal | None = None, currency: str | None = None
) -> Balance:
    """Read the balance in an answer to GET /balance.

    Args:
        body: the reply (then errors name its request id), its bytes, or its parsed JSON (which
            may have lost digits).
        path: where the number stands (dotted, with indexes); None finds it by the known shapes.
        scale: what to multiply the number by.
        currency: which one, of several.

    Raises:
        ServerError: there is no balance, more than one could be it, or none is in `currency`.
        OcxError: the class of the failure that the body reports in spite of its 200.
    """
    if isinstance(body, Reply):
        with described(body.status, body.request_id):
            return parse_balance(body.body, path=path, scale=scale, currency=currency)
    document = _exact_json(body) if isinstance(body, bytes) else body
    found = _at_path(document, path) if path else find_balance(document)
    if currency is not None:
        found = _in_currency(found, currency.upper())
    return found if scale is None else _scaled(found, scale)


def _exact_json(body: bytes) -> Any:
    try:
        return loads(
            body,
            parse_float=_decimal,
            parse_constant=lambda _: None,  # NaN and Infinity are no numbers
            object_pairs_hook=_object,
        )
    except ValueError:
        kind = "an HTML page, not JSON" if sniff(body) == "html" else "not JSON"
        raise unreadable(f"the answer is {kind}") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        return Decimal("NaN")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if fields.setdefault(name, value) != value:
            raise unreadable(f"the answer is ambiguous: it has {name[:40]!r} twice")
    return fields


def _at_path(document: Any, path: str) -> Balance:
    value, fields = document, {}
    for step in _STEP.findall(path):
        if isinstance(value, dict):
            fields, value = value, value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            value = None
    number = number_in(value)
    if number:
        return Found(path, "", number, fields).as_balance()
    raise_reported(document)
    raise unreadable(f"no number stands at balance_path {path!r}")


def _in_currency(found: Balance, currency: str) -> Balance:
    for each in found.currencies:
        if each.currency == currency:
            return each
    if found.currencies:
        held = ", ".join(each.unit for each in found.currencies)
        raise unreadable(f"no balance in {currency}; there are {held}")
    if found.currency != currency and not found.unlimited:
        held = found.currency or "one that the answer does not name"
        raise unreadable(f"the balance is not in {currency}; it is in {held}")
    return found


def _scaled(found: Balance, scale: Decimal) -> Balance:
    amount = None if found.amount is None else found.amount * scale
    each = tuple(_scaled(one, scale) for one in found.currencies)
    return found._replace(amount=amount, currencies=each)

"""Reading a balance: the API documents that there is one, not how it looks; pure."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from ocx.api.balance_shapes import (
    Balance,
    Confidence,
    Found,
    Scope,
    find_balance,
    is_failure,
    to_balance,
    unreadable,
)
from ocx.api.error_response import described, reported
from ocx.api.http import sniff
from ocx.api.types import Reply
from ocx.api.usage import number_in
from ocx.jsontext import loads

__all__ = ["Balance", "Confidence", "parse_balance"]

_STEP = re.compile(r"[^.\[\]]+")


def parse_balance(
    body: Any,
    *,
    path: str | None = None,
    scale: Decimal | None = None,
    currency: str | None = None,
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
    document = _parse(body) if isinstance(body, bytes) else body
    found = _at_path(document, path) if path else find_balance(document)
    found = _scaled(_chosen(found, currency), scale)
    if currency is not None and found.currency != currency.upper() and not found.unlimited:
        held = found.currency or "one that the answer does not name"
        raise unreadable(f"the balance is not in {currency.upper()}; it is in {held}")
    return found


def _at_path(document: Any, path: str) -> Balance:
    value, scope = document, Scope("", {})
    for step in _STEP.findall(path):
        if isinstance(value, dict):
            scope = Scope("", value)
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            value = None
    number = number_in(value)
    if number:
        return to_balance(Found(scope, path, number))
    if isinstance(document, dict) and is_failure(document):
        raise reported(document, {})
    raise unreadable(f"no number stands at balance_path {path!r}")


def _chosen(found: Balance, currency: str | None) -> Balance:
    if currency is None or not found.currencies:
        return found
    for each in found.currencies:
        if each.currency == currency.upper():
            return each
    held = ", ".join(each.unit for each in found.currencies)
    raise unreadable(f"no balance in {currency.upper()}; there are {held}")


def _scaled(found: Balance, scale: Decimal | None) -> Balance:
    if scale is None:
        return found
    amount = None if found.amount is None else found.amount * scale
    each = tuple(_scaled(one, scale) for one in found.currencies)
    return replace(found, amount=amount, currencies=each)


def _parse(body: bytes) -> Any:
    try:
        return loads(
            body,
            parse_float=_decimal,
            parse_constant=lambda _: None,  # NaN and Infinity are no numbers
            object_pairs_hook=_object,
        )
    except ValueError:
        page = sniff(body) == "html"
        kind = "an HTML page, not JSON" if page else "not JSON"
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

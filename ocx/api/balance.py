"""Reading a balance: the API documents that there is one, not how it looks; pure.

What real gateways answer (one-api, new-api, DeepSeek, OpenRouter, OpenAI's credit grants) is read
by rank, and every doubt becomes an error or a guess: a gate that passes on a wrong number is
worse than one that fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from ocx.api.balance_values import (
    Number,
    Scope,
    below,
    currency_of,
    parse_exactly,
    read_number,
    scopes_of,
    squash,
    unit_of,
    unreadable,
    words_of,
)
from ocx.api.error_response import describe, has_bad_code, reported
from ocx.api.types import Reply
from ocx.errors import OcxError

Confidence = Literal["exact", "derived", "guessed"]


_RANKS = (
    "available_balance total_available total_balance remaining_credits credits_remaining"
    " remaining_balance balance_remaining remaining total_remaining limit_remaining remain_amount",
    "balance credit_balance",
    "credits credit remain_quota quota",
)


_UNLIMITED = {"unlimited", "unlimitedquota"}


_DIFFERENCES = (
    ("totalcredits", "totalusage"),
    ("totalgranted", "totalused"),
    ("limit", "used"),
)


_SPENT = {"used", "spent", "consumed"}


_GIVEN = {"granted", "total"}


_BAD_STATUS = {"false", "error", "fail", "failed", "failure"}


_STEP = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True)
class Balance:
    """What is left on the account.

    Attributes:
        amount: None where unlimited, and where several currencies are held.
        unit: "credits", or the unit or currency that the body names.
        path: where the number stands, like `data.balances[0].amount`; "" for a bare number.
        confidence: "derived" is computed from two numbers, "guessed" may be another number.
        currency: as the body names it, in upper case.
        currencies: one balance each, where there are several and none was chosen.
    """

    amount: Decimal | None
    unit: str
    unlimited: bool
    path: str
    confidence: Confidence
    currency: str | None = None
    currencies: tuple[Balance, ...] = ()


class _Found(NamedTuple):
    scope: Scope
    path: str
    number: Number
    rank: int = 0


def parse_balance(
    body: Any,
    *,
    path: str | None = None,
    scale: Decimal | None = None,
    currency: str | None = None,
) -> Balance:
    """The balance in the answer to GET /balance.

    Args:
        body: the reply (then errors name its request id), its bytes, or its parsed JSON (which
            may have lost digits).
        path: where the number stands (dotted, with indexes); found by rank where None.
        scale: what to multiply the number by.
        currency: which one, of several.

    Raises:
        ServerError: no balance, more than one that could be it, or none in `currency`.
        OcxError: the class of the failure that the body reports in spite of its 200.
    """
    if isinstance(body, Reply):
        try:
            return parse_balance(body.body, path=path, scale=scale, currency=currency)
        except OcxError as error:
            describe(error, body.status, body.request_id)
            raise
    document = parse_exactly(body) if isinstance(body, bytes) else body
    found = _at_path(document, path) if path else _find(document)
    found = _scaled(_chosen(found, currency), scale)
    if currency is not None and found.currency != currency.upper() and not found.unlimited:
        held = found.currency or "one that the answer does not name"
        raise unreadable(f"the balance is not in {currency.upper()}; it is in {held}")
    return found


def _find(document: Any) -> Balance:
    if isinstance(document, dict) and _is_failure(document):
        raise reported(document, {})
    bare = read_number(document)
    if bare:
        return _balance(_Found(Scope("", {}), "", bare))
    scopes = list(scopes_of(document))
    for attempt in (_unlimited, _ranked, _per_currency, _derived):
        found = attempt(scopes)
        if found:
            return found
    return _only_number(document)


def _unlimited(scopes: list[Scope]) -> Balance | None:
    for scope in scopes:
        for name, value in scope.fields.items():
            if squash(name) in _UNLIMITED and value is True:
                return Balance(
                    None, unit_of(scope.fields)[0], True, below(scope.path, name), "exact"
                )
    return None


def _ranked(scopes: list[Scope]) -> Balance | None:
    found = [candidate for scope in scopes for candidate in _candidates(scope)]
    if not found:
        return None
    best = min(candidate.rank for candidate in found)
    equals = [candidate for candidate in found if candidate.rank == best]
    _refuse_disagreement(equals)
    _refuse_more_than_there_is(equals[0], found)
    doubtful = any(_may_be_the_grant(candidate) for candidate in equals)
    return _balance(equals[0], "guessed" if doubtful else "exact")


def _candidates(scope: Scope) -> Iterator[_Found]:
    for name, value in scope.fields.items():
        rank = _RANK_OF.get(squash(name))
        number = read_number(value)
        if rank is not None and number:
            yield _Found(scope, below(scope.path, name), number, rank)


def _may_be_the_grant(found: _Found) -> bool:
    """Whether the number could be what was granted, not what is left: something was spent.

    Granted minus spent giving the same number settles it.
    """
    if found.rank == 0:
        return False
    spent = _numbers_named(found.scope, _SPENT)
    given = _numbers_named(found.scope, _GIVEN)
    settled = any(g - s == found.number.value for g in given for s in spent)
    return bool(spent) and not settled


def _numbers_named(scope: Scope, wanted: set[str]) -> list[Decimal]:
    named = (value for name, value in scope.fields.items() if wanted & set(words_of(name)))
    return [number.value for number in map(read_number, named) if number]


def _per_currency(scopes: list[Scope]) -> Balance | None:
    for scope in scopes:
        for name, value in scope.fields.items():
            if _is_per_currency(value):
                return _listed(below(scope.path, name) if name else scope.path, value)
    return None


def _is_per_currency(value: Any) -> bool:
    rows = value if isinstance(value, list) else []
    return bool(rows) and all(isinstance(row, dict) and currency_of(row) for row in rows)


def _listed(path: str, rows: list[dict[str, Any]]) -> Balance:
    held: dict[str, Balance] = {}
    for index, row in enumerate(rows):
        found = _ranked([Scope(f"{path}[{index}]", row)])
        if found is None:
            raise unreadable(f"no balance stands in {path}[{index}]")
        name = found.currency or ""
        if held.setdefault(name, found).amount != found.amount:
            raise unreadable(f"the answer holds two different balances in {name}")
    balances = tuple(held.values())
    if len(balances) == 1:
        return balances[0]
    return Balance(None, "", False, path, "exact", currencies=balances)


def _derived(scopes: list[Scope]) -> Balance | None:
    found = []
    for scope in scopes:
        numbers = {
            squash(name): (below(scope.path, name), number)
            for name, value in scope.fields.items()
            if (number := read_number(value))
        }
        for whole, part in _DIFFERENCES:
            if whole in numbers and part in numbers:
                found.append(_difference(scope, numbers[whole], numbers[part]))
    _refuse_disagreement(found)
    return _balance(found[0], "derived") if found else None


def _difference(scope: Scope, whole: tuple[str, Number], part: tuple[str, Number]) -> _Found:
    value = whole[1].value - part[1].value
    number = Number(value, whole[1].sure and part[1].sure, whole[1].symbol)
    return _Found(scope, f"{whole[0]} - {part[0]}", number)


def _only_number(document: Any) -> Balance:
    found = list(_all_numbers(document))
    if len(found) != 1:
        raise unreadable(
            "the answer holds no balance" if not found else "no number in it is the balance"
        )
    return _balance(found[0], "guessed")


def _all_numbers(document: Any) -> Iterator[_Found]:
    waiting: list[tuple[str, Any, Scope]] = [("", document, Scope("", {}))]
    while waiting:
        path, value, scope = waiting.pop()
        number = read_number(value)
        if number:
            yield _Found(scope, path, number)
        elif isinstance(value, dict):
            inner = Scope(path, value)
            # A code that passed as success is no amount.
            names = [name for name in value if path or name not in {"code", "status"}]
            waiting += [(below(path, name), value[name], inner) for name in names]
        elif isinstance(value, list):
            waiting += [(f"{path}[{at}]", each, scope) for at, each in enumerate(value)]


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
    number = read_number(value)
    if number:
        return _balance(_Found(scope, path, number))
    if isinstance(document, dict) and _is_failure(document):
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


def _balance(found: _Found, confidence: Confidence = "exact") -> Balance:
    unit, currency = unit_of(found.scope.fields)
    if unit == "credits" and found.number.symbol:
        unit = found.number.symbol
    sure = confidence if found.number.sure else "guessed"
    return Balance(found.number.value, unit, False, found.path, sure, currency)


def _refuse_disagreement(found: list[_Found]) -> None:
    for other in found[1:]:
        if other.number.value != found[0].number.value:
            raise unreadable(f"the answer is ambiguous: {found[0].path} and {other.path} disagree")


def _refuse_more_than_there_is(best: _Found, found: list[_Found]) -> None:
    """What remains cannot be more than the balance: one of the two means something else."""
    for other in found:
        if best.rank == 0 and other.rank == 1 and other.number.value < best.number.value:
            raise unreadable(f"the answer is ambiguous: {best.path} is more than {other.path}")


def _is_failure(document: Mapping[str, Any]) -> bool:
    if document.get("error") or document.get("success") is False:
        return True
    if str(document.get("status")).lower() in _BAD_STATUS:
        return True
    return has_bad_code(document)


_RANK_OF = {squash(name): rank for rank, names in enumerate(_RANKS) for name in names.split()}

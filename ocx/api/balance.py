"""Reading a balance: the API documents that there is one, not how it looks; pure.

What real gateways answer (one-api, new-api, DeepSeek, OpenRouter, OpenAI's credit grants) is read
by rank, and every doubt becomes an error or a guess: a gate that passes on a wrong number is
worse than one that fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple

from ocx.api.error_response import describe, reported
from ocx.api.http import sniff
from ocx.api.types import Reply
from ocx.errors import OcxError, ServerError

Confidence = Literal["exact", "derived", "guessed"]

HINT = "`ocx balance --raw` shows the answer; the setting balance_path names the number in it"

_RANKS = (
    "available_balance total_available total_balance remaining_credits credits_remaining"
    " remaining_balance balance_remaining remaining total_remaining limit_remaining remain_amount",
    "balance credit_balance",
    "credits credit remain_quota quota",
)
_WRAPPERS = "data result balance balances credits account user"
_UNLIMITED = {"unlimited", "unlimitedquota"}
_DIFFERENCES = (
    ("totalcredits", "totalusage"),
    ("totalgranted", "totalused"),
    ("limit", "used"),
)
_SPENT = {"used", "spent", "consumed"}
_GIVEN = {"granted", "total"}
_LEVELS = 3
_GOOD_CODES = {"0", "200", "20000", "true", "ok", "success"}
_BAD_STATUS = {"false", "error", "fail", "failed", "failure"}

_NUMBER = re.compile(
    r"(?P<sign>[-+]?)(?P<symbol>[$€£¥￥]?) ?"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,30})(?P<fraction>\.[0-9]{1,30})?"
)
_LONE_GROUP = re.compile(r"[0-9]{1,3},[0-9]{3}")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_STEP = re.compile(r"[^.\[\]]+")
_LARGEST_EXPONENT = 30  # a hostile 1e999999999 would be printed in full


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


class _Number(NamedTuple):
    value: Decimal
    sure: bool = True
    symbol: str = ""


class _Scope(NamedTuple):
    """An object of the body, and where it stands."""

    path: str
    fields: Mapping[str, Any]


class _Found(NamedTuple):
    scope: _Scope
    path: str
    number: _Number
    rank: int = 0


def read(
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
            return read(body.body, path=path, scale=scale, currency=currency)
        except OcxError as error:
            describe(error, body.status, body.request_id)
            raise
    document = _parse(body) if isinstance(body, bytes) else body
    found = _at_path(document, path) if path else _find(document)
    found = _scaled(_chosen(found, currency), scale)
    if currency is not None and found.currency != currency.upper() and not found.unlimited:
        held = found.currency or "one that the answer does not name"
        raise _unread(f"the balance is not in {currency.upper()}; it is in {held}")
    return found


def _find(document: Any) -> Balance:
    if isinstance(document, dict) and _is_failure(document):
        raise reported(document, {})
    bare = _number(document)
    if bare:
        return _balance(_Found(_Scope("", {}), "", bare))
    scopes = list(_scopes(document))
    for attempt in (_unlimited, _ranked, _per_currency, _derived):
        found = attempt(scopes)
        if found:
            return found
    return _only_number(document)


def _unlimited(scopes: list[_Scope]) -> Balance | None:
    for scope in scopes:
        for name, value in scope.fields.items():
            if _squash(name) in _UNLIMITED and value is True:
                return Balance(None, _unit(scope)[0], True, _below(scope.path, name), "exact")
    return None


def _ranked(scopes: list[_Scope]) -> Balance | None:
    found = [candidate for scope in scopes for candidate in _candidates(scope)]
    if not found:
        return None
    best = min(candidate.rank for candidate in found)
    equals = [candidate for candidate in found if candidate.rank == best]
    _refuse_disagreement(equals)
    doubtful = any(_may_be_the_grant(candidate) for candidate in equals)
    return _balance(equals[0], "guessed" if doubtful else "exact")


def _candidates(scope: _Scope) -> Iterator[_Found]:
    for name, value in scope.fields.items():
        rank = _RANK_OF.get(_squash(name))
        number = _number(value)
        if rank is not None and number:
            yield _Found(scope, _below(scope.path, name), number, rank)


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


def _numbers_named(scope: _Scope, wanted: set[str]) -> list[Decimal]:
    named = (value for name, value in scope.fields.items() if wanted & set(_words(name)))
    return [number.value for number in map(_number, named) if number]


def _per_currency(scopes: list[_Scope]) -> Balance | None:
    for scope in scopes:
        for name, value in scope.fields.items():
            if _is_per_currency(value):
                return _listed(_below(scope.path, name) if name else scope.path, value)
    return None


def _is_per_currency(value: Any) -> bool:
    rows = value if isinstance(value, list) else []
    return bool(rows) and all(isinstance(row, dict) and _currency(row) for row in rows)


def _listed(path: str, rows: list[dict[str, Any]]) -> Balance:
    held: dict[str, Balance] = {}
    for index, row in enumerate(rows):
        found = _ranked([_Scope(f"{path}[{index}]", row)])
        if found is None:
            raise _unread(f"no balance stands in {path}[{index}]")
        name = found.currency or ""
        if held.setdefault(name, found).amount != found.amount:
            raise _unread(f"the answer holds two different balances in {name}")
    balances = tuple(held.values())
    if len(balances) == 1:
        return balances[0]
    return Balance(None, "", False, path, "exact", currencies=balances)


def _derived(scopes: list[_Scope]) -> Balance | None:
    found = []
    for scope in scopes:
        numbers = {
            _squash(name): (_below(scope.path, name), number)
            for name, value in scope.fields.items()
            if (number := _number(value))
        }
        for whole, part in _DIFFERENCES:
            if whole in numbers and part in numbers:
                found.append(_difference(scope, numbers[whole], numbers[part]))
    _refuse_disagreement(found)
    return _balance(found[0], "derived") if found else None


def _difference(scope: _Scope, whole: tuple[str, _Number], part: tuple[str, _Number]) -> _Found:
    value = whole[1].value - part[1].value
    number = _Number(value, whole[1].sure and part[1].sure, whole[1].symbol)
    return _Found(scope, f"{whole[0]} - {part[0]}", number)


def _only_number(document: Any) -> Balance:
    found = list(_all_numbers(document))
    if len(found) != 1:
        raise _unread(
            "the answer holds no balance" if not found else "no number in it is the balance"
        )
    return _balance(found[0], "guessed")


def _all_numbers(document: Any) -> Iterator[_Found]:
    waiting: list[tuple[str, Any, _Scope]] = [("", document, _Scope("", {}))]
    while waiting:
        path, value, scope = waiting.pop()
        number = _number(value)
        if number:
            yield _Found(scope, path, number)
        elif isinstance(value, dict):
            inner = _Scope(path, value)
            # A code that passed as success is no amount.
            names = [name for name in value if path or name not in {"code", "status"}]
            waiting += [(_below(path, name), value[name], inner) for name in names]
        elif isinstance(value, list):
            waiting += [(f"{path}[{at}]", each, scope) for at, each in enumerate(value)]


def _scopes(document: Any) -> Iterator[_Scope]:
    """The body's object and what is wrapped in it, three levels deep; a bare list as one field."""
    if isinstance(document, list):
        yield _Scope("", {"": document})
    level = [_Scope("", document)] if isinstance(document, dict) else []
    for _ in range(_LEVELS + 1):
        yield from level
        level = [
            _Scope(_below(scope.path, name), value)
            for scope in level
            for name, value in scope.fields.items()
            if _squash(name) in _WRAPPER_NAMES and isinstance(value, dict)
        ]


def _at_path(document: Any, path: str) -> Balance:
    value, scope = document, _Scope("", {})
    for step in _STEP.findall(path):
        if isinstance(value, dict):
            scope = _Scope("", value)
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            value = None
    number = _number(value)
    if number:
        return _balance(_Found(scope, path, number))
    if isinstance(document, dict) and _is_failure(document):
        raise reported(document, {})
    raise _unread(f"no number stands at balance_path {path!r}")


def _chosen(found: Balance, currency: str | None) -> Balance:
    if currency is None or not found.currencies:
        return found
    for each in found.currencies:
        if each.currency == currency.upper():
            return each
    held = ", ".join(each.unit for each in found.currencies)
    raise _unread(f"no balance in {currency.upper()}; there are {held}")


def _scaled(found: Balance, scale: Decimal | None) -> Balance:
    if scale is None:
        return found
    amount = None if found.amount is None else found.amount * scale
    each = tuple(_scaled(one, scale) for one in found.currencies)
    return replace(found, amount=amount, currencies=each)


def _balance(found: _Found, confidence: Confidence = "exact") -> Balance:
    unit, currency = _unit(found.scope)
    if unit == "credits" and found.number.symbol:
        unit = found.number.symbol
    sure = confidence if found.number.sure else "guessed"
    return Balance(found.number.value, unit, False, found.path, sure, currency)


def _unit(scope: _Scope) -> tuple[str, str | None]:
    currency = _currency(scope.fields)
    unit = scope.fields.get("unit")
    named = isinstance(unit, str) and unit.isprintable() and 0 < len(unit.strip()) <= 20
    return currency or (str(unit).strip() if named else "credits"), currency


def _currency(fields: Mapping[str, Any]) -> str | None:
    value = fields.get("currency")
    return value.upper() if isinstance(value, str) and value.isalnum() and len(value) < 9 else None


def _refuse_disagreement(found: list[_Found]) -> None:
    for other in found[1:]:
        if other.number.value != found[0].number.value:
            raise _unread(f"the answer is ambiguous: {found[0].path} and {other.path} disagree")


def _is_failure(document: Mapping[str, Any]) -> bool:
    if document.get("error") or document.get("success") is False:
        return True
    if str(document.get("status")).lower() in _BAD_STATUS:
        return True
    code = document.get("code")
    return code is not None and str(code).lower() not in _GOOD_CODES


def _number(value: Any) -> _Number | None:
    if isinstance(value, str):
        return _written_number(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    fine = number.is_finite() and abs(number.adjusted()) <= _LARGEST_EXPONENT
    return _Number(number) if fine or number == 0 else None


def _written_number(text: str) -> _Number | None:
    match = _NUMBER.fullmatch(text)
    if not match:
        return None
    digits = match["sign"] + match["whole"].replace(",", "") + (match["fraction"] or "")
    # 1,234 is 1234 in London and 1.234 in Berlin.
    lone = _LONE_GROUP.fullmatch(match["whole"]) and not match["fraction"]
    return _Number(Decimal(digits), not lone, match["symbol"])


def _parse(body: bytes) -> Any:
    try:
        return json.loads(
            body,
            parse_float=_decimal,
            parse_constant=lambda _: None,  # NaN and Infinity are no numbers
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError):
        page = sniff(body) == "html"
        kind = "an HTML page, not JSON" if page else "not JSON"
        raise _unread(f"the answer is {kind}") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        return Decimal("NaN")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if fields.setdefault(name, value) != value:
            raise _unread(f"the answer is ambiguous: it has {name[:40]!r} twice")
    return fields


def _unread(message: str) -> ServerError:
    return ServerError(message, hint=HINT, status=200)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _squash(name: str) -> str:
    """`available_balance`, `availableBalance` and `Available-Balance` as one word."""
    return "".join(char for char in name.lower() if char.isalnum())


_RANK_OF = {_squash(name): rank for rank, names in enumerate(_RANKS) for name in names.split()}
_WRAPPER_NAMES = set(_WRAPPERS.split())

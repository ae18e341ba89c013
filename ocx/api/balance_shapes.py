"""The shapes in which gateways answer GET /balance, and where the number stands in each; pure.

Read by rank, as one-api, new-api, DeepSeek, OpenRouter and OpenAI's credit grants write them.
Every doubt becomes an error or a guess: a gate that passes on a wrong number is worse than one
that fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Any, Literal, NamedTuple

from ocx.api.error_response import from_document, is_failure_code, reported
from ocx.api.usage import Number, number_in
from ocx.errors import ServerError

Confidence = Literal["exact", "derived", "guessed"]

HINT = "`ocx balance --raw` shows the answer; the setting balance_path names the number in it"

_RANKS = (
    "available_balance total_available total_balance remaining_credits credits_remaining"
    " remaining_balance balance_remaining remaining total_remaining limit_remaining remain_amount"
    " available",
    "balance credit_balance",
    "credits credit remain_quota quota",
)
_WRAPPERS = set("data result balance balances credits account user".split())
_UNLIMITED = {"unlimited", "unlimitedquota"}
_DIFFERENCES = (("totalcredits", "totalusage"), ("totalgranted", "totalused"), ("limit", "used"))
_SPENT = {"used", "spent", "consumed"}
_GIVEN = {"granted", "total"}
_NEVER_LEFT = _SPENT | set("usage spend spending consumption cost costs expenses billed".split())
_NEVER_LEFT_CJK = ("已用", "已使用", "用量", "消费", "消費", "消耗", "支出", "花费", "花費")
# What the parts of a total are called: `chargeBalance`, `gift_credits`, `cash`.
_PART = set(
    "balance credit credits cash gift bonus voucher charge recharge topup topped granted grant"
    " paid free promo purchased prepaid wallet amount quota remaining available".split()
)
_NOT_SPENDABLE = {"frozen", "held", "locked", "pending", "reserved", "expired"}
_MOST_PARTS = 8
_LEVELS = 3
_BAD_STATUS = {"false", "error", "fail", "failed", "failure"}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True)
class Balance:
    """What is left on the account.

    Attributes:
        amount: None if unlimited, or if several currencies are held.
        unit: "credits", or the unit or currency that the body names.
        path: where the number stands, like `data.balances[0].amount`; "" for a bare number.
        confidence: "derived" is computed from two numbers, "guessed" may be another number.
        currency: as the body names it, in upper case.
        currencies: one balance each, if there are several and none was chosen.
    """

    amount: Decimal | None
    unit: str
    unlimited: bool
    path: str
    confidence: Confidence
    currency: str | None = None
    currencies: tuple[Balance, ...] = ()


class Scope(NamedTuple):
    """An object of the body, and where it stands."""

    path: str
    fields: Mapping[str, Any]


class Found(NamedTuple):
    """A number that may be the balance; the lowest rank wins."""

    scope: Scope
    path: str
    number: Number
    rank: int = 0


def find_balance(document: Any) -> Balance:
    """Find the balance by the first shape that fits.

    Raises:
        ServerError: none fits, or two numbers disagree.
        OcxError: the class of the failure that the document reports.
    """
    if isinstance(document, dict) and is_failure(document):
        raise reported(document, {})
    if isinstance(document, list) and (error := from_document(document, {})) is not None:
        raise error
    bare = number_in(document)
    if bare:
        return to_balance(Found(Scope("", {}), "", bare))
    scopes = list(_scopes(document))
    for attempt in (_unlimited, _ranked, _per_currency, _derived):
        found = attempt(scopes)
        if found:
            return found
    return _only_number(document)


def to_balance(found: Found, confidence: Confidence = "exact") -> Balance:
    unit, currency = _unit(found.scope)
    if currency is None and (currency := found.number.currency):
        unit = currency
    elif unit == "credits" and found.number.symbol:
        unit = found.number.symbol
    sure = confidence if found.number.sure else "guessed"
    return Balance(found.number.value, unit, False, found.path, sure, currency)


def is_failure(document: Mapping[str, Any]) -> bool:
    """Whether a body that came with a 200 reports a failure."""
    if document.get("error") or document.get("success") is False:
        return True
    if str(document.get("status")).lower() in _BAD_STATUS:
        return True
    return is_failure_code(document.get("code"))


def unreadable(message: str) -> ServerError:
    """The error for a body without a balance that can be trusted."""
    return ServerError(message, hint=HINT, status=200)


def _unlimited(scopes: list[Scope]) -> Balance | None:
    for scope in scopes:
        for name, value in scope.fields.items():
            if _squash(name) in _UNLIMITED and value is True:
                return Balance(None, _unit(scope)[0], True, _below(scope.path, name), "exact")
    return None


def _ranked(scopes: list[Scope]) -> Balance | None:
    found = [candidate for scope in scopes for candidate in _candidates(scope)]
    if total := _sum_of_parts(found):
        return to_balance(total)
    if not found:
        return None
    best = min(candidate.rank for candidate in found)
    equals = [candidate for candidate in found if candidate.rank == best]
    _refuse_disagreement(equals)
    _refuse_more_than_there_is(equals[0], found)
    doubtful = any(_may_be_the_grant(candidate) for candidate in equals)
    return to_balance(equals[0], "guessed" if doubtful else "exact")


def _candidates(scope: Scope) -> Iterator[Found]:
    for name, value in scope.fields.items():
        rank = _RANK_OF.get(_squash(name))
        number = number_in(value)
        if rank is not None and number:
            yield Found(scope, _below(scope.path, name), number, rank)


def _sum_of_parts(found: list[Found]) -> Found | None:
    """A total that is exactly the sum of its siblings, those that seemed to contradict it too.

    `{"balance": "0.88", "chargeBalance": "88.00", "totalBalance": "88.88"}` (SiliconFlow).
    """
    for total in found:
        value = total.number.value
        rivals = {one.path for one in found if one.rank < 2 and one.number.value != value}
        named = total.rank == 0 and "total" in _words(total.path.rpartition(".")[2])
        if named and rivals and _is_sum(total, rivals):
            return total
    return None


def _is_sum(total: Found, needed: set[str]) -> bool:
    """Whether some siblings, all of `needed` among them, make up the total."""
    parts = {
        path: number.value
        for name, value in total.scope.fields.items()
        if (path := _below(total.scope.path, name)) != total.path and _is_part(name)
        if (number := number_in(value)) and number.sure
    }
    return any(
        needed <= set(chosen) and sum(parts[path] for path in chosen) == total.number.value
        for size in range(2, min(len(parts), _MOST_PARTS) + 1)
        for chosen in combinations(list(parts)[:_MOST_PARTS], size)
    )


def _is_part(name: str) -> bool:
    words = set(_words(name))
    return bool(words & _PART) and not words & (_NEVER_LEFT | _NOT_SPENDABLE)


def _may_be_the_grant(found: Found) -> bool:
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
    named = (value for name, value in scope.fields.items() if wanted & set(_words(name)))
    return [number.value for number in map(number_in, named) if number]


def _per_currency(scopes: list[Scope]) -> Balance | None:
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
            _squash(name): (_below(scope.path, name), number)
            for name, value in scope.fields.items()
            if (number := number_in(value))
        }
        for whole, part in _DIFFERENCES:
            if whole in numbers and part in numbers:
                found.append(_difference(scope, numbers[whole], numbers[part]))
    _refuse_disagreement(found)
    return to_balance(found[0], "derived") if found else None


def _difference(scope: Scope, whole: tuple[str, Number], part: tuple[str, Number]) -> Found:
    value = whole[1].value - part[1].value
    number = Number(value, whole[1].sure and part[1].sure, whole[1].symbol)
    return Found(scope, f"{whole[0]} - {part[0]}", number)


def _only_number(document: Any) -> Balance:
    found = list(_all_numbers(document))
    if len(found) != 1:
        no = "the answer holds no balance" if not found else "no number in it is the balance"
        raise unreadable(no)
    if _is_spent(found[0].path):
        raise unreadable(f"{found[0].path} is what was spent, not what is left")
    return to_balance(found[0], "guessed")


def _is_spent(path: str) -> bool:
    return bool(_NEVER_LEFT & set(_words(path))) or any(word in path for word in _NEVER_LEFT_CJK)


def _all_numbers(document: Any) -> Iterator[Found]:
    waiting: list[tuple[str, Any, Scope]] = [("", document, Scope("", {}))]
    while waiting:
        path, value, scope = waiting.pop()
        number = number_in(value)
        if number:
            yield Found(scope, path, number)
        elif isinstance(value, dict):
            inner = Scope(path, value)
            # A code that passed as success is no amount.
            names = [name for name in value if path or name not in {"code", "status"}]
            waiting += [(_below(path, name), value[name], inner) for name in names]
        elif isinstance(value, list):
            waiting += [(f"{path}[{at}]", each, scope) for at, each in enumerate(value)]


def _scopes(document: Any) -> Iterator[Scope]:
    """The body's object and what is wrapped in it, three levels deep; a bare list as one field."""
    if isinstance(document, list):
        yield Scope("", {"": document})
    level = [Scope("", document)] if isinstance(document, dict) else []
    for _ in range(_LEVELS + 1):
        yield from level
        level = [
            Scope(_below(scope.path, name), value)
            for scope in level
            for name, value in scope.fields.items()
            if _squash(name) in _WRAPPERS and isinstance(value, dict)
        ]


def _unit(scope: Scope) -> tuple[str, str | None]:
    currency = _currency(scope.fields)
    unit = scope.fields.get("unit")
    named = isinstance(unit, str) and unit.isprintable() and 0 < len(unit.strip()) <= 20
    return currency or (str(unit).strip() if named else "credits"), currency


def _currency(fields: Mapping[str, Any]) -> str | None:
    value = next((value for name, value in fields.items() if _squash(name) == "currency"), None)
    return value.upper() if isinstance(value, str) and value.isalnum() and len(value) < 9 else None


def _refuse_disagreement(found: list[Found]) -> None:
    for other in found[1:]:
        if other.number.value != found[0].number.value:
            raise unreadable(f"the answer is ambiguous: {found[0].path} and {other.path} disagree")


def _refuse_more_than_there_is(best: Found, found: list[Found]) -> None:
    """What remains cannot be more than the balance: one of the two means something else."""
    for other in found:
        if best.rank == 0 and other.rank == 1 and other.number.value < best.number.value:
            raise unreadable(f"the answer is ambiguous: {best.path} is more than {other.path}")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _squash(name: str) -> str:
    """`available_balance`, `availableBalance` and `Available-Balance` as one word."""
    return "".join(char for char in name.lower() if char.isalnum())


_RANK_OF = {_squash(name): rank for rank, names in enumerate(_RANKS) for name in names.split()}

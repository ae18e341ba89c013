"""The shapes in which gateways answer GET /balance, and where the number stands in each; pure.

Read by rank, as one-api, new-api, DeepSeek, OpenRouter and OpenAI's credit grants
write them. Every doubt becomes an error or a guess: a gate that passes on a wrong number is worse
than one that fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any, NamedTuple

from ocx.api.error_response import first, is_failure_code, reported, reports_failure
from ocx.api.types import Amount, Balance, Confidence, number_in
from ocx.errors import ServerError

Fields = Mapping[str, Any]

_HINT = "`ocx balance --raw` shows the answer; the setting balance_path names the number in it"

_RANKS = (
    "available_balance total_available total_balance remaining_credits credits_remaining"
    " remaining_balance balance_remaining remaining total_remaining limit_remaining remain_amount"
    " available",
    "balance credit_balance",
    "credits credit remain_quota quota",
)
_NO_RANK = len(_RANKS)
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


class Found(NamedTuple):
    """A number that may be the balance, and the object that it stands in."""

    path: str
    name: str
    number: Amount
    fields: Fields

    @property
    def rank(self) -> int:
        """The lowest wins."""
        return _RANK_OF.get(_squash(self.name), _NO_RANK)

    def as_balance(self, confidence: Confidence = "exact") -> Balance:
        unit, currency = _unit(self.fields)
        if currency is None and (currency := self.number.currency):
            unit = currency
        elif unit == "credits" and self.number.symbol:
            unit = self.number.symbol
        sure = confidence if self.number.sure else "guessed"
        return Balance(self.number.value, unit, False, self.path, sure, currency)


def find_balance(document: Any) -> Balance:
    """Find the balance by the first shape that fits."""
    raise_reported(document)
    if bare := number_in(document):
        return Found("", "", bare, {}).as_balance()
    scopes = list(_scopes(document))
    for attempt in (_unlimited, _ranked, _per_currency, _derived):
        if found := attempt(scopes):
            return found
    return _only_number(document)


def raise_reported(document: Any) -> None:
    """Raise the failure that a body reports that came with a 200."""
    inner = first(document)
    fails = reports_failure(inner)
    if isinstance(document, dict):
        bad = str(document.get("status")).lower() in _BAD_STATUS
        fails = fails or bad or is_failure_code(document.get("code"))
    if fails:
        raise reported(inner, {})


def _scopes(document: Any) -> Iterator[tuple[str, Fields]]:
    """Path and fields of the body and of what is wrapped in it, three levels deep.

    A bare list is one field without a name.
    """
    level = [("", document)] if isinstance(document, dict) else []
    if isinstance(document, list):
        yield "", {"": document}
    for _ in range(_LEVELS + 1):
        yield from level
        level = [
            (_below(path, name), value)
            for path, fields in level
            for name, value in fields.items()
            if _squash(name) in _WRAPPERS and isinstance(value, dict)
        ]


def _numbers(path: str, fields: Fields) -> list[Found]:
    return [
        Found(_below(path, name), name, number, fields)
        for name, value in fields.items()
        if (number := number_in(value))
    ]


def _unlimited(scopes: list[tuple[str, Fields]]) -> Balance | None:
    for path, fields in scopes:
        for name, value in fields.items():
            if _squash(name) in _UNLIMITED and value is True:
                return Balance(None, _unit(fields)[0], True, _below(path, name), "exact")
    return None


def _ranked(scopes: list[tuple[str, Fields]]) -> Balance | None:
    numbers = (number for scope in scopes for number in _numbers(*scope))
    found = [number for number in numbers if number.rank < _NO_RANK]
    for total in found:
        if _is_sum_of_the_others(total, found):
            return total.as_balance()
    if not found:
        return None
    best = min(found, key=lambda one: one.rank)
    _refuse_disagreement([one for one in found if one.rank == best.rank])
    for other in found:
        # What remains cannot be more than the balance: one of the two means something else.
        if best.rank == 0 and other.rank == 1 and other.number.value < best.number.value:
            raise unreadable(f"the answer is ambiguous: {best.path} is more than {other.path}")
    doubtful = any(one.rank == best.rank and _may_be_the_grant(one) for one in found)
    return best.as_balance("guessed" if doubtful else "exact")


def _is_sum_of_the_others(total: Found, found: list[Found]) -> bool:
    """Whether a total is exactly the sum of siblings, those that seem to contradict it too.

    `{"balance": "0.88", "chargeBalance": "88.00", "totalBalance": "88.88"}` (SiliconFlow).
    """
    value = total.number.value
    rivals = [one for one in found if one.rank < 2 and one.number.value != value]
    here = all(one.fields is total.fields for one in rivals)
    if not rivals or not here or total.rank != 0 or "total" not in _words(total.name):
        return False
    parts: dict[str, Decimal] = {}
    for one in _numbers("", total.fields):
        words = set(_words(one.name))
        part = words & _PART and not words & (_NEVER_LEFT | _NOT_SPENDABLE)
        if part and one.name != total.name and one.number.sure and len(parts) < _MOST_PARTS:
            parts[one.name] = one.number.value
    needed = {one.name for one in rivals}
    return any(
        needed <= set(chosen) and sum(parts[name] for name in chosen) == value
        for size in range(2, len(parts) + 1)
        for chosen in combinations(parts, size)
    )


def _may_be_the_grant(found: Found) -> bool:
    """Whether the number could be what was granted, not what is left: something was spent.

    Granted minus spent giving the same number settles it.
    """
    spent, given = (
        [one.number.value for one in _numbers("", found.fields) if named & set(_words(one.name))]
        for named in (_SPENT, _GIVEN)
    )
    settled = any(g - s == found.number.value for g in given for s in spent)
    return found.rank > 0 and bool(spent) and not settled


def _per_currency(scopes: list[tuple[str, Fields]]) -> Balance | None:
    for path, fields in scopes:
        for name, value in fields.items():
            rows = value if isinstance(value, list) else []
            if rows and all(isinstance(row, dict) and _currency(row) for row in rows):
                return _listed(_below(path, name) if name else path, rows)
    return None


def _listed(path: str, rows: list[dict[str, Any]]) -> Balance:
    held: dict[str | None, Balance] = {}
    for index, row in enumerate(rows):
        found = _ranked([(f"{path}[{index}]", row)])
        if found is None:
            raise unreadable(f"no balance stands in {path}[{index}]")
        if held.setdefault(found.currency, found).amount != found.amount:
            raise unreadable(f"the answer holds two different balances in {found.currency}")
    balances = tuple(held.values())
    if len(balances) == 1:
        return balances[0]
    return Balance(None, "", False, path, "exact", currencies=balances)


def _derived(scopes: list[tuple[str, Fields]]) -> Balance | None:
    found = []
    for path, fields in scopes:
        numbers = {_squash(one.name): one for one in _numbers(path, fields)}
        for names in _DIFFERENCES:
            if not numbers.keys() >= set(names):
                continue
            whole, part = numbers[names[0]], numbers[names[1]]
            value, sure = whole.number.value - part.number.value, part.number.sure
            number = Amount(value, whole.number.sure and sure, whole.number.symbol)
            found.append(Found(f"{whole.path} - {part.path}", "", number, fields))
    _refuse_disagreement(found)
    return found[0].as_balance("derived") if found else None


def _only_number(document: Any) -> Balance:
    found = list(_all_numbers(document))
    if len(found) != 1:
        no = "the answer holds no balance" if not found else "no number in it is the balance"
        raise unreadable(no)
    path = found[0].path
    if _NEVER_LEFT & set(_words(path)) or any(word in path for word in _NEVER_LEFT_CJK):
        raise unreadable(f"{path} is what was spent, not what is left")
    return found[0].as_balance("guessed")


def _all_numbers(document: Any) -> Iterator[Found]:
    waiting: list[tuple[str, Any, Fields]] = [("", document, {})]
    while waiting:
        path, value, fields = waiting.pop()
        if number := number_in(value):
            yield Found(path, "", number, fields)
        elif isinstance(value, dict):
            # A code that passed as success is no amount.
            names = [name for name in value if path or name not in {"code", "status"}]
            waiting += [(_below(path, name), value[name], value) for name in names]
        elif isinstance(value, list):
            waiting += [(f"{path}[{at}]", each, fields) for at, each in enumerate(value)]


def _refuse_disagreement(found: Sequence[Found]) -> None:
    for other in found[1:]:
        if other.number.value != found[0].number.value:
            raise unreadable(f"the answer is ambiguous: {found[0].path} and {other.path} disagree")


def _unit(fields: Fields) -> tuple[str, str | None]:
    currency, unit = _currency(fields), fields.get("unit")
    named = isinstance(unit, str) and unit.isprintable() and 0 < len(unit.strip()) <= 20
    return currency or (str(unit).strip() if named else "credits"), currency


def _currency(fields: Fields) -> str | None:
    value = next((value for name, value in fields.items() if _squash(name) == "currency"), None)
    return value.upper() if isinstance(value, str) and value.isalnum() and len(value) < 9 else None


def unreadable(message: str) -> ServerError:
    """The error for a body without a balance that can be trusted."""
    return ServerError(message, hint=_HINT, status=200)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _squash(name: str) -> str:
    """`available_balance`, `availableBalance` and `Available-Balance` as one word."""
    return "".join(char for char in name.lower() if char.isalnum())


_RANK_OF = {_squash(name): rank for rank, names in enumerate(_RANKS) for name in names.split()}

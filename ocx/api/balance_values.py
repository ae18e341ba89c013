"""Objects, numbers, names and currencies in the answer to GET /balance; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from ocx.api.http import sniff
from ocx.errors import ServerError

_NUMBER = re.compile(
    r"(?P<sign>[-+]?)(?P<symbol>[$€£¥￥]?) ?"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,30})(?P<fraction>\.[0-9]{1,30})?"
)


_LONE_GROUP = re.compile(r"[0-9]{1,3},[0-9]{3}")


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


_LARGEST_EXPONENT = 30  # a hostile 1e999999999 would be printed in full


class Number(NamedTuple):
    value: Decimal
    sure: bool = True
    symbol: str = ""


def read_number(value: Any) -> Number | None:
    if isinstance(value, str):
        return _written_number(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    fine = number.is_finite() and abs(number.adjusted()) <= _LARGEST_EXPONENT
    return Number(number) if fine or number == 0 else None


def _written_number(text: str) -> Number | None:
    match = _NUMBER.fullmatch(text)
    if not match:
        return None
    digits = match["sign"] + match["whole"].replace(",", "") + (match["fraction"] or "")
    # 1,234 is 1234 in London and 1.234 in Berlin.
    lone = _LONE_GROUP.fullmatch(match["whole"]) and not match["fraction"]
    return Number(Decimal(digits), not lone, match["symbol"])


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        return Decimal("NaN")


def words_of(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def squash(name: str) -> str:
    """`available_balance`, `availableBalance` and `Available-Balance` as one word."""
    return "".join(char for char in name.lower() if char.isalnum())


def currency_of(fields: Mapping[str, Any]) -> str | None:
    value = fields.get("currency")
    return value.upper() if isinstance(value, str) and value.isalnum() and len(value) < 9 else None


def unreadable(message: str) -> ServerError:
    return ServerError(message, hint=HINT, status=200)


HINT = "`ocx balance --raw` shows the answer; the setting balance_path names the number in it"


def parse_exactly(body: bytes) -> Any:
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
        raise unreadable(f"the answer is {kind}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if fields.setdefault(name, value) != value:
            raise unreadable(f"the answer is ambiguous: it has {name[:40]!r} twice")
    return fields


def unit_of(fields: Mapping[str, Any]) -> tuple[str, str | None]:
    """What an object's amounts are in, and the currency if it names one."""
    currency = currency_of(fields)
    unit = fields.get("unit")
    named = isinstance(unit, str) and unit.isprintable() and 0 < len(unit.strip()) <= 20
    return currency or (str(unit).strip() if named else "credits"), currency


_WRAPPERS = "data result balance balances credits account user"


_LEVELS = 3


class Scope(NamedTuple):
    """An object of the body, and where it stands."""

    path: str
    fields: Mapping[str, Any]


def scopes_of(document: Any) -> Iterator[Scope]:
    """The body's object and what is wrapped in it, three levels deep; a bare list as one field."""
    if isinstance(document, list):
        yield Scope("", {"": document})
    level = [Scope("", document)] if isinstance(document, dict) else []
    for _ in range(_LEVELS + 1):
        yield from level
        level = [
            Scope(below(scope.path, name), value)
            for scope in level
            for name, value in scope.fields.items()
            if squash(name) in _WRAPPER_NAMES and isinstance(value, dict)
        ]


def below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_WRAPPER_NAMES = set(_WRAPPERS.split())

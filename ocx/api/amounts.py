"""Amounts of money or credits as servers write them: JSON numbers and texts; pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, NamedTuple

# Named, since `5 RPM`, `30 days` and `1.5万` are no amounts of money.
_CODES = "USD|EUR|GBP|CNY|RMB|JPY|KRW|HKD|TWD|SGD|MYR|INR|AUD|CAD|CHF|BRL|RUB|THB|IDR|VND|PHP|AED"
_UNIT = (
    rf"(?:US|HK|NT|S|A|C|NZ)?\$|[€£¥₩฿₫₹元圆圓円원]|港元|美元|日元|人民[币幣]|港[币幣]|令吉|RM|{_CODES}"
    r"|[Cc]redits?|[Kk]redit|积分|積分|[点點]"
)
_NUMBER = re.compile(
    rf"(?P<sign>[-+]?)(?P<before>{_UNIT})? ?(?P<sign2>[-+]?)"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,30})(?P<fraction>\.[0-9]{1,30})?"
    rf" ?(?P<after>{_UNIT})?"
)
_LONE_GROUP = re.compile(r"[0-9]{1,3},[0-9]{3}")
_CODE = re.compile(_CODES)
_LARGEST_EXPONENT = 30  # a hostile 1e999999999 would be printed in full

# The full-width forms of ASCII that Chinese and Japanese keyboards write, spaces that do not break
# and the minus of a typesetter. Not NFKC: it would read 10² as 102.
_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: " ", 0x00A0: " ", 0x202F: " ", 0xFFE1: "£", 0xFFE5: "¥", 0xFFE6: "₩", 0x2212: "-",
}  # fmt: skip


class Number(NamedTuple):
    """An amount.

    Attributes:
        sure: False for 1,234, which is 1234 in London and 1.234 in Berlin.
        symbol: the unit that stands beside it: `$`, `元`, `credits`; "" without one.
    """

    value: Decimal
    sure: bool = True
    symbol: str = ""

    @property
    def currency(self) -> str | None:
        """The ISO code that stands beside it."""
        return self.symbol if _CODE.fullmatch(self.symbol) else None


def number_in(value: Any) -> Number | None:
    """The number that a JSON value is, or that a string holds: `"110.00"`, `"88.50元"`."""
    if isinstance(value, str):
        return _written(value.translate(_ASCII).strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    fine = number.is_finite() and abs(number.adjusted()) <= _LARGEST_EXPONENT
    return Number(number) if fine or number == 0 else None


def _written(text: str) -> Number | None:
    match = _NUMBER.fullmatch(text)
    if not match or (match["sign"] and match["sign2"]) or (match["sign2"] and not match["before"]):
        return None
    sign = match["sign"] or match["sign2"]
    digits = sign + match["whole"].replace(",", "") + (match["fraction"] or "")
    lone = _LONE_GROUP.fullmatch(match["whole"]) and not match["fraction"]
    # `¥88.50 CNY` names its unit twice: the code says more.
    units = [unit for unit in (match["after"], match["before"]) if unit]
    code = next((unit for unit in units if _CODE.fullmatch(unit)), None)
    return Number(Decimal(digits), not lone, code or next(iter(units), ""))

"""Amounts in texts: written by people of many countries, and nothing that is none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.types import number_in

WIDE = {ord(char): ord(char) + 0xFEE0 for char in "0123456789.,-+"}
BEFORE = ["", "$", "US$", "HK$", "€", "£", "¥", "￥", "RM", "RM ", "CNY ", "人民币", "₩ "]
AFTER = ["", "元", " 元", "円", "원", " USD", " credits", " kredit", " 积分", "\u00a0€", "\u3000元"]


@given(
    st.decimals(0, 10**9, places=2),
    st.sampled_from(BEFORE),
    st.sampled_from(AFTER),
    st.sampled_from(["", "-", "\u2212"]),
    st.booleans(),
    st.booleans(),
)
def test_an_amount_is_read_however_it_is_written(
    amount: Decimal, before: str, after: str, sign: str, grouped: bool, wide: bool
) -> None:
    digits = f"{amount:,.2f}" if grouped else f"{amount:.2f}"
    text = f"{sign}{before}{digits.translate(WIDE) if wide else digits}{after}"
    found = number_in(text)
    assert found is not None, text
    assert (found.value, found.sure) == (-amount if sign else amount, True)
    assert bool(found.symbol) == bool(before or after)


@pytest.mark.parametrize(
    "text",
    [
        "", "-", "$", "元", "5 days", "60 RPM", "12h", "1.5万元", "2k", "50%", "10²", "①", "1e3",
        "0x10", "1.2.3", "1,23", "12,50 €", "1.234,50", "1 234.50", "--5", "+-5", "-$-5", "5-",
        "2026-01-01", "12:30", "NaN", "Infinity", "五", "٣", "USDT 5", "5 TPM", "1,234,", ",5",
        ".5", "５日",
    ],
)  # fmt: skip
def test_what_is_no_amount(text: str) -> None:
    assert number_in(text) is None

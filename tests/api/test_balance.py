"""Reading a balance: one row a body, the hostile ones too.

Amounts in texts: written by people of many countries, and nothing that is none.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.balance import Balance, parse_balance
from ocx.api.types import Confidence, Reply, number_in
from ocx.errors import AuthError, CreditsError, OcxError, RejectedError, ServerError

DEEPSEEK = {
    "is_available": True,
    "balance_infos": [
        {
            "currency": "CNY", "total_balance": "110.00", "granted_balance": "10.00",
            "topped_up_balance": "100.00",
        },
    ],
}  # fmt: skip
TWO = {"balance_infos": [{"currency": "CNY", "balance": 7}, {"currency": "usd", "balance": "1.5"}]}
OPENROUTER = {"data": {"total_credits": 100.5, "total_usage": 25.75}}
GRANTS = {"object": "credit_summary", "total_granted": 18.0, "total_used": 5.5}
AVAILABLE = {"total_available": 12.5, "total_granted": 18, "total_used": 5.5}
FINE = {"code": True, "status": True, "success": True, "error": None}
SILICONFLOW = {"balance": "0.88", "chargeBalance": "88.00", "totalBalance": "88.88"}
ONE_API = {"success": True, "message": "", "data": {"quota": 1000, "used_quota": 30}}


def test_the_embedded_servers_own() -> None:
    body = b'{"object":"balance","balance":499.97,"unit":"credits","granted":500,"used":0.03}'
    assert parse_balance(body) == Balance(Decimal("499.97"), "credits", False, "balance", "exact")


@pytest.mark.parametrize(
    ("body", "amount", "confidence", "path"),
    [
        # bare numbers
        (499.5, "499.5", "exact", ""),
        (0, "0", "exact", ""),
        (-3, "-3", "exact", ""),
        ("110.00", "110.00", "exact", ""),
        # every rank, in any case style
        ({"available_balance": 1}, "1", "exact", "available_balance"),
        ({"availableBalance": "1"}, "1", "exact", "availableBalance"),
        ({"Available-Balance": 1}, "1", "exact", "Available-Balance"),
        ({"AVAILABLE_BALANCE": 1}, "1", "exact", "AVAILABLE_BALANCE"),
        (AVAILABLE, "12.5", "exact", "total_available"),
        ({"remain_amount": 3}, "3", "exact", "remain_amount"),
        ({"limit": 10, "limit_remaining": 4, "usage": 6}, "4", "exact", "limit_remaining"),
        ({"balance": 5}, "5", "exact", "balance"),
        ({"credits": 5}, "5", "exact", "credits"),
        ({"quota": 5}, "5", "exact", "quota"),
        # the better rank wins, wherever it stands
        ({"credits": 500, "balance": 20, "remaining": 3}, "3", "exact", "remaining"),
        ({"credits": 500, "user": {"remaining": 3}}, "3", "exact", "user.remaining"),
        # wrappers
        ({"data": {"balance": 5}}, "5", "exact", "data.balance"),
        ({"code": 0, "data": {"account": {"balance": 5}}}, "5", "exact", "data.account.balance"),
        ({"data": {"result": {"user": {"credits": 5}}}}, "5", "exact", "data.result.user.credits"),
        ({"Data": {"Balances": {"credit": 5}}}, "5", "exact", "Data.Balances.credit"),
        ({"code": 200, "data": {"balance": 5}}, "5", "exact", "data.balance"),
        ({"code": "20000", "balance": 5}, "5", "exact", "balance"),
        ({**FINE, "balance": 5}, "5", "exact", "balance"),
        # what was spent stands beside it
        ({"balance": 70, "used": 30}, "70", "guessed", "balance"),
        ({"balance": 70, "used": 30, "granted": 100}, "70", "exact", "balance"),
        ({"balance": 70, "used": 30, "total": "100"}, "70", "exact", "balance"),
        ({"balance": 100, "used": 30, "granted": 100}, "100", "guessed", "balance"),
        ({"credits": 100, "creditsConsumed": 30}, "100", "guessed", "credits"),
        ({"quota": 100, "spent": "30"}, "100", "guessed", "quota"),
        ({"credits": 100, "unused": 30, "last_used": "2026-01-01"}, "100", "exact", "credits"),
        ({"remaining": 70, "used": 30}, "70", "exact", "remaining"),
        (ONE_API, "1000", "guessed", "data.quota"),
        # numbers as text
        ({"balance": "1,234.50"}, "1234.50", "exact", "balance"),
        ({"balance": "1,234,567"}, "1234567", "exact", "balance"),
        ({"balance": "1,234"}, "1234", "guessed", "balance"),
        ({"balance": " -5 "}, "-5", "exact", "balance"),
        ({"balance": "1,234元"}, "1234", "guessed", "balance"),
        ({"余额": "８８元"}, "88", "guessed", "余额"),
        ({"balance": "5 days"}, None, "", ""),
        # two equal keys of one rank agree
        ({"balance": 5, "credit_balance": "5.0"}, "5", "exact", "balance"),
        ({"balance": 5, "data": {"balance": 5}}, "5", "exact", "balance"),
        # a total that is the sum of what stands beside it
        (SILICONFLOW, "88.88", "exact", "totalBalance"),
        ({"data": {**SILICONFLOW, "used": 3}}, "88.88", "exact", "data.totalBalance"),
        (SILICONFLOW | {"balance": "0", "totalBalance": "88"}, "88", "exact", "totalBalance"),
        ({"total_available": 15, "balance": 5, "bonus": 4, "cash": 6}, "15", "exact",
         "total_available"),
        ({"balance": 5, "paid": 6, "id": 9, "total_balance": 11}, "11", "exact", "total_balance"),
        (SILICONFLOW | {"totalBalance": "88.89"}, None, "", ""),
        ({"available_balance": 1, "frozen_balance": 2, "total_balance": 3}, None, "", ""),
        ({"balance": 1, "used_credits": 2, "total_balance": 3}, None, "", ""),
        ({"balance": 0, "requests": 59, "total_remaining": 59}, None, "", ""),
        ({"balance": 1, "gift": "1,234", "total_balance": 1235}, None, "", ""),
        # available
        ({"available": 5, "balance": 9}, "5", "exact", "available"),
        ({"available": True, "balance": 9}, "9", "exact", "balance"),
        ({"available": 9, "balance": 5}, None, "", ""),
        # what was spent is not what is left
        ({"used": 5}, None, "", ""),
        ({"data": {"totalUsed": "5"}}, None, "", ""),
        ({"credits": {"used": 5}}, None, "", ""),
        ({"spent": {"amount": 5}}, None, "", ""),
        ({"usage": [5]}, None, "", ""),
        ({"已用额度": 5}, None, "", ""),
        ({"unused": 5}, "5", "guessed", "unused"),
        # lists by currency
        (DEEPSEEK, "110.00", "exact", "balance_infos[0].total_balance"),
        ([{"currency": "EUR", "balance": 2}], "2", "exact", "[0].balance"),
        ({"data": {"a": [{"currency": "EUR", "credit": 2}]}}, "2", "exact", "data.a[0].credit"),
        # differences
        (OPENROUTER, "74.75", "derived", "data.total_credits - data.total_usage"),
        (GRANTS, "12.5", "derived", "total_granted - total_used"),
        ({"limit": 10, "used": "4"}, "6", "derived", "limit - used"),
        ({"totalCredits": "1,000", "totalUsage": 1}, "999", "guessed", "totalCredits - totalUsage"),
        # the only number
        ({"name": "me", "points": 30}, "30", "guessed", "points"),
        ({"code": 0, "data": {"points": [30]}}, "30", "guessed", "data.points[0]"),
        ([[7]], "7", "guessed", "[0][0]"),
        ({"balance": {"amount": 5}}, "5", "guessed", "balance.amount"),
        # what does not count
        ({"balance": True, "points": 4}, "4", "guessed", "points"),
        ({"unlimited": False, "unlimited_quota": None, "balance": 4}, "4", "exact", "balance"),
    ],
)  # fmt: skip
def test_a_body(body: Any, amount: str | None, confidence: Confidence, path: str) -> None:
    data = json.dumps(body).encode()
    if amount is None:
        with pytest.raises(ServerError):
            parse_balance(data)
        return
    found = parse_balance(data)
    assert (found.amount, found.confidence, found.path) == (Decimal(amount), confidence, path)
    assert parse_balance(body) == found, "parsed JSON is read like its bytes"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<!doctype html><title>Sign in</title>", b"words", b"{", b"NaN", b"[" * 100_000,
        b"null", b"true", b'""', b"[]", b"{}", b'"words"', b"\xff",
        b'{"balance": NaN}', b'{"balance": Infinity}', b'{"balance": -Infinity}',
        b'{"balance": "NaN"}', b'{"balance": "Infinity"}', b'{"balance": true}',
        b'{"balance": null}', b'{"balance": ""}', b'{"balance": "1e3"}', b'{"balance": "0x10"}',
        b'{"balance": 1e9999999999999999999}', b'{"balance": -1e-9999999999999999999}',
        b'{"balance": 5, "code": 1e9999999999999999999}',
        b'{"balance": 1e999999999}', b'{"balance": 1e-999999999}', b'{"balance": "\xd9\xa1"}',
        b'{"balance": 0e-999999999}',
        b'{"available_balance": 5, "total_balance": 7}',
        b'{"balance": 5, "data": {"balance": 6}}',
        b'{"balance": 5, "balance": 500}',
        b'{"a": 1, "b": 2}',
        b'{"total_credits": 5, "total_usage": 1, "limit": 9, "used": 1}',
        b'{"infos": [{"currency": "CNY", "balance": 1}, {"currency": "CNY", "balance": 2}]}',
        b'{"balance_infos": [{"currency": "CNY", "note": 1}]}',
        b'{"data": {"data": {"data": {"data": {"balance": 5, "x": 1}}}}}',
    ],
)  # fmt: skip
def test_hostile_bodies_are_unreadable(body: bytes) -> None:
    """Never zero, never a number that nobody meant; and the hint says how to look."""
    with pytest.raises(ServerError) as caught:
        parse_balance(body)
    assert type(caught.value) is ServerError
    assert "--raw" in (caught.value.hint or "")
    assert caught.value.status == 200
    assert caught.value.message.isprintable()
    assert body != b"{}" or "holds no balance" in caught.value.message


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "bad key", "code": "invalid_api_key"}, "balance": 5}, AuthError),
        ({"error": {"code": "insufficient_quota"}, "balance": 5}, CreditsError),
        ({"error": "no", "balance": 5}, ServerError),
        ({"success": False, "message": "no", "data": {"balance": 5}}, ServerError),
        ({"status": False, "balance": 5}, ServerError),
        ({"status": "error", "balance": 5}, ServerError),
        ({"code": 401, "message": "no", "balance": 5}, AuthError),
        ({"code": "InvalidParameter", "message": "no", "balance": 5}, RejectedError),
        ({"code": -1, "balance": 5}, ServerError),
        ({"code": False, "balance": 5}, ServerError),
    ],
)
def test_a_failure_inside_a_200(body: Any, kind: type[OcxError]) -> None:
    """Its balance is not read, whatever stands there."""
    with pytest.raises(OcxError) as caught:
        parse_balance(json.dumps(body).encode())
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"unlimited": True, "balance": 0}, "unlimited"),
        ({"data": {"unlimitedQuota": True, "quota": 5}}, "data.unlimitedQuota"),
    ],
)
def test_unlimited(body: Any, path: str) -> None:
    assert parse_balance(body) == Balance(None, "credits", True, path, "exact")
    assert parse_balance(body, scale=Decimal(2), currency="EUR").unlimited


@pytest.mark.parametrize(
    ("body", "unit", "currency"),
    [
        ({"balance": 5}, "credits", None),
        ({"balance": 5, "unit": "tokens"}, "tokens", None),
        ({"balance": 5, "unit": 7}, "credits", None),
        ({"balance": 5, "unit": "\x1b[31m"}, "credits", None),
        ({"balance": 5, "unit": "x" * 50}, "credits", None),
        ({"balance": 5, "currency": "usd"}, "USD", "USD"),
        ({"Balance": 5, "Currency": "usd"}, "USD", "USD"),
        ({"balance": 5, "currency": "usd", "unit": "dollar"}, "USD", "USD"),
        ({"balance": 5, "currency": "\n"}, "credits", None),
        ({"balance": "$12.30"}, "$", None),
        ({"balance": "-¥5"}, "¥", None),
        ({"balance": "$12.30", "currency": "HKD"}, "HKD", "HKD"),
        ({"balance": "88.50元"}, "元", None),
        ({"balance": "￥88.50"}, "¥", None),
        ({"balance": "HK$-5"}, "HK$", None),
        ({"balance": "88.50 CNY"}, "CNY", "CNY"),
        ({"balance": "¥88.50 CNY"}, "CNY", "CNY"),
        ({"balance": "88.50 CNY", "currency": "USD"}, "USD", "USD"),
        ({"balance": "500 credits"}, "credits", None),
        ({"currency": "EUR", "data": {"balance": 5}}, "credits", None),
    ],
)
def test_the_unit_is_what_the_body_names(body: Any, unit: str, currency: str | None) -> None:
    found = parse_balance(body)
    assert (found.unit, found.currency) == (unit, currency)


def test_several_currencies_are_all_given() -> None:
    found = parse_balance(TWO)
    assert (found.amount, found.path) == (None, "balance_infos")
    assert [(one.amount, one.unit) for one in found.currencies] == [
        (Decimal(7), "CNY"), (Decimal("1.5"), "USD"),
    ]  # fmt: skip
    scaled = parse_balance(TWO, scale=Decimal(10))
    assert [one.amount for one in scaled.currencies] == [70, 15]


@pytest.mark.parametrize(
    ("body", "currency", "amount"),
    [
        (TWO, "USD", "1.5"), (TWO, "cny", "7"), (DEEPSEEK, "cny", "110.00"),
        ({"balance": 5, "currency": "usd"}, "USD", "5"),
        (TWO, "EUR", None), (DEEPSEEK, "USD", None), ({"balance": 5}, "USD", None),
    ],
)  # fmt: skip
def test_a_chosen_currency(body: Any, currency: str, amount: str | None) -> None:
    if amount is None:
        with pytest.raises(ServerError, match=r"in (EUR|USD)"):
            parse_balance(body, currency=currency)
        return
    assert parse_balance(body, currency=currency).amount == Decimal(amount)


@pytest.mark.parametrize(
    ("body", "path", "amount"),
    [
        ({"a": {"b": [{"c": "7"}]}, "balance": 1}, "a.b[0].c", "7"),
        ({"a": {"b": [{"c": 7}]}}, "a.b.0.c", "7"),
        ([[5]], "[0][0]", "5"),
        ({"balance": 3, "used": 1}, "balance", "3"),
        ({"code": 1, "success": False, "left": 3}, "left", "3"),
        ({"a": "1,234.5"}, "a", "1234.5"),
        ({"a": True}, "a", None),
        ({"a": 1}, "b", None),
        ({"a": [1]}, "a[1]", None),
        ({"a": [1]}, "a.x", None),
        ({"a": 1}, "a.b.c", None),
        ([], "a", None),
    ],
)
def test_a_configured_path_wins(body: Any, path: str, amount: str | None) -> None:
    if amount is None:
        with pytest.raises(ServerError, match="balance_path"):
            parse_balance(body, path=path)
        return
    found = parse_balance(body, path=path)
    assert (found.amount, found.path, found.confidence) == (Decimal(amount), path, "exact")


def test_a_path_that_misses_in_a_failure_is_the_failure() -> None:
    with pytest.raises(AuthError):
        parse_balance({"error": {"code": "invalid_api_key"}}, path="data.balance")


def test_the_scale_multiplies_exactly() -> None:
    found = parse_balance(b'{"quota": 12345678901234567}', scale=Decimal("0.000002"))
    assert found.amount == Decimal("24691357802.469134")


def test_no_digit_is_lost() -> None:
    assert parse_balance(b'{"balance": 0.1000000000000000055511151231257827}').amount == Decimal(
        "0.1000000000000000055511151231257827"
    )


@pytest.mark.parametrize("body", [b"", b'{"error": "no"}'])
def test_an_error_names_the_reply(body: bytes) -> None:
    reply = Reply(200, {}, body, None, "req-1", 0.1, 1)
    with pytest.raises(ServerError) as caught:
        parse_balance(reply)
    assert (caught.value.request_id, caught.value.status) == ("req-1", 200)
    assert parse_balance(Reply(200, {}, b"5", None, None, 0.1, 1)).amount == 5


@given(
    st.lists(st.decimals(0, 10**6, places=2), min_size=2, max_size=5),
    st.decimals("0.01", 10**6, places=2),
)
def test_a_total_wins_by_its_exact_sum_only(parts: list[Decimal], off: Decimal) -> None:
    names = ["balance", "chargeBalance", "giftBalance", "voucher", "bonus"]
    siblings = {name: str(part) for name, part in zip(names, parts, strict=False)}
    total = sum(parts, Decimal(0))
    found = parse_balance({**siblings, "totalBalance": str(total)})
    assert (found.amount, found.confidence) == (total, "exact")
    with pytest.raises(ServerError):  # more than all parts together
        parse_balance({**siblings, "totalBalance": str(total + off)})


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
NAMES = st.sampled_from([
    "data", "balance", "balances", "credits", "user", "used", "total", "currency", "unit",
    "unlimited", "quota", "limit", "code", "status", "error", "success", "x", "",
])  # fmt: skip
BODIES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4)
)


@given(BODIES, st.none() | st.text("ab.[]01", max_size=6), st.none() | st.just("USD"))
def test_whatever_comes_is_a_finite_number_or_an_error_of_ours(
    body: Any, path: str | None, currency: str | None
) -> None:
    for given_body in (body, json.dumps(body).encode()):
        try:
            found = parse_balance(given_body, path=path, currency=currency)
        except OcxError as error:
            assert error.message.isprintable()
            continue
        if found.amount is None:
            assert found.unlimited or len(found.currencies) > 1
        else:
            assert found.amount.is_finite()
            assert len(f"{found.amount:f}") < 400


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

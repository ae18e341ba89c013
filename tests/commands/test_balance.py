"""The gate passes only where the credits are surely there."""

from decimal import Decimal

import pytest

from ocx.api.balance import parse_balance
from ocx.chat.credits import check_minimum
from ocx.errors import BelowError, ServerError
from ocx.output.balance_formats import balance_document, balance_text
from tests.support import answers
from tests.support.chat_server import BALANCE, ChatServer
from tests.support.program import Ocx

SEVERAL = {"balances": [{"currency": "USD", "balance": 1}, {"currency": "CNY", "balance": 9}]}


@pytest.mark.parametrize(
    ("body", "accept_guess"),
    [
        ({"balance": 5}, False),
        ({"unlimited": True}, False),
        ({"left": 5}, True),
        ({"total_credits": 9, "total_usage": 4}, False),
    ],
)
def test_enough(body: object, accept_guess: bool) -> None:
    check_minimum(parse_balance(body), Decimal(5), accept_guess=accept_guess)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"balance": "4.999"}, BelowError),
        ({"balance": -1}, BelowError),
        ({"left": 5}, ServerError),
        (SEVERAL, ServerError),
    ],
)
def test_not_surely_enough(body: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_minimum(parse_balance(body), Decimal(5), accept_guess=False)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"balance": "110.00", "currency": "CNY"}, "110.00 CNY"),
        ({"balance": 499.5}, "499.5 credits"),
        ({"unlimited": True}, "unlimited"),
    ],
)
def test_text_names_a_currency_only_where_the_body_does(body: object, text: str) -> None:
    assert balance_text(parse_balance(body)) == text


def test_several_currencies_are_all_in_the_document() -> None:
    document = balance_document(parse_balance(SEVERAL), SEVERAL, sandbox=False)
    assert document["balance"] is None
    assert document["currencies"] == {"USD": 1, "CNY": 9}
    assert document["raw"] == SEVERAL


def test_play_money_passes_no_gate_unless_said_aloud(ocx: Ocx) -> None:
    ocx.env["OCX_SANDBOX"] = "1"
    refused = ocx("balance", "--min", "1").has(3)
    assert "OCX_SANDBOX" in refused.stderr
    assert "play credits" in ocx("balance").has(0).stderr
    assert ocx("--sandbox", "balance", "--min", "1").has(0).stderr == ""


def test_the_limit_is_shown_without_an_exponent(ocx: Ocx) -> None:
    assert "fewer than 1000\n" in ocx("--sandbox", "balance", "--min", "1e3").has(12).stderr


def test_quiet_answers_by_the_exit_code_alone(ocx: Ocx) -> None:
    for least, status in (("1", 0), ("501", 12)):
        done = ocx("--sandbox", "balance", "-q", "--min", least).has(status)
        assert (done.stdout, done.stderr) == (b"", "")


def test_raw_warn_and_json(ocx: Ocx) -> None:
    raw = ocx("--sandbox", "balance", "--raw").has(0).json
    warned = ocx("--sandbox", "balance", "--json", "--warn", "501").has(0)
    assert warned.json["raw"] == raw
    assert warned.json["sandbox"] is True
    assert warned.json["balance"] == 500
    assert "fewer than 501" in warned.stderr
    for wrong in (("--min", "many"), ("--min", "nan"), ("--raw", "--json")):
        ocx("--sandbox", "balance", *wrong).has(2)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": 20000, "data": {"balance": "1", "giftBalance": "9", "totalBalance": "10"}}, 0),
        ({"data": {"used": 50}}, 8),
        ({"balance": "１０．５０元"}, 0),
        ({"available": 4, "balance": 50}, 12),
    ],
)
def test_a_gate_over_what_gateways_say(
    online: Ocx, chat_server: ChatServer, body: dict[str, object], status: int
) -> None:
    chat_server.answer(answers.answer(body), path=BALANCE)
    online("balance", "--min", "5").has(status)

"""What an endpoint's answers say about a key, asked over a real socket."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ocx.api import Client, Endpoint
from ocx.errors import CreditsError, NetworkError, OcxError, ServerError
from ocx.keys.adding import validate_key
from ocx.secret import Secret
from tests.support import answers
from tests.support.chat_server import BALANCE, MODELS, ChatServer
from tests.support.program import Ocx

KEY = Secret("sk-live-abcdefgh12345678")


def asked(server: ChatServer, **reading: Any) -> Any:
    with Client(Endpoint(server.base_url, key=KEY, retries=0)) as client:
        return validate_key(client, **reading)


@pytest.mark.parametrize(
    ("balance", "state", "detail"),
    [
        (answers.answer({"balance": 499.5}), "valid", "499.5 credits"),
        (answers.answer({"unlimited": True}), "valid", "unlimited"),
        (answers.answer({"balance": 0}), "no credits", "0 credits"),
        (answers.answer({"balance": -1.5}), "no credits", "-1.5 credits"),
        (answers.answer({"something": 0}), "valid", "0 credits"),
        (answers.error(402), "no credits", "it went wrong"),
        (answers.error(401), "invalid", "it went wrong"),
        (answers.error(403), "invalid", "it went wrong"),
        (answers.error(500), "failed", "it went wrong"),
        (answers.error(429), "failed", "it went wrong"),
        (answers.error(400), "failed", "it went wrong"),
        (answers.answer("<html>", content_type="text/html"), "could not tell", ""),
        (answers.answer({"balance": 1, "credit_balance": 2}), "could not tell", ""),
        (answers.answer({"hello": "world"}), "could not tell", ""),
    ],
)
def test_balance(chat_server: ChatServer, balance: bytes, state: str, detail: str) -> None:
    chat_server.answer_all(balance)
    verdict = asked(chat_server)
    assert verdict.state == state
    assert detail in verdict.detail
    assert (verdict.error is None) == (state == "valid")


@pytest.mark.parametrize(
    ("body", "state", "error"),
    [
        ({"success": False, "message": "bad key"}, "could not tell", ServerError),
        ({"error": {"message": "no", "code": "invalid_api_key"}}, None, OcxError),
        (
            {"error": {"message": "no", "code": "insufficient_quota"}},
            "no credits",
            CreditsError,
        ),
    ],
)
def test_an_error_inside_a_200(
    chat_server: ChatServer, body: Any, state: str | None, error: type[OcxError]
) -> None:
    chat_server.answer_all(answers.answer(body))
    verdict = asked(chat_server)
    assert isinstance(verdict.error, error)
    assert state is None or verdict.state == state


def test_several_currencies(chat_server: ChatServer) -> None:
    rows = [{"currency": "USD", "balance": "0"}, {"currency": "CNY", "balance": "1.50"}]
    chat_server.answer_all(answers.answer({"balances": rows}))
    verdict = asked(chat_server)
    assert verdict.state == "valid"
    assert "1.50 CNY" in verdict.detail


@pytest.mark.parametrize(
    ("models", "state"),
    [
        (answers.answer(answers.models("m")), "could not tell"),
        (answers.error(401), "invalid"),
        (answers.error(402), "no credits"),
        (answers.error(404), "failed"),
    ],
)
def test_without_balance_the_models_are_asked(
    chat_server: ChatServer, models: bytes, state: str
) -> None:
    chat_server.answer(answers.error(404), path=BALANCE)
    chat_server.answer(models, path=MODELS)
    verdict = asked(chat_server)
    assert verdict.state == state
    assert verdict.error is not None
    if state == "could not tell":
        assert type(verdict.error) is ServerError


def test_path_and_scale_of_the_profile(chat_server: ChatServer) -> None:
    chat_server.answer_all(answers.answer({"quota": {"left": 500000}}))
    verdict = asked(chat_server, path="quota.left", scale=Decimal("0.000002"))
    assert verdict.balance == Decimal(1)


def test_nobody_there() -> None:
    with Client(Endpoint("http://127.0.0.1:1/v1", key=KEY, retries=0)) as client:
        verdict = validate_key(client)
    assert verdict.state == "failed"
    assert type(verdict.error) is NetworkError


def test_a_key_for_another_endpoint_than_the_profiles_is_told_the_way_to_one(ocx: Ocx) -> None:
    url = "http://127.0.0.1:1/v1"
    words = ("keys", "add", "work", "--no-check", "--base-url", url)
    said = " ".join(ocx(*words, input=KEY.reveal().encode()).has(0).stderr.split())
    assert f"it goes only to {url}, and profile default does not" in said
    assert "`ocx -P NAME config set base_url URL`, then `ocx -P NAME keys use work`" in said

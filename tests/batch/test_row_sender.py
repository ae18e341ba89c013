"""The real client against a real server: outcomes, the library entry, processes that die."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import ocx.batch
from ocx.api.types import Endpoint
from ocx.batch.row import Row, RowAnswer, RowFailure
from ocx.chat.options import AnswerChecks
from ocx.chat.schema import Schema
from ocx.errors import CreditsError, OcxError
from ocx.secret import Secret
from tests.batch.fakes import Waiting, row
from tests.support import answers
from tests.support.chat_server import BALANCE, CHAT, MODELS, ChatServer
from tests.support.raw_server import CLOSE

KEY = Secret("sk-live-" + "k" * 40)
POOL: dict[str, Any] = {"workers": 4, "max_credits": Decimal(40)}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as started:
        yield started


@pytest.fixture
def sender(server: ChatServer) -> Iterator[Waiting]:
    made = Waiting(Endpoint(server.base_url, KEY, retries=0))
    yield made
    made.close()


def completion(text: str, **more: object) -> bytes:
    return answers.answer(answers.completion(text) | more, headers={"x-request-id": "q"})


def test_an_answer_with_its_cost_and_headers(server: ChatServer, sender: Waiting) -> None:
    server.answer([completion("Hi", usage={"prompt_tokens": 1, "cost": 0.25})], path=CHAT)
    found = sender.send(row(0))
    assert (found.text, found.credits) == ("Hi", Decimal("0.25"))
    assert (found.request_id, found.headers["x-request-id"]) == ("q", "q")
    assert found.usage == {"prompt_tokens": 1, "cost": 0.25}
    assert server.body()["messages"] == row(0).body["messages"]


def test_a_refusal_with_its_body_and_headers(server: ChatServer, sender: Waiting) -> None:
    server.answer(
        [answers.error(429, "slow_down", retry_after="7", x_ratelimit_remaining_requests="0")],
        path=CHAT,
    )
    found = sender.send(row(0))
    assert found.error.name == "rate_limit"
    assert found.error.retry_after == 7
    assert found.body["error"]["code"] == "slow_down"
    assert found.headers["x-ratelimit-remaining-requests"] == "0"
    assert len(server.requests) == 1


def test_another_path_is_sent_below_the_base_url(server: ChatServer, sender: Waiting) -> None:
    server.answer([answers.answer({"data": [1]})], path="/embeddings")
    found = sender.send(Row("a", 1, {"input": "x"}, "/embeddings"))
    assert isinstance(found, RowAnswer)
    assert found.body == {"data": [1]}


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"text": "half", "finish_reason": None}]},
        {"choices": [{"text": "half", "finish_reason": "error"}]},
        {"status": "incomplete", "output": [{}]},
    ],
)
def test_half_an_answer_of_another_path(
    server: ChatServer, sender: Waiting, body: dict[str, Any]
) -> None:
    server.answer([answers.answer(body)], path="/completions")
    found = sender.send(Row("a", 1, {"prompt": "x"}, "/completions"))
    assert (found.error.name, found.body) == ("incomplete", body)


def test_another_path_has_the_time_of_a_chat(
    server: ChatServer, sender: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocx.api.async_client.QUICK_TIMEOUT", 0.0)
    server.answer([answers.answer({"data": [1]})], path="/embeddings")
    assert isinstance(sender.send(Row("a", 1, {"input": "x"}, "/embeddings")), RowAnswer)


@pytest.mark.parametrize(
    ("script", "alive"),
    [
        ([answers.answer(answers.models("m"))], True),
        ([answers.error(404)], True),
        ([answers.error(401)], True),
        ([answers.error(429)], True),
        ([answers.error(500)], False),
        ([answers.error(501)], True),
        ([CLOSE], False),
    ],
)
def test_who_answers_a_probe_is_there(
    server: ChatServer, sender: Waiting, script: list[object], alive: bool
) -> None:
    server.answer(script, path=MODELS)
    assert sender.probe() is alive


def test_a_balance_that_is_a_guess_keeps_no_budget(server: ChatServer, sender: Waiting) -> None:
    assert sender.balance() == Decimal("499.5")
    server.answer([answers.answer({"something": 4})], path=BALANCE)
    with pytest.raises(OcxError) as caught:
        sender.balance()
    assert caught.value.exit_code == 8


def test_a_lost_balance_is_asked_for_as_often_as_a_row(server: ChatServer) -> None:
    lost = answers.error(503, retry_after_ms="1")
    server.answer(lost, lost, answers.answer({"balance": 5}), lost, path=BALANCE)
    with closing(Waiting(Endpoint(server.base_url, KEY, retries=2))) as sender:
        assert sender.balance() == 5
        with pytest.raises(OcxError):
            sender.balance()
    assert len(server.requests) == 3 + 3


OBJECT = {"type": "object"}


def checked(
    server: ChatServer,
    given: Row | None = None,
    schema: dict[str, Any] | None = None,
    **checks: Any,
) -> RowAnswer | RowFailure:
    """The outcome of one row whose answer is checked."""
    endpoint = Endpoint(server.base_url, KEY, retries=0)
    made = Waiting(endpoint, AnswerChecks(**checks), Schema(schema) if schema else None)
    try:
        return made.send(given or row(0))
    finally:
        made.close()


def test_code_is_extracted_then_expected(server: ChatServer) -> None:
    server.answer([completion("Here:\n```\n3\n```\nand\n```\n4\n```\n")], path=CHAT)
    found = checked(server, extract=True)
    assert found.text == "3\n"
    found = checked(server, row(0, expect={"equals": "4"}), extract_last=True)
    assert isinstance(found, RowAnswer)
    found = checked(server, row(0, expect={"equals": "4"}), extract=True)
    assert found.error.name == "invalid_answer"


def test_an_invalid_answer_is_asked_for_again_and_both_are_paid(server: ChatServer) -> None:
    server.answer(completion("nope", cost=2), completion("{}", cost=3), path=CHAT)
    found = checked(server, schema=OBJECT, schema_retries=1)
    assert (found.text, found.credits, found.requests) == ("{}", 5, 2)


def test_the_cost_of_two_requests_is_unknown_if_one_does_not_tell(server: ChatServer) -> None:
    server.answer(completion("nope"), completion("{}", cost=3), path=CHAT)
    found = checked(server, schema=OBJECT, schema_retries=1)
    assert isinstance(found, RowAnswer)
    assert found.credits is None


def test_a_refusal_after_an_invalid_answer_keeps_what_was_paid(server: ChatServer) -> None:
    server.answer(completion("nope", cost=2), answers.error(429), path=CHAT)
    found = checked(server, schema=OBJECT, schema_retries=1)
    assert (found.error.name, found.credits, found.requests) == ("rate_limit", 2, 2)


def test_an_answer_that_fails_its_check_keeps_its_body(server: ChatServer) -> None:
    server.answer([completion("nope", credits_used=2)], path=CHAT)
    found = checked(server, schema=OBJECT)
    assert (found.error.name, found.credits) == ("invalid_answer", 2)
    assert found.body["choices"][0]["message"]["content"] == "nope"


def test_the_library_yields_results(server: ChatServer) -> None:
    server.answer([completion("Hi")], path=CHAT)
    given = ["one", *({"id": "b", "prompt": text} for text in ("two", "three"))]
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    given += [{"prompt": "x", "top_p": value} for value in (math.nan, math.inf, Decimal(1), deep)]
    endpoint = Endpoint(server.base_url, KEY)
    results = list(ocx.batch.run(given, endpoint, model="m", ordered=True, workers=2))
    assert [(found.id, found.kind, found.text) for found in results] == [
        ("line-1", "ok", "Hi"),
        ("b", "ok", "Hi"),
        *((f"line-{number}", "usage", None) for number in (3, 4, 5, 6, 7)),
    ]
    assert all("cannot be JSON" in found.error.message for found in results[3:] if found.error)
    assert {server.body(request)["model"] for request in server.requests} == {"m"}
    schema = Schema(OBJECT)
    (found,) = ocx.batch.run(["x"], endpoint, model="m", schema=schema)
    assert isinstance(found.row, Row)
    assert found.row.body["response_format"] == schema.response_format(), "it costs tokens, too"


def test_a_pool_keeps_its_connections_and_its_budget(server: ChatServer) -> None:
    server.answer([completion("Hi", cost=1)], path=CHAT)
    with ocx.batch.Pool(
        Endpoint(server.base_url, KEY), model="m", workers=2, max_credits=Decimal(6)
    ) as pool:
        for _ in range(2):
            assert [found.text for found in pool.run(["a", "b"])] == ["Hi", "Hi"]
        assert server.connections <= 3, "two, and one for the balance"
        for found in pool.run(map(str, range(100))):  # leaving ends it
            assert found.text == "Hi"
            break
        with pytest.raises(OcxError, match="max-credits"):
            list(pool.run(map(str, range(100))))
    assert len(server.chats()) <= 6


@pytest.mark.parametrize("first", [[], ["a", "b"]])
def test_a_block_that_was_left_counts_for_the_budget(server: ChatServer, first: list[str]) -> None:
    server.answer([completion("Hi", cost=9)], path=CHAT)
    with ocx.batch.Pool(Endpoint(server.base_url, KEY), model="m", **POOL) as pool:
        assert len(list(pool.run(first))) == len(first)
        for _ in pool.run(map(str, range(8))):
            break
        with pytest.raises(OcxError, match="max-credits"):
            for _ in range(5):
                next(iter(pool.run(["again"])))
    assert len(server.chats()) <= 5


def test_two_runs_of_a_pool_side_by_side_do_not_wait_for_each_other(server: ChatServer) -> None:
    server.answer([completion("Hi", cost=9)], path=CHAT)
    with ocx.batch.Pool(Endpoint(server.base_url, KEY), model="m", **POOL) as pool:
        blocks = [pool.run(map(str, range(8))) for _ in range(2)]
        with pytest.raises(OcxError, match="max-credits"):
            for _ in range(8):
                list(map(next, blocks))


def test_a_pool_works_where_an_event_loop_is_running(server: ChatServer) -> None:
    server.answer([completion("Hi")], path=CHAT)

    async def cell() -> list[str | None]:
        return [found.text for found in ocx.batch.run(["a", "b"], Endpoint(server.base_url, KEY))]

    assert asyncio.run(cell()) == ["Hi", "Hi"]


def _in_a_process(url: str) -> list[str | None]:
    return [found.text for found in ocx.batch.run(["a"], Endpoint(url, KEY))]


def test_threads_and_spawned_processes_have_pools_of_their_own(
    server: ChatServer, tmp_path: Path
) -> None:
    server.answer([completion("Hi")], path=CHAT)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(_in_a_process, [server.base_url] * 4))
    script = (
        "import multiprocessing as m, ocx.batch\n"
        "from ocx.api.types import Endpoint\n"
        "def work(url):\n"
        "    rows = ocx.batch.run(['a'], Endpoint(url, None, allow_http=True))\n"
        "    return [found.text for found in rows]\n"
        "if __name__ == '__main__':\n"
        "    with m.get_context('spawn').Pool(2) as pool:\n"
        f"        print(pool.map(work, [{server.base_url!r}] * 2))\n"
    )
    path = tmp_path / "spawned.py"
    assert found == [["Hi"]] * 4
    path.write_text(script)
    run = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "[['Hi'], ['Hi']]\n"


def test_the_library_raises_what_stopped_it(server: ChatServer) -> None:
    server.answer([answers.error(402)], path=CHAT)
    with pytest.raises(CreditsError):
        list(ocx.batch.run(["a", "b"], Endpoint(server.base_url, KEY), workers=2))

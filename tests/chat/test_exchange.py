"""The seam below every call: no terminal, no Typer, no files, against a real server.

What the history keeps of a call, through the real program.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from ocx.api import Client, Delta, Endpoint
from ocx.api.answer import Answer
from ocx.api.prices import Cost
from ocx.chat.credits import Credits
from ocx.chat.exchange import ChatRunner, DeltaSink, Exchange
from ocx.chat.options import AnswerChecks, CreditLimits
from ocx.chat.schema import Schema
from ocx.chat.shorthand import from_shorthand
from ocx.config.settings import resolve
from ocx.errors import (
    InvalidAnswerError,
    OcxError,
    RejectedError,
)
from tests.support import answers
from tests.support.chat_server import BALANCE, CHAT, ChatServer
from tests.support.program import Ocx

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "go"}]}
SCHEMA = Schema(from_shorthand("a"))


class Sink(DeltaSink):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.finished: list[tuple[Answer, bool]] = []
        self.delivered: list[str] = []

    def write(self, deltas: Sequence[Delta]) -> None:
        self.pieces.append("".join(delta.text for delta in deltas))

    def finish(self, answer: Answer, *, complete: bool) -> None:
        self.finished.append((answer, complete))

    def deliver(self, text: str) -> None:
        self.delivered.append(text)


class Recorder:
    def __init__(self) -> None:
        self.kept: list[Exchange] = []

    def record(self, exchange: Exchange) -> None:
        assert exchange.started > 1_700_000_000
        self.kept.append(exchange)


@pytest.fixture
def client(chat_server: ChatServer) -> Iterator[Client]:
    with Client(Endpoint(chat_server.base_url, retries=0)) as client:
        yield client


@pytest.mark.parametrize("stream", [True, False])
def test_a_checked_retried_costed_call(
    client: Client, chat_server: ChatServer, stream: bool
) -> None:
    """The answer that satisfies the schema, and what both requests took."""
    texts = ('{"a": 1}', '{"a": "x"}')
    whole = [answers.answer(answers.completion(text)) for text in texts]
    scripts = [answers.stream(text) for text in texts] if stream else whole
    chat_server.answer(*scripts, path=CHAT)
    balances = [answers.answer({"balance": left}) for left in (500, 499.25)]
    chat_server.answer(*balances, path=BALANCE)
    sink, recorder = Sink(), Recorder()
    exchange = ChatRunner(
        client,
        AnswerChecks(schema="a", schema_retries=1),
        SCHEMA,
        Credits(CreditLimits(cost=True, min_balance="10"), resolve({}, {"HOME": "/nowhere"})),
        recorder,
        stream,
    )
    result = exchange.send(BODY, sink)
    assert result.text == '{"a": "x"}' == result.answer.text
    assert result.cost == Cost(Decimal("0.75"), "balance")
    assert sink.pieces == list(texts) if not stream else "".join(sink.pieces) == "".join(texts)
    assert [complete for _, complete in sink.finished] == [True, True]
    assert sink.delivered == ['{"a": "x"}']
    first, second = recorder.kept
    assert isinstance(first.error, InvalidAnswerError)
    assert (second.error, second.cost) == (None, Cost(Decimal("0.75"), "balance"))
    told = chat_server.chats()[1]["messages"]
    assert told[1] == {"role": "assistant", "content": '{"a": 1}'}
    assert "$.a" in told[2]["content"]


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_is_the_same_value_whichever_way_it_comes(
    client: Client, chat_server: ChatServer, stream: bool
) -> None:
    events = [
        answers.delta("Hello"),
        answers.finish(),
        answers.usage(),
        answers.event(answers.DONE),
    ]
    script = answers.STREAM_HEAD + b"".join(events) + answers.LAST_PIECE
    chat_server.answer(script if stream else answers.answer(answers.completion("Hello")), path=CHAT)
    answer = ChatRunner(client, stream=stream).send(BODY).answer
    assert (answer.text, answer.reasoning, list(answer.tool_calls)) == ("Hello", "", [])
    assert (answer.finish_reason, answer.model, answer.attempts) == ("stop", "deepseek-chat", 1)
    assert answer.usage == answers.tokens() == answer.fields["usage"]
    assert answer.seconds > 0
    assert (answer.first_token_seconds is None) != stream


def test_text_is_kept_only_for_who_asks(client: Client) -> None:
    sink = Sink()
    answer = ChatRunner(client, keep_text=False).send(BODY, sink).answer
    assert (answer.text, answer.finish_reason) == ("", "stop")
    assert "".join(sink.pieces) == "Hello!"
    assert ChatRunner(client, keep_text=False, recorder=Recorder()).send(BODY).text == "Hello!"


def test_a_sink_that_fails_ends_the_call(client: Client) -> None:
    """The disk is full, the reader is gone: what came until then is recorded."""

    class Full(Sink):
        def write(self, deltas: Sequence[Delta]) -> None:
            raise OcxError("the disk is full")

    sink, recorder = Full(), Recorder()
    with pytest.raises(OcxError, match="full"):
        ChatRunner(client, recorder=recorder).send(BODY, sink)
    assert recorder.kept[0].answer.text.startswith("Hello")
    assert sink.finished[0][1] is False


def test_all_models_that_are_asked_share_one_deadline(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes six of the ten seconds."""
    now = time.monotonic()
    monkeypatch.setattr("ocx.api.httpcore_backend.time.monotonic", lambda: now)
    lefts: list[float] = []

    class Slow(Client):
        def stream(self, body: Mapping[str, Any]) -> Any:
            nonlocal now
            try:
                return super().stream(body)
            finally:
                lefts.append(self._backend.left())
                now += 6

    chat_server.answer(answers.error(503), answers.stream("Hello"), path=CHAT)
    with Slow(Endpoint(chat_server.base_url, retries=0, timeout=10)) as client:
        ChatRunner(client, fallbacks=("b",)).send(BODY)
        assert lefts == pytest.approx([10, 4])
        ChatRunner(client).send(BODY)
    assert lefts[2] == pytest.approx(10)


def test_a_response_format_of_the_callers_own_is_not_put_into_words(
    client: Client, chat_server: ChatServer
) -> None:
    chat_server.answer(answers.error(400, message="unknown field response_format"), path=CHAT)
    with pytest.raises(RejectedError):
        ChatRunner(client, AnswerChecks(schema="a"), SCHEMA).send(
            {**BODY, "response_format": {"type": "json_object"}}
        )


def test_many_threads_share_nothing(chat_servers: Any) -> None:
    """One client each, as `ocx.api.Client` asks; every thread gets its own answer."""
    made = [chat_servers() for _ in range(8)]
    for number, server in enumerate(made):
        reply = json.dumps({"a": str(number)})
        server.answer(answers.stream('{"a": 0}'), answers.stream(*reply), path=CHAT)

    def call(server: ChatServer) -> str:
        with Client(Endpoint(server.base_url)) as client:
            checks = AnswerChecks(schema="a", schema_retries=1)
            return ChatRunner(client, checks, SCHEMA).send(BODY).text

    with ThreadPoolExecutor(len(made)) as pool:
        texts = list(pool.map(call, made))
    assert texts == [json.dumps({"a": str(number)}) for number in range(len(made))]


def test_only_a_schema_is_asked_for_again(client: Client, chat_server: ChatServer) -> None:
    """What the model is told then is about JSON."""
    with pytest.raises(InvalidAnswerError):
        ChatRunner(client, AnswerChecks(extract=True, schema_retries=3)).send(BODY)
    assert len(chat_server.chats()) == 1


def test_the_pieces_of_a_streamed_tool_call_leave_no_index(
    online: Ocx, chat_server: ChatServer
) -> None:
    """`index` joins the pieces of a stream; sent back in a message, strict servers refuse it."""
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    events = answers.event(answers.chunk(tool_calls=[call])) + answers.finish("tool_calls")
    end = answers.event(answers.DONE) + answers.LAST_PIECE
    chat_server.answer(answers.STREAM_HEAD + events + end, path=CHAT)
    online("chat", "--log", "hi").has(0)
    (kept,) = online("history", "show", "--json").json["tool_calls"]
    assert kept == {"type": "function", "id": "c", "function": {"name": "f", "arguments": "{}"}}
    chat_server.answer(answers.stream("done"), path=CHAT)
    online("chat", "-c", "and?").has(0)
    assert chat_server.body()["messages"][1]["tool_calls"] == [kept]

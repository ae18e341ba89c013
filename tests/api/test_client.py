"""The client over a transport of the test's own: retries take no time, every answer is scripted."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from ocx.api import Client, Endpoint
from ocx.api.http import encode
from ocx.errors import (
    AuthError,
    ConfigError,
    CreditsError,
    DeadlineError,
    IncompleteError,
    NetworkError,
    OcxError,
    RejectedError,
    ServerError,
)
from ocx.secret import Secret
from tests.support.answers import chunk, completion

KEY = Secret("sk-live-0123456789abcdefghij")
BASE = "https://api.test/v1"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
OK = httpx.Response(200, json=completion("Hello"))

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Scripted(httpx.BaseTransport):
    """Answers in order; the last one stays."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=answer.content
            )
        return answer(request)

    def close(self) -> None:
        self.closed = True


class Setup:
    """A client, what it was sent and how long it slept."""

    def __init__(self, *answers: Answer, **endpoint: Any) -> None:
        self.transport = Scripted(*answers)
        self.slept: list[float] = []
        settings = {"base_url": BASE, "key": KEY, **endpoint}
        self.client = Client(Endpoint(**settings), self.transport, self.slept.append)

    @property
    def attempts(self) -> int:
        return len(self.transport.requests)


def error(status: int, code: str | None = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"error": {"message": "oh", "code": code}}, headers=named)


def test_a_reply_says_what_it_took() -> None:
    setup = Setup(error(500), httpx.Response(200, json=completion("x"), headers={"CF-Ray": "r"}))
    reply = setup.client.chat(BODY)
    assert (reply.status, reply.attempts, reply.request_id) == (200, 2, "r")
    assert reply.json == completion("x") == json.loads(reply.body)
    assert reply.headers["cf-ray"] == "r"
    assert 0 < reply.seconds < 100


@pytest.mark.parametrize(
    ("call", "status", "attempts"),
    [
        (lambda client: client.chat(BODY), 429, 3),
        (lambda client: client.chat(BODY), 503, 3),
        (lambda client: client.chat(BODY), 400, 1),
        (lambda client: client.chat(BODY), 504, 1),
        (lambda client: client.chat(BODY), 301, 1),
        (Client.models, 504, 3),
        (Client.balance, 504, 3),
    ],
)
def test_a_post_that_may_have_been_answered_is_not_tried_again(
    call: Callable[[Client], object], status: int, attempts: int
) -> None:
    """A GET costs nothing."""
    setup = Setup(error(status))
    with pytest.raises(OcxError) as caught:
        call(setup.client)
    assert (setup.attempts, caught.value.status) == (attempts, status)
    assert all(0 <= wait <= cap for wait, cap in zip(setup.slept, (0.5, 1.0), strict=False))


CONNECT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"),
           httpx.ProxyError("502 Bad Gateway")]  # fmt: skip
SILENT = [httpx.ReadTimeout("slow"), httpx.WriteTimeout("slow")]
LOST = [
    httpx.ReadError("reset"), httpx.WriteError("broken pipe"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    ConnectionResetError("reset"),
]  # fmt: skip


@pytest.mark.parametrize("exception", CONNECT, ids=repr)
def test_where_nothing_was_sent_a_post_is_tried_again(exception: Exception) -> None:
    setup = Setup(exception, exception, OK)
    assert setup.client.chat(BODY).attempts == 3
    setup = Setup(exception)
    with pytest.raises((NetworkError, DeadlineError)) as caught:
        setup.client.chat(BODY)
    assert isinstance(caught.value, DeadlineError) == ("Timeout" in type(exception).__name__)
    assert caught.value.__cause__ is exception


@pytest.mark.parametrize("exception", SILENT, ids=repr)
def test_a_post_whose_answer_timed_out_is_never_tried_again(exception: Exception) -> None:
    setup = Setup(exception)
    with pytest.raises(DeadlineError):
        setup.client.chat(BODY)
    assert setup.attempts == 1
    setup = Setup(exception, httpx.Response(200, json={"data": []}))
    assert setup.client.models().attempts == 2


@pytest.mark.parametrize("exception", LOST, ids=repr)
def test_a_lost_connection_is_not_tried_again(exception: Exception) -> None:
    setup = Setup(exception)
    with pytest.raises(NetworkError, match="lost"):
        setup.client.chat(BODY)
    assert setup.attempts == 1


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        (httpx.RemoteProtocolError("illegal status line"), ServerError),
        (httpx.InvalidURL("x"), ConfigError),
        (httpx.UnsupportedProtocol("x"), ConfigError),
        (httpx.LocalProtocolError(f"Illegal header value b'{KEY.reveal()}'"), ConfigError),
        (httpx.ProxyError("407 Proxy Authentication Required"), NetworkError),
        (httpx.ProxyError("Invalid username/password"), NetworkError),
        (OSError(113, "No route to host"), NetworkError),
    ],
    ids=repr,
)
def test_every_foreign_exception_is_one_of_ours(exception: Exception, kind: type[OcxError]) -> None:
    setup = Setup(exception)
    with pytest.raises(kind) as caught:
        setup.client.chat(BODY)
    assert setup.attempts == 1
    assert KEY.reveal() not in f"{caught.value.message}{caught.value.hint}"


def test_the_cause_of_a_failed_connection_is_told() -> None:
    """Also of a transport that is not ours."""
    exception = httpx.ConnectError("failed")
    exception.__cause__ = httpx.ConnectError("failed")
    exception.__cause__.__cause__ = socket.gaierror(socket.EAI_NONAME, "no such name")
    with pytest.raises(NetworkError, match=r"cannot resolve api\.test: no such name"):
        Setup(exception).client.chat(BODY)


def test_a_bug_is_not_translated() -> None:
    with pytest.raises(ZeroDivisionError):
        Setup(ZeroDivisionError()).client.chat(BODY)


def test_an_interrupt_closes_the_answer() -> None:
    class Interrupt(BaseException):
        pass

    class Body(httpx.SyncByteStream):
        closed = False

        def __iter__(self) -> Iterator[bytes]:
            yield b"{"
            raise Interrupt

        def close(self) -> None:
            self.closed = True

    body = Body()
    with pytest.raises(Interrupt):
        Setup(lambda _: httpx.Response(200, stream=body)).client.chat(BODY)
    assert body.closed


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_the_number_of_retries(retries: int) -> None:
    setup = Setup(error(503, retry_after_ms="1"), retries=retries)
    with pytest.raises(ServerError):
        setup.client.chat(BODY)
    assert setup.attempts == retries + 1
    assert len(setup.slept) == retries


def test_retry_after_is_honoured() -> None:
    setup = Setup(error(429, retry_after="7"), error(503, retry_after_ms="1500"), OK)
    setup.client.chat(BODY)
    (first, second) = setup.slept
    assert 7 <= first <= 7.5
    assert 1.5 <= second <= 2.5


def test_no_time_for_another_attempt() -> None:
    """The failure itself, not a deadline: it says more."""
    setup = Setup(error(503), timeout=1e-9)
    with pytest.raises(ServerError):
        setup.client.chat(BODY)
    assert setup.attempts == 1


def test_each_retry_is_one_warning_and_no_line_holds_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="ocx.api")
    leaky = httpx.Response(503, text=f"no {KEY.reveal()}", headers={"x-request-id": "r-1"})
    Setup(leaky, httpx.ConnectError(f"no {KEY.reveal()}"), OK).client.chat(BODY)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert warnings[0].startswith("retry 1 of 2 in 0.")
    assert "HTTP 503" in warnings[0]
    assert warnings[1].startswith("retry 2 of 2 in ")
    assert "POST https://api.test/v1/chat/completions: 503, request id r-1, " in caplog.text
    assert KEY.reveal() not in caplog.text


@pytest.mark.parametrize(
    ("response", "kind", "says"),
    [
        (httpx.Response(200, text="<html>Sign in</html>"), ServerError, "HTML"),
        (httpx.Response(200, text=" "), ServerError, "empty"),
        (httpx.Response(204), ServerError, "empty"),
        (httpx.Response(200, text="all is well"), ServerError, "all is well"),
        (httpx.Response(200, json={"hello": 1}), ServerError, "not a chat completion"),
        (httpx.Response(200, json=[]), ServerError, "not a chat completion"),
        (httpx.Response(200, json={"choices": []}), ServerError, "not a chat completion"),
        (httpx.Response(200, json={"choices": [{"text": "x"}]}), ServerError, "not a chat"),
        (httpx.Response(200, json={"error": {"message": "m", "code": 401}}), AuthError, "m"),
        (httpx.Response(200, json={"success": False, "message": "m"}), ServerError, "m"),
        (httpx.Response(200, json=completion(None, "content_filter")), RejectedError, "filter"),
        (httpx.Response(200, text="data: [DONE]\n\n"), ServerError, "no answer"),
        (httpx.Response(200, text='data: {"error":{"code":402}}\n\n'), CreditsError, "server"),
        (httpx.Response(200, text="data: x\n\n"), ServerError, "not JSON"),
        (httpx.Response(200, content=b"data: " + b"x" * 5_000_000), ServerError, "not JSON"),
    ],
)
def test_a_200_that_is_not_the_answer(
    response: httpx.Response, kind: type[OcxError], says: str
) -> None:
    response.headers["x-request-id"] = "r"
    setup = Setup(response)
    with pytest.raises(kind, match=says) as caught:
        setup.client.chat(BODY)
    assert setup.attempts == 1
    assert caught.value.name == kind.name
    assert (caught.value.request_id, caught.value.status) == ("r", response.status_code)


def events(*documents: Any) -> httpx.Response:
    lines = [d if isinstance(d, str) else json.dumps(d) for d in documents]
    return httpx.Response(200, text="".join(f"data: {line}\n\n" for line in lines))


def test_a_stream_that_nobody_asked_for_is_folded() -> None:
    reply = Setup(events(chunk("Hel"), chunk("lo", "stop"), "[DONE]")).client.chat(BODY)
    assert reply.json["choices"][0]["message"]["content"] == "Hello"
    assert reply.json["object"] == "chat.completion"
    assert json.loads(reply.body) == reply.json


@pytest.mark.parametrize(
    "response",
    [
        events(chunk("Hel")),
        events(chunk("Hel"), "[DONE]"),
        events(chunk("Hel"), {"error": {"message": "m", "code": 429}}),
        events(chunk("Hel"), "garbage"),
        events(chunk("Hel"), "x" * 5_000_000),
        events(chunk("Hel", "content_filter")),
        httpx.Response(200, json=completion("Hel", "content_filter")),
    ],
)
def test_what_arrived_of_a_cut_answer_is_kept(response: httpx.Response) -> None:
    with pytest.raises(IncompleteError) as caught:
        Setup(response).client.chat(BODY)
    assert caught.value.exit_code == 11
    assert caught.value.reply.json["choices"][0]["message"]["content"] == "Hel"
    assert caught.value.message.count("broke off") <= 1


def test_models_are_checked_and_balances_are_not() -> None:
    assert Setup(httpx.Response(200, json={"data": [{"id": "a"}]})).client.models().status == 200
    for bad in (httpx.Response(200, json={}), httpx.Response(200, text="<p>")):
        with pytest.raises(ServerError):
            Setup(bad).client.models()
    assert Setup(httpx.Response(200, text="<p>")).client.balance().json is None


def test_a_raw_request_is_not_looked_into() -> None:
    setup = Setup(httpx.Response(201, json={"error": "x"}))
    reply = setup.client.request("PUT", "/files/7", content=encode({"a": 1}))
    (request,) = setup.transport.requests
    assert (reply.status, reply.json) == (201, {"error": "x"})
    assert (request.method, str(request.url)) == ("PUT", f"{BASE}/files/7")
    assert request.headers["authorization"] == f"Bearer {KEY.reveal()}"


def test_leaving_the_client_closes_the_transport() -> None:
    setup = Setup(OK)
    with setup.client as client:
        assert client is setup.client
    assert setup.transport.closed

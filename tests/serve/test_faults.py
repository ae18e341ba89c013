"""Every fault: its bytes over a raw socket, and what `ocx chat` makes of it."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.serve import faults
from ocx.serve.routing import BUILT_IN, Router
from tests.serve.conftest import Serve, Served, request, until, until_closed
from tests.support.program import Ocx

pytestmark = pytest.mark.unmeasured

TEXT = "eins zwei drei vier"
CLOSE = "Connection: close"


def body_of(data: bytes) -> bytes:
    """The body of a chunked reply; it need not be complete."""
    head, _, rest = data.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body += rest[:length]
        rest = rest[length + 2 :]
    return body


def got(served: Served, model: str, *, stream: bool = True, headers: tuple[str, ...] = ()) -> bytes:
    body = request(TEXT, model, stream=stream, stream_options={"include_usage": True})
    with served.raw(body, CLOSE, *headers) as connection:
        return until_closed(connection)


def spoken(data: bytes) -> str:
    """The text in the sound events of a reply."""
    text = ""
    for line in body_of(data).split(b"\n"):
        with contextlib.suppress(ValueError):
            for choice in json.loads(line.removeprefix(b"data: ")).get("choices", ()):
                text += choice.get("delta", {}).get("content", "")
    return text


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", "invalid_parameter"),
        (401, "authentication_error", "invalid_api_key"),
        (402, "insufficient_credits", "insufficient_credits"),
        (429, "rate_limit_error", "rpm_limit_exceeded"),
        (500, "server_error", "internal"),
        (503, "server_error", "overloaded"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_status(served: Served, status: int, kind: str, code: str, stream: bool) -> None:
    data = got(served, f"fault/{status},after=2", stream=stream)
    assert data.startswith(b"HTTP/1.1 %d " % status)
    error = json.loads(body_of(data))["error"]
    assert (error["type"], error["code"]) == (kind, code)
    assert (b"retry-after: 2\r\n" in data) == (status in (429, 503))
    assert (b"retry-after-ms: 2000\r\n" in data) == (status in (429, 503))
    assert served.charges() == []


def test_first_and_every_count_requests(served: Served) -> None:
    def statuses(model: str) -> list[int]:
        return [served.ask(model=model).status_code for _ in range(6)]

    assert statuses("fault/429,first=2,after=1") == [429, 429, 200, 200, 200, 200]
    assert statuses("fault/500,every=3") == [200, 200, 500, 200, 200, 500]
    assert statuses("fault/503,every=2,first=3") == [200, 503, 200, 200, 200, 200]


def test_each_key_counts_for_itself(served: Served) -> None:
    other = served.ledger.add_key(served.account.id, "other")
    headers = {"authorization": f"Bearer {other.reveal()}"}
    assert served.ask(model="fault/500,first=1").status_code == 500
    assert served.ask(model="fault/500,first=1", headers=headers).status_code == 500
    assert served.ask(model="fault/500,first=1").status_code == 200


def test_a_header_lays_a_fault_over_any_model(served: Served) -> None:
    header = {"x-ocx-fault": "429,first=1"}
    assert served.ask(headers=header).status_code == 429
    assert served.ask(headers=header).status_code == 200
    assert served.http.get("/models", headers={"x-ocx-fault": "fault/503"}).status_code == 503
    assert served.http.get("/balance", headers={"x-ocx-fault": "cut:1"}).status_code == 200
    reply = served.ask(headers={"x-ocx-fault": "cud:1"})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "X-OCX-Fault"
    assert "did you mean cut?" in reply.json()["error"]["message"]
    data = got(served, "lorem:5", headers=("X-OCX-Fault: cut:2",))
    assert spoken(data) == "Lorem ipsum "


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_a_cut(served: Served, count: int) -> None:
    data = got(served, f"fault/cut:{count}")
    assert data.startswith(b"HTTP/1.1 200 ")
    assert spoken(data).split() == TEXT.split()[:count]
    assert b'finish_reason":"' not in data
    assert b"[DONE]" not in data
    assert not data.endswith(b"0\r\n\r\n"), "the chunked body must stay open"
    outcome = served.wait_for(1)[0].outcome
    assert outcome == ("cut" if count else "refused")
    assert (served.charges()[0][4] > 0) == (count > 0)


def test_a_cut_document_is_shorter_than_it_said(served: Served) -> None:
    data = got(served, "fault/cut:2", stream=False)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert 0 < len(body) < length


def test_a_stall(served: Served) -> None:
    with served.raw(request(TEXT, "fault/stall:2", stream=True)) as connection:
        assert spoken(until(connection, b'"zwei "')).split() == TEXT.split()[:2]
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    served.wait_for(1)


@pytest.mark.parametrize("count", [0, 2])
def test_an_error_event(served: Served, count: int) -> None:
    data = got(served, f"fault/error:{count}")
    assert data.startswith(b"HTTP/1.1 200 ")
    assert spoken(data).split() == TEXT.split()[:count]
    *_, last = body_of(data).strip().split(b"\n\n")
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "internal"
    assert b"[DONE]" not in data
    assert (served.charges()[0][4] > 0) == (count > 0)


def test_an_error_without_streaming_is_a_status(served: Served) -> None:
    assert got(served, "fault/error:2", stream=False).startswith(b"HTTP/1.1 500 ")
    assert served.charges()[0][4] == 0


def test_no_done(served: Served) -> None:
    data = got(served, "fault/nodone")
    assert spoken(data) == TEXT
    assert b'"finish_reason":"stop"' in data
    assert b"[DONE]" not in data
    assert data.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("count", [0, 2, 9])
def test_bad_json(served: Served, count: int) -> None:
    data = got(served, f"fault/badjson:{count}")
    assert body_of(data).count(faults.BAD_EVENT) == 1
    before = body_of(data).partition(faults.BAD_EVENT)[0]
    assert before.count(b"data: ") == min(count, 4)
    assert spoken(data) == TEXT
    with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
        json.loads(body_of(got(served, f"fault/badjson:{count}", stream=False)))


def test_no_usage(served: Served) -> None:
    assert b'"usage"' not in body_of(got(served, "fault/nousage"))
    assert b'"usage"' not in body_of(got(served, "fault/nousage", stream=False))
    assert b'"usage"' in body_of(got(served, "gpt-4o"))


@pytest.mark.parametrize("stream", [True, False])
def test_a_split_sends_every_byte_alone(served: Served, stream: bool) -> None:
    body = request("ein Fläschchen", "fault/split", stream=stream)
    with served.raw(body, CLOSE) as connection:
        data = until_closed(connection)
    assert "Fläschchen" in body_of(data).decode()
    if stream:
        assert data.count(b"\r\n1\r\n") > 100


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("fault/", "there is no fault"),
        ("fault/418", "there is no fault"),
        ("fault/cut", "takes a number of tokens"),
        ("fault/empty:3", "takes no number"),
        ("fault/429,fist=1", "'fist' is not one of first"),
        ("fault/429,first=x", "takes a number"),
        ("fault/429,first=99999999", "takes a number"),
        ("fault/429,first=1,first=1", "first is given twice"),
        ("fault/stal:1", "did you mean stall?"),
        ("lorem:x", "lorem takes a number"),
        ("lorem:1000001", "lorem takes a number"),
        ("lorem:1,tps=-1", "tps takes a number"),
        ("lorem:1" + ",tps=9" * 200_000, "tps is given twice"),
    ],
)
def test_what_is_no_fault_is_404(served: Served, model: str, word: str) -> None:
    reply = served.ask(model=model)
    assert reply.status_code == 404
    assert word in reply.json()["error"]["message"]


@pytest.mark.parametrize("count", [0, 1, 3, 200])
def test_lorem_has_so_many_tokens(served: Served, count: int) -> None:
    reply = served.ask(model=f"lorem:{count},tps=100000,ttft=0.001").json()
    assert reply["usage"]["completion_tokens"] == count
    assert len(reply["choices"][0]["message"]["content"].split()) == count


@given(st.text(max_size=30))
def test_any_text_is_a_fault_or_a_value_error(text: str) -> None:
    try:
        fault = faults.parse(text)
    except ValueError:
        return
    assert fault.kind in text


def test_old_counters_are_forgotten() -> None:
    counters = faults.Counters()
    fault = faults.parse("500,first=1")
    assert counters.fires(1, "a", fault)
    for at in range(faults.MOST_COUNTERS):
        counters.fires(1, str(at), fault)
    assert counters.fires(1, "a", fault)


CHAT = [
    ("400", 7, ""),
    ("401", 4, ""),
    ("402", 5, ""),
    ("429,after=0", 6, ""),
    ("500", 8, ""),
    ("503,after=0", 8, ""),
    ("cut:0", 9, ""),
    ("cut:2", 11, "eins zwei "),
    ("stall:2", 10, "eins zwei "),
    ("error:0", 8, ""),
    ("error:2", 11, "eins zwei "),
    ("nodone", 0, TEXT),
    ("badjson:2", 11, "eins zwei "),
    ("nousage", 0, TEXT),
    ("empty", 0, ""),
    ("split", 0, TEXT),
    ("slow,ttft=0.01,tps=100", 0, TEXT),
    ("length", 0, TEXT),
    ("filter", 7, ""),
    ("filter:2", 11, "eins zwei "),
    ("429,first=1,after=0", 0, TEXT),
    ("500,first=2,after=0", 0, TEXT),
]


@pytest.fixture
def here(ocx: Ocx, serve: Serve) -> Ocx:
    """The program, pointed at a server of this test by the default profile."""
    served = serve(router=Router(BUILT_IN))
    ocx.profile(base_url=served.url, idle_timeout=2)
    ocx.env |= {"OCX_API_KEY": served.key.reveal(), "OCX_BASE_URL": served.url}
    return ocx


@pytest.mark.parametrize(("fault", "status", "text"), CHAT, ids=[row[0] for row in CHAT])
def test_ocx_chat_ends_as_documented(here: Ocx, fault: str, status: int, text: str) -> None:
    retries = "2" if "first" in fault else "0"
    run = here("chat", "-m", f"fault/{fault}", "--retries", retries, TEXT)
    run.has(status)
    assert run.text.rstrip("\n") == text.rstrip("\n") if status == 0 else run.text == text
    assert "Traceback" not in run.stderr

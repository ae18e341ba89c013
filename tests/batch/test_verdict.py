"""One finish_reason, four ways that its answer comes: each ends as the conventions say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api import Client
from ocx.api.types import Endpoint
from ocx.batch.batch_row import output_row, read_row, to_finished_row
from ocx.batch.finished_rows import FinishedRow, FinishedRows
from ocx.batch.row import Result, RowAnswer, RowFailure, rerun_helps
from ocx.batch.verify import Verification
from ocx.chat.options import AnswerChecks
from ocx.errors import ERRORS, OcxError
from tests.batch.fakes import Waiting, row
from tests.support import answers, endings
from tests.support.chat_server import CHAT, ChatServer

CODES = {error.name: error.exit_code for error in ERRORS}
BROKEN = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": "ha'}}
WHOLE = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with ChatServer() as started:
        yield started


@pytest.fixture(scope="module")
def client(server: ChatServer) -> Iterator[Client]:
    with Client(Endpoint(server.base_url, retries=0)) as made:
        yield made


@pytest.fixture(scope="module")
def sender(server: ChatServer) -> Iterator[Waiting]:
    made = Waiting(Endpoint(server.base_url, retries=0))
    yield made
    made.close()


def body(reason: Any, **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion", "choices": [choice]}


def foreign(body: Any, status: Any = 200, error: Any = None) -> dict[str, Any]:
    """An output row as another program writes it."""
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "x", "custom_id": "r0", "response": response, "error": error}


def streamed(reason: Any, text: str) -> bytes:
    delta = answers.delta(text) if text else b""
    end = answers.event(answers.chunk(finish=reason))
    return answers.STREAM_HEAD + delta + end + answers.event(answers.DONE) + answers.LAST_PIECE


@pytest.mark.parametrize("text", ["half", ""])
def test_every_reason_streamed_whole_in_a_batch_and_in_verify(
    server: ChatServer, client: Client, sender: Waiting, text: str
) -> None:
    for reason in endings.ALL:
        code, again = endings.exit_code(reason, text), endings.sent_again(reason)

        server.answer(streamed(reason, text), path=CHAT)
        arrived: list[str] = []
        assert ended(read_all, client, arrived) == code
        assert "".join(arrived) == text

        document = body(reason, content=text or None)
        server.answer(answers.answer(document), path=CHAT)
        assert ended(client.chat, {"model": "m", "messages": []}) == code

        given = row(0)
        outcome = sender.send(given)
        result = Result(given, outcome, "ab" * 32, 1)
        assert isinstance(outcome, RowFailure if code else RowAnswer)
        assert (0 if not code else CODES[result.kind], result.rerun_helps) == (code, again)

        theirs = to_finished_row(foreign(document))
        assert (CODES.get(theirs.kind, 0), theirs.rerun_helps) == (code, again)
        ours = read_row(json.dumps(output_row(result)).encode())
        assert (ours.kind, bool(ours.rerun_helps)) == (theirs.kind, theirs.rerun_helps)
        unknown = reason if reason in endings.UNKNOWN else None
        assert theirs.unknown_reason == ours.unknown_reason == unknown


def read_all(client: Client, arrived: list[str]) -> None:
    with client.stream({"model": "m", "messages": []}) as stream:
        for deltas in stream:
            arrived += [delta.text for delta in deltas]


def ended(call: Callable[..., object], *args: Any) -> int:
    try:
        call(*args)
    except OcxError as error:
        return error.exit_code
    return 0


@pytest.mark.parametrize(
    ("document", "kind", "again"),
    [
        # A status is no answer.
        (foreign({"error": {"message": "overloaded"}}), "server", True),
        (foreign({"success": False, "message": "no"}), "server", True),
        (foreign({"code": "429", "message": "slow down"}), "rate_limit", True),
        (foreign({"error": {"type": "invalid_request_error", "message": "m"}}), "rejected", False),
        (foreign({}), "server", True),
        (foreign(None), "server", True),
        (foreign([]), "server", True),
        (foreign("<html>"), "server", True),
        (foreign({"choices": []}), "server", True),
        (foreign({"choices": [{}]}), "server", True),
        (foreign({"choices": [None]}), "server", True),
        (foreign({"choices": [{"message": {"content": "x"}}]}), "incomplete", True),
        (foreign({"choices": [{"message": {"content": None}}]}), "server", True),
        ({"custom_id": "a"}, "server", True),
        ({"custom_id": "a", "response": None, "error": None}, "server", True),
        # What is one.
        (foreign(body("stop", content="x")), "ok", False),
        (foreign(json.dumps(body("STOP", content="x"))), "ok", False),
        (foreign(body("stop", content="x"), "200"), "ok", False),
        (foreign(body("stop", content="")), "ok", False),
        (foreign(body("stop", content=None, refusal="I cannot")), "ok", False),
        (foreign(body("tool_calls", content=None, tool_calls=[WHOLE])), "ok", False),
        (foreign(body("stop", content=None, images=[{"type": "image_url"}])), "ok", False),
        (foreign(body("stop", content=None, audio={"data": "x"})), "ok", False),
        (foreign({"choices": [{"text": "x", "finish_reason": "stop"}]}), "ok", False),
        (foreign({"object": "list", "data": [{"embedding": [1]}]}), "ok", False),
        (foreign({"object": "response", "status": "completed", "output": [{}]}), "ok", False),
        (foreign({"object": "response", "status": "failed", "output": [{}]}), "incomplete", True),
        # Of several choices each must have ended well.
        (foreign({"choices": [*body("stop", content="x")["choices"],
                              *body("error", content="y")["choices"]]}), "incomplete", True),
        # Tool calls.
        (foreign(body("tool_calls", tool_calls=[BROKEN])), "invalid_answer", True),
        (foreign(body("length", tool_calls=[BROKEN])), "incomplete", False),
        (foreign(body("stop", content="Hi", tool_calls=[BROKEN])), "invalid_answer", True),
        # Errors, of OpenAI's batches and of vLLM's.
        (foreign(None, error={"code": "batch_expired", "message": "m"}), "server", True),
        ({"custom_id": "a", "response": None, "error": {"code": "batch_expired"}}, "server", True),
        ({"custom_id": "a", "error": {"code": "batch_cancelled", "message": "m"}}, "server", True),
        ({"custom_id": "a", "error": {"code": "request_timeout"}}, "timeout", True),
        ({"custom_id": "a", "error": {"code": "rate_limit_exceeded"}}, "rate_limit", True),
        ({"custom_id": "a", "error": {"code": "invalid_request"}}, "rejected", False),
        ({"custom_id": "a", "error": {"code": "network", "message": "m"}}, "network", True),
        ({"custom_id": "a", "error": {"code": "rejected", "message": "m"}}, "rejected", False),
        ({"custom_id": "a", "error": "it broke"}, "server", True),
        (foreign({"error": {"message": "m"}}, 429), "rate_limit", True),
        (foreign({"error": {"message": "m"}}, 503), "server", True),
        (foreign({"error": {"message": "m"}}, 408), "timeout", True),
        (foreign({"error": {"message": "m"}}, 400), "rejected", False),
        (foreign(None, 400, {"object": "error", "code": 400, "message": "m"}), "rejected", False),
        (foreign(None, 0), "server", True),
    ],
)  # fmt: skip
def test_a_row_of_another_program(document: dict[str, Any], kind: str, again: bool) -> None:
    found = to_finished_row(document)
    assert (found.kind, found.rerun_helps) == (kind, again)


_NAMES = st.sampled_from(
    "choices message content tool_calls function arguments finish_reason response body"
    " status_code error code ocx class data".split()
)
_LEAVES = st.none() | st.booleans() | st.integers(-1, 600) | st.sampled_from(["", "stop", "{", "x"])
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
)


@given(st.dictionaries(_NAMES, _ANYTHING))
def test_any_row_has_a_verdict(document: dict[str, Any]) -> None:
    finished = FinishedRows()
    finished.add(to_finished_row(document))
    assert len(finished) == 1


@pytest.mark.parametrize(
    ("kind", "answer", "now"),
    [
        ("ok", body("stop", content="x"), ("ok", False)),
        ("ok", body("error", content="x"), ("incomplete", True)),  # of an earlier version
        ("ok", {"data": []}, ("ok", False)),  # another path: only who sent it knows
        ("ok", {"error": {"message": "m"}}, ("server", True)),
        ("rejected", body("stop", content="x"), ("rejected", False)),  # `expect`, `--schema`
        ("invalid_answer", body("stop", content="x"), ("invalid_answer", False)),
        ("invalid_answer", body("stop", tool_calls=[BROKEN]), ("invalid_answer", True)),
        ("incomplete", body("length", content="x"), ("incomplete", False)),  # --fail-on-length
        ("incomplete", body("MAX_TOKENS", content="x"), ("incomplete", False)),
        ("incomplete", body("length", tool_calls=[BROKEN]), ("incomplete", False)),
        ("incomplete", body("content_filter", content="x"), ("incomplete", False)),
        ("network", None, ("network", True)),
        ("incomplete", None, ("incomplete", True)),
    ],
)
def test_a_row_of_ours_keeps_its_class(kind: str, answer: Any, now: tuple[str, bool]) -> None:
    found = to_finished_row({**foreign(answer), "ocx": {"class": kind}})
    assert (found.kind, found.rerun_helps) == now


@pytest.mark.parametrize(
    ("kind", "again", "kept"),
    [
        ("ok", False, ("ok", False)),
        ("network", True, ("network", True)),
        ("rejected", False, ("rejected", False)),
        ("incomplete", True, ("incomplete", True)),
        ("incomplete", False, ("incomplete", False)),
        ("invalid_answer", False, ("invalid_answer", False)),
        ("invalid_answer", True, ("invalid_answer", True)),
        ("new in a later version", True, ("failure", True)),
    ],
)
def test_what_is_kept_of_a_row(kind: str, again: bool, kept: tuple[str, bool]) -> None:
    finished = FinishedRows()
    finished.add(FinishedRow("a", kind, "ab" * 32, again))
    found = finished.get("a")
    assert (found.kind, found.rerun_helps) == kept


@pytest.mark.parametrize(
    ("calls", "reason", "kind", "again"),
    [
        ([BROKEN], "tool_calls", "invalid_answer", True),
        ([WHOLE, BROKEN], "stop", "invalid_answer", True),
        ([BROKEN], "length", "incomplete", False),
        ([BROKEN], "MAX_TOKENS", "incomplete", False),
        ([WHOLE], "length", "ok", False),
    ],
)
def test_broken_tool_calls_of_a_row(
    server: ChatServer, sender: Waiting, calls: Any, reason: str, kind: str, again: bool
) -> None:
    server.answer(answers.answer(body(reason, content=None, tool_calls=calls)), path=CHAT)
    result = Result(row(0), sender.send(row(0)))
    assert (result.kind, result.rerun_helps) == (kind, again)
    finished = FinishedRows()
    finished.add(read_row(json.dumps(output_row(result)).encode()))
    found = finished.get("r0")
    assert (found.kind, found.rerun_helps, found.good) == (kind, again, kind == "ok")


def test_a_refusal_is_an_answer_unless_its_text_is_checked(
    server: ChatServer, sender: Waiting
) -> None:
    server.answer(answers.answer(body("stop", content=None, refusal="I cannot")), path=CHAT)
    found = sender.send(row(0))
    assert found.text == "I cannot"
    checked = Waiting(Endpoint(server.base_url, retries=0), AnswerChecks(extract=True))
    refused = checked.send(row(0))
    checked.close()
    assert (refused.error.name, rerun_helps(refused.error)) == ("rejected", False)


def test_a_200_of_another_path_that_reports_a_failure(server: ChatServer, sender: Waiting) -> None:
    server.answer(answers.answer({"error": {"message": "no"}}), path="/embeddings")
    found = sender.send(type(row(0))("a", 1, {"input": "x"}, "/embeddings"))
    assert found.error.name == "server"


def test_verify_counts_what_is_no_answer_and_names_what_it_does_not_know(tmp_path: Path) -> None:
    rows = [
        foreign(body("stop", content="x")),
        foreign(body("load_shed", content="x")) | {"custom_id": "r1"},
        foreign({"error": {"message": "overloaded"}}) | {"custom_id": "r2"},
    ]
    path = tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    found = Verification([path])
    assert [each.id for each in found.faulty(row(number) for number in range(3))] == ["r2"]
    assert found.classes == {"server": 1}
    assert found.unknown_reasons == {"load_shed": 1}

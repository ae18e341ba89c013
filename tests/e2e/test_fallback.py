"""`--fallback-model`: where a model cannot answer another is asked, and all say which."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import KEY, Ocx
from tests.support.raw_server import Request
from tests.support.row_server import read_rows

EVENT_FIRST = {"error": {"message": "engine overloaded", "code": "overloaded", "type": "x"}}
ENDED = "insufficient_system_resource"


class ModelServer(ChatServer):
    """Answers with the name of the model, or as `broken` says by model: a whole and a streamed way.

    Attributes:
        asked: the models in the order in which they were asked.
    """

    def __init__(self) -> None:
        self.broken: dict[str, tuple[bytes, bytes]] = {}
        self.asked: list[str] = []
        super().__init__()

    def breaks(self, model: str, whole: bytes, stream: bytes | None = None) -> None:
        self.broken[model] = (whole, whole if stream is None else stream)

    def _next_script(self, request: Request) -> Any:
        if not request.target.endswith(CHAT):
            return super()._next_script(request)
        body = json.loads(request.body)
        model = body["model"]
        self.asked.append(model)
        if model in self.broken:
            return [self.broken[model][bool(body.get("stream"))]]
        text = f"I am {model}."
        whole = {**answers.completion(text), "model": model}
        return [answers.stream(text) if body.get("stream") else answers.answer(whole)]


@pytest.fixture
def server(ocx: Ocx) -> Iterator[ModelServer]:
    with ModelServer() as found:
        ocx.env |= {"OCX_BASE_URL": found.base_url, "OCX_API_KEY": KEY, "OCX_RETRIES": "0"}
        yield found


def event_stream(*events: bytes) -> bytes:
    return answers.STREAM_HEAD + b"".join(events) + answers.LAST_PIECE


FALLS: dict[str, tuple[bytes, bytes | None]] = {
    "unknown by code": (answers.error(404, "model_not_found"), None),
    "unknown by its text": (answers.error(400, None, "the model `a` does not exist"), None),
    "limited": (answers.error(429, "rate_limit_exceeded", retry_after="90"), None),
    "overloaded": (answers.error(529, "overloaded_error"), None),
    "broken": (answers.error(500), None),
    "an error in a 200": (
        answers.answer(EVENT_FIRST),
        event_stream(
            answers.event(answers.chunk("", role="assistant")), answers.event(EVENT_FIRST)
        ),
    ),
    "no resources, no text": (
        answers.answer(answers.completion("", ENDED)),
        event_stream(answers.finish(ENDED), answers.event(answers.DONE)),
    ),
}


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("name", FALLS)
def test_the_next_model_is_asked(ocx: Ocx, server: ModelServer, name: str, whole: bool) -> None:
    server.breaks("a", *FALLS[name])
    server.breaks("b", answers.error(503))
    way = ("--no-stream",) if whole else ()
    run = ocx("chat", "hi", "-m", "a", "--fallback-model", "b,c", "--report", "r", *way).has(0)
    assert run.text == "I am c.\n"
    assert server.asked == ["a", "b", "c"]
    assert "; asking b\n" in run.stderr
    assert "; asking c\n" in run.stderr
    report = json.loads((ocx.work / "r").read_text())
    assert report["outcome"] == "finished"
    assert report["model"] in {"c", "deepseek-chat"}, "the server's own name, or what was asked"


@pytest.mark.parametrize(
    ("whole", "status"),
    [
        (answers.error(401), 4),
        (answers.error(402), 5),
        (answers.error(429, "insufficient_quota"), 5),
        (answers.error(400, None, "temperature is too high"), 7),
        (answers.answer(b"", 302, {"location": "https://example.org/"}), 8),
        (event_stream(answers.delta("half"), answers.event(EVENT_FIRST)), 11),
    ],
)
def test_what_another_model_cannot_mend(
    ocx: Ocx, server: ModelServer, whole: bytes, status: int
) -> None:
    server.breaks("a", whole)
    run = ocx("chat", "hi", "-m", "a", "--fallback-model", "b").has(status)
    assert server.asked == ["a"]
    assert run.text.strip() == ("half" if status == 11 else "")


def test_the_last_error_ends_the_call(ocx: Ocx, server: ModelServer) -> None:
    server.breaks("a", answers.error(404, "model_not_found"))
    server.breaks("b", answers.error(503, None, "down for repairs"))
    run = ocx("chat", "hi", "-m", "a", "--fallback-model", "b").has(8)
    assert "down for repairs" in run.stderr
    assert not run.stdout


def test_json_and_a_schema_are_of_the_model_that_answered(ocx: Ocx, server: ModelServer) -> None:
    server.breaks("a", *FALLS["no resources, no text"])
    run = ocx("chat", "hi", "-m", "a", "--fallback-model", "b", "--json").has(0)
    assert run.json["model"] == "b"
    server.breaks("b", answers.answer(answers.completion('{"x": 1}')))
    run = ocx("chat", "hi", "-m", "a", "--fallback-model", "b", "--schema", "x int").has(0)
    assert run.json == {"x": 1}


def test_the_setting_takes_aliases_and_the_history_names_who_answered(
    ocx: Ocx, server: ModelServer
) -> None:
    ocx.write_config('[aliases]\nspare = "b"\n[profiles.default]\nmodel = "a"\n')
    ocx("config", "set", "fallback_models", "a,spare").has(0)
    server.breaks("a", answers.error(404, "model_not_found"))
    ocx("chat", "hi", "--log").has(0)
    assert server.asked == ["a", "b"]
    calls = ocx("history", "list", "--json").has(0).json
    assert {call["model"]: call["outcome"] for call in calls} == {"a": "failed", "b": "finished"}
    ocx.env["OCX_FALLBACK_MODELS"] = "c"
    ocx("chat", "hi").has(0)
    assert server.asked[2:] == ["a", "c"]
    ocx("chat", "hi", "--fallback-model", "").has(7)


def test_rows_go_to_the_next_model_and_name_it(ocx: Ocx, server: ModelServer) -> None:
    server.breaks("a", answers.error(404, "model_not_found"))
    server.breaks("b", answers.error(503))
    (ocx.work / "in.txt").write_text("".join(f"row {number}\n" for number in range(6)))
    args = ("batch", "in.txt", "--text", "-j", "1", "-o", "out.jsonl")
    run = ocx(*args, "-m", "a", "--fallback-model", "b,c").has(0)
    rows = read_rows(ocx.work / "out.jsonl")
    assert [row["ocx"]["model"] for row in rows] == ["c"] * 6
    assert [row["response"]["body"]["model"] for row in rows] == ["c"] * 6
    assert server.asked.count("a") == 1, "once it is known that it is not there, it is not asked"
    assert "6 rows answered by a fallback: c" in run.stderr
    before = len(server.asked)
    ocx(*args, "-m", "a", "--fallback-model", "b,c", "--resume").has(0)
    assert len(server.asked) == before, "they are done, whoever answered"


def test_a_run_ends_after_the_last_fallback_that_is_not_there(
    ocx: Ocx, server: ModelServer
) -> None:
    for model in "ab":
        server.breaks(model, answers.error(404, "model_not_found", f"no model {model}"))
    (ocx.work / "in.txt").write_text("".join(f"row {number}\n" for number in range(50)))
    args = ("batch", "in.txt", "--text", "-j", "1", "-o", "out.jsonl")
    run = ocx(*args, "-m", "a", "--fallback-model", "b").has(7)
    assert "no model b" in run.stderr
    assert len(server.asked) <= 4


def test_a_budget_holds_the_dearest(ocx: Ocx, server: ModelServer) -> None:
    ocx.write_config(
        "[prices.a]\nprompt = 1\ncompletion = 1\n[prices.b]\nprompt = 1\ncompletion = 1000\n"
    )
    (ocx.work / "in.txt").write_text("row\n")
    args = ("batch", "in.txt", "--text", "-m", "a", "--max-tokens", "1000", "--max-credits", "0.1")
    ocx(*args).has(0)
    ocx(*args, "--fallback-model", "b").has(12)
    ocx(*args, "--fallback-model", "b", "--estimate").has(12)
    known = ocx("chat", "hi", "-m", "a", "--max-tokens", "1000", "--estimate", "--json").has(0).json
    args = ("chat", "hi", "-m", "a", "--max-tokens", "1000", "--estimate", "--json")
    with_b = ocx(*args, "--fallback-model", "b").has(0).json
    assert known["worst_credits"] < 0.01
    assert with_b["worst_credits"] >= 1
    without = ocx(*args, "--fallback-model", "b,unpriced").has(0).json
    assert without["worst_credits"] is None


def test_a_session_asks_the_next_model_in_each_turn(ocx: Ocx, server: ModelServer) -> None:
    server.breaks("a", answers.error(503))
    process = ocx.in_terminal("chat", "-m", "a", "--fallback-model", "b", "-n")
    assert process.stdout is not None
    for turn in (1, 2):
        process.stdout.until_count(b"a> ", turn)
        process.send("hi\r")
        process.stdout.until_count(b"I am b.", turn)
    process.stdout.until_count(b"a> ", 3)
    process.send(b"\x04")
    process.finish().has(0)
    assert server.asked == ["a", "b", "a", "b"]

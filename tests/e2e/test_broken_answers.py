"""No broken answer passes for a whole one: streamed, whole, in a batch, by the exit code alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx, Run
from tests.support.row_server import read_rows
from tests.support.sizes import some

ROWS = (
    '{"custom_id": "a", "body": {"model": "m", "messages": [{"role": "user", "content": "hi"}]}}\n'
)
OSLO, BERGEN = '{"city":"Oslo"}', '{"city":"Bergen"}'


def call(arguments: Any = None, *, name: str = "", **fields: Any) -> dict[str, Any]:
    """A fragment of a tool call with only the fields that are given."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value}
    return {**fields, "function": function}


def calls(*fragments: dict[str, Any]) -> dict[str, Any]:
    return answers.chunk(tool_calls=list(fragments))


def message(content: Any, finish: str | None = "stop", **fields: Any) -> dict[str, Any]:
    """A whole message where a delta belongs."""
    choice = {"index": 0, "message": {"content": content, **fields}, "finish_reason": finish}
    return {"id": "c", "choices": [choice]}


def wire(events: Sequence[dict[str, Any] | str]) -> bytes:
    """A stream of these events; [DONE] follows."""
    sent = b"".join(map(answers.event, [*events, answers.DONE]))
    return answers.STREAM_HEAD + sent + answers.LAST_PIECE


class Case(NamedTuple):
    """Attributes:
    stdout: of a chat; tool calls as (id, arguments).
    code: of a chat, streamed and not.
    batch: the exit code of a batch of one such row.
    sends: how often two runs, the second with --resume, ask for the row.
    says: on stderr.
    """

    events: list[dict[str, Any] | str]
    stdout: str | list[tuple[str, str]]
    code: int = 0
    batch: int = 0
    sends: int = 1
    says: str = ""


def cut(reason: str) -> Case:
    events: list[dict[str, Any] | str] = [
        answers.chunk("half of the", role="assistant"),
        answers.chunk("", reason),
    ]
    return Case(events, "half of the", 11, 13, 2, f"finish_reason {reason}")


HALF = call('{"text":"hal', id="a1", index=0, name="write_file")
TWO = [("a1", OSLO), ("a2", BERGEN)]
END = answers.chunk(finish="stop")

CASES = {
    # From public reports, then three more of the kind.
    "finish-reason-error": cut("error"),
    "finish-reason-insufficient": cut("insufficient_system_resource"),
    "finish-reason-in-capitals": cut("NETWORK_ERROR"),
    "finish-reason-other": cut("other"),
    "finish-reason-then-stop": Case(
        [answers.chunk("half", "aborted"), END], "half", 11, 13, 2, "aborted"
    ),
    "finish-reason-without-text": Case([answers.chunk(finish="failed")], "", 8, 13, 2, "failed"),
    "finish-reason-with-its-error": Case(
        [{"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": "error",
                       "error": {"code": 502, "message": "the provider hung up"}}]}],
        "half", 11, 13, 2, "the provider hung up",
    ),
    "finish-reason-of-a-filter": Case(
        [answers.chunk("half"), answers.chunk(finish="SAFETY")], "half", 11, 11, 1, "SAFETY"
    ),
    "finish-reason-empty-until-the-cut": Case(
        [answers.chunk("half", ""), answers.chunk("", "")], "half", 11, 13, 2, "without"
    ),
    "finish-reason-unknown": Case(
        [answers.chunk("all"), answers.chunk(finish="load_shed")], "all", says="load_shed"
    ),
    "tool-calls-same-index": Case(
        [calls(call(OSLO, id="a1", index=0, name="w")),
         calls(call(BERGEN, id="a2", index=0, name="w")), END], TWO,
    ),
    "tool-calls-no-index": Case(
        [calls(call(OSLO, id="a1", name="w")), calls(call(BERGEN, id="a2", name="w")), END], TWO
    ),
    "tool-calls-in-pieces": Case(
        [calls(call(OSLO[:4], id="a1", index=0, name="w")), calls(call(OSLO[4:], index=0)),
         calls(call(BERGEN[:4], id="a2", index=0, name="w")), calls(call(BERGEN[4:], index=0)),
         END], TWO,
    ),
    "tool-calls-id-repeated": Case(
        [calls(call(OSLO[:4], id="a1", index=0, name="w")),
         calls(call(OSLO[4:], id="a1", index=0, name="w")), END], TWO[:1],
    ),
    "tool-calls-without-ids": Case(
        [calls(call(OSLO, index=0, name="w")), calls(call(BERGEN, index=0, name="w")), END],
        [("call_0", OSLO), ("call_1", BERGEN)],
    ),
    "tool-call-of-old": Case(
        [answers.chunk(function_call={"name": "w", "arguments": OSLO[:5]}),
         answers.chunk(function_call={"arguments": OSLO[5:]}),
         answers.chunk(finish="function_call")], [("call_0", OSLO)],
    ),
    "tool-call-cut-by-length": Case(
        [calls(HALF), answers.chunk(finish="length")], "", 11, 11, 1, "write_file"
    ),
    "tool-call-cut-before-its-arguments": Case(
        [calls(call(id="a1", index=0, name="w")), answers.chunk(finish="max_tokens")],
        "", 11, 11, 1, "token limit",
    ),
    "tool-call-not-json": Case(
        [calls(HALF), answers.chunk(finish="tool_calls")], "", 14, 13, 2, "are not JSON"
    ),
    "tool-call-not-json-after-a-text": Case(
        [answers.chunk("Wait."), calls(HALF), END], "Wait.", 14, 13, 2, "write_file"
    ),
    "tool-call-not-json-beside-a-good-one": Case(
        [calls(call(OSLO, id="a0", index=0, name="w"), {**HALF, "index": 1}), END],
        "", 14, 13, 2, "write_file",
    ),
    "full-message-last": Case(
        [answers.chunk("one "), answers.chunk("two"), message("one two")], "one two"
    ),
    "full-message-after-a-template": Case(
        [*[answers.chunk(str(number)) for number in range(9)], message("012345678")], "012345678"
    ),
    "full-message-with-calls-again": Case(
        [calls(call(OSLO, id="a1", index=0, name="w")),
         message(None, "tool_calls", tool_calls=[call(OSLO, id="a1", name="w")])], TWO[:1],
    ),
    "full-message-beside-an-empty-delta": Case(
        [{"choices": [{"index": 0, "delta": {}, "message": {"content": "all"},
                       "finish_reason": "stop"}]}], "all",
    ),
    "messages-instead-of-deltas": Case([message("one ", None), message("two")], "one two"),
    "message-with-what-no-delta-had": Case(
        [answers.chunk(reasoning_content="hm"), message("all", reasoning_content="hm")], "all"
    ),
    "done-in-quotes": Case([answers.chunk("a"), END, '"[DONE]"'], "a"),
    "done-in-small-letters": Case([answers.chunk("a"), END, "[done]"], "a"),
    "data-said-twice": Case(
        [f"data: {json.dumps(answers.chunk('a'))}", f"data: {json.dumps(END)}", "data: [DONE]"], "a"
    ),
    "a-cut-that-done-in-quotes-hides": Case(
        [answers.chunk("a"), '"[DONE]"'], "a", 11, 13, 2, "without a finish_reason"
    ),
}  # fmt: skip


REPORTED = {"tool-calls-same-index", "tool-calls-no-index", "full-message-last"}


def shown(run: Run) -> str | list[tuple[str, str]]:
    if run.text.startswith("["):
        return [(call["id"], call["function"]["arguments"]) for call in run.json]
    return run.text.removesuffix("\n")


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", some(CASES, 14))
def test_a_case_streamed_whole_and_in_a_batch(
    online: Ocx, chat_server: ChatServer, name: str
) -> None:
    case = CASES[name]
    chat_server.answer(wire(case.events), path=CHAT)
    for flags in (["--report", "r.json"], ["--no-stream"]):
        run = online("chat", *flags, "hi").has(case.code)
        assert shown(run) == case.stdout, flags
        assert case.says in run.stderr
        assert bool(run.stderr) == bool(case.says), run.stderr
    assert json.loads((online.work / "r.json").read_text())["exit_code"] == case.code

    whole = online("chat", "--json", "hi").has(case.code)
    if case.stdout:
        answer = whole.json["choices"][0]["message"]
        if isinstance(case.stdout, str):
            assert answer["content"] == case.stdout
        elif "tool_calls" in answer:
            assert [call["id"] for call in answer["tool_calls"]] == [id for id, _ in case.stdout]

    if not case.code and name not in REPORTED:
        return  # a row that is answered is one like any other
    (online.work / "in.jsonl").write_text(ROWS)
    before = len(chat_server.requests)
    online("batch", "in.jsonl", "-o", "out.jsonl").has(case.batch)
    online("batch", "verify", "in.jsonl", "out.jsonl").has(13 if case.batch else 0)
    online("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(case.batch)
    assert len(chat_server.requests) - before == case.sends


def test_a_call_without_an_id_gets_one_in_documents_and_rows(
    online: Ocx, chat_server: ChatServer
) -> None:
    made = [{"id": None, **call(OSLO, name="w")}, call(BERGEN, name="w")]
    body = message(None, "tool_calls", tool_calls=made)
    chat_server.answer(answers.answer(body), path=CHAT)
    assert [each["id"] for each in online("chat", "hi").has(0).json] == ["call_0", "call_1"]
    document = online("chat", "--json", "hi").has(0).json
    (online.work / "in.jsonl").write_text(ROWS)
    online("batch", "in.jsonl", "-o", "out.jsonl").has(0)
    [row] = read_rows(online.work / "out.jsonl")
    for answer in (document, row["response"]["body"]):
        [choice] = answer["choices"]
        assert [each["id"] for each in choice["message"]["tool_calls"]] == ["call_0", "call_1"]


def test_a_cut_tool_call_of_a_row_is_sent_again_if_all_are(
    online: Ocx, chat_server: ChatServer
) -> None:
    chat_server.answer(wire(CASES["tool-call-cut-by-length"].events), path=CHAT)
    (online.work / "in.jsonl").write_text(ROWS)
    first = online("batch", "in.jsonl", "-o", "out.jsonl", "--report", "r.json").has(11)
    assert "1 failed with incomplete (for good)" in first.stderr
    failure = json.loads((online.work / "r.json").read_text())["failures"]["incomplete"]
    assert failure["retryable"] is False
    chat_server.answer(answers.answer(answers.completion("whole")), path=CHAT)
    again = ("batch", "in.jsonl", "-o", "out.jsonl", "--resume")
    online(*again).has(11)
    online(*again, "--retry-errors", "all").has(0)
    assert [row["ocx"]["class"] for row in read_rows(online.work / "out.jsonl")] == ["ok"]


def test_a_csv_of_broken_tool_calls_is_resumed_like_json_lines(
    online: Ocx, chat_server: ChatServer
) -> None:
    """Its rows do not hold the answer: the index knows whether a rerun helps."""
    chat_server.answer(wire(CASES["tool-call-not-json"].events), path=CHAT)
    (online.work / "in.csv").write_text("text\nhi\n")
    run = ("batch", "in.csv", "say $text", "--merge", "-o", "out.csv")
    online(*run).has(13)
    chat_server.answer(answers.answer(answers.completion("whole")), path=CHAT)
    online(*run, "--resume").has(0)
    assert "whole" in (online.work / "out.csv").read_text()


def test_what_a_batch_tells_of_its_answers_at_the_end(online: Ocx, chat_server: ChatServer) -> None:
    odd = [answers.completion("x", reason) for reason in ("length", "MAX_TOKENS", "load_shed")]
    chat_server.answer(*map(answers.answer, odd), path=CHAT)
    (online.work / "in.txt").write_text("1\n2\n3\n")
    run = online("batch", "in.txt", "--text", "-o", "o.jsonl", "-j", "1", "--report", "r.json")
    assert "2 rows cut off at the token limit" in run.has(0).stderr
    assert "the finish_reason load_shed of 1 row is not known" in run.stderr
    report = json.loads((online.work / "r.json").read_text())
    assert (report["cut_at_limit"], report["unknown_finish_reasons"]) == (2, {"load_shed": 1})
    chat_server.answer(answers.answer(odd[1]), path=CHAT)
    run = online("batch", "in.txt", "--text", "-o", "p.jsonl", "--fail-on-length").has(11)
    assert "3 failed with incomplete (for good)" in run.stderr


class TestVerify:
    def rows(self, ocx: Ocx, *bodies: Any) -> None:
        (ocx.work / "in.jsonl").write_text(
            "".join(ROWS.replace('"a"', f'"r{at}"') for at in range(len(bodies)))
        )
        lines = [
            {"id": "x", "custom_id": f"r{at}", **body} if "error" in body or "response" in body
            else {"id": "x", "custom_id": f"r{at}", "error": None,
                  "response": {"status_code": 200, "body": body}}
            for at, body in enumerate(bodies)
        ]  # fmt: skip
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (ocx.work / "out.jsonl").write_text(text)

    def test_a_200_is_no_answer_and_is_sent_again(
        self, online: Ocx, chat_server: ChatServer
    ) -> None:
        """What OpenAI's Batch API, or a script, has left: all that failed in passing goes again."""
        overloaded = {"response": {"status_code": 200, "body": {"error": {"message": "busy"}}}}
        self.rows(
            online,
            {**overloaded, "error": None},
            answers.completion("x", "error"),
            {"response": None, "error": {"code": "batch_expired", "message": "expired"}},
            {"response": {"status_code": 500, "body": {}}, "error": None},
            answers.completion("good"),
            {"response": {"status_code": 400, "body": {"error": {"message": "no"}}}},
        )
        failed = online("batch", "verify", "in.jsonl", "out.jsonl", "--json").has(13)
        assert failed.json["failed"] == {"server": 3, "incomplete": 1, "rejected": 1}
        chat_server.answer(answers.answer(answers.completion("mended")), path=CHAT)
        before = len(chat_server.requests)
        online("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(7)
        assert len(chat_server.requests) - before == 4
        left = online("batch", "verify", "in.jsonl", "out.jsonl", "--failed").has(13)
        assert left.json["custom_id"] == "r5"

    def test_a_reason_that_is_not_known_is_named(self, online: Ocx) -> None:
        self.rows(online, answers.completion("x", "load_shed"))
        run = online("batch", "verify", "in.jsonl", "out.jsonl").has(0)
        assert "warning: the finish_reason load_shed of 1 row is not known" in run.stderr
        assert "1 row, each there once and answered" in run.stderr


THINKING = "Two and two.\n</think>\n\n4"


class TestThinkWithoutItsBeginning:
    def test_of_a_whole_answer_it_is_reasoning(self, online: Ocx, chat_server: ChatServer) -> None:
        body = answers.answer(answers.completion(THINKING))
        chat_server.answer(body, path=CHAT)
        for flags in (["--no-stream"], []):  # a document where a stream was asked for, too
            run = online("chat", "--reasoning", "show", *flags, "2+2").has(0)
            assert (run.text, run.stderr) == ("4\n", "Two and two.\n\n"), flags
        assert online("chat", "--no-stream", "--reasoning", "raw", "2+2").has(0).text[:3] == "Two"
        (online.work / "in.txt").write_text("2+2\n")
        online("batch", "in.txt", "--text", "--format", "text", "-o", "out.txt").has(0)
        assert (online.work / "out.txt").read_text() == "4\n"

    @pytest.mark.parametrize("cut", [2, 14, 18, 24])
    def test_of_a_stream_what_was_printed_stays_with_one_warning(
        self, online: Ocx, chat_server: ChatServer, cut: int
    ) -> None:
        chat_server.answer(answers.stream(THINKING[:cut], THINKING[cut:]), path=CHAT)
        run = online("chat", "2+2", "--log").has(0)
        assert run.text == THINKING + "\n"
        assert run.stderr.count("</think>") == run.stderr.count("warning") == 1
        kept = online("history", "show", "--json").has(0).json
        assert (kept["answer"], kept["reasoning"]) == ("4", "Two and two.")

    def test_an_empty_block_is_no_text(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(answers.stream("</th", "ink>\n", "\n4"), path=CHAT)
        run = online("chat", "2+2").has(0)
        assert (run.text, run.stderr) == ("4\n", "")

    def test_a_block_that_ends_with_the_answer(self, online: Ocx, chat_server: ChatServer) -> None:
        last = answers.chunk("</think>4", "stop")
        chat_server.answer(wire([answers.chunk("<think>Two"), last]), path=CHAT)
        assert online("chat", "2+2").has(0).text == "4\n"
        chat_server.answer(wire([answers.chunk("Two</think>4", "stop")]), path=CHAT)
        assert online("chat", "2+2").has(0).text == "4\n"

    def test_a_schema_sees_the_answer_alone(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(answers.stream("{ no", "</think>", '{"a": "b"}'), path=CHAT)
        run = online("chat", "--schema", "a", "hi").has(0)
        assert (run.text, run.stderr) == ('{"a": "b"}\n', "")

    @pytest.mark.parametrize("text", ["`</think>` ends it", "<p>think></p>", "a <think>b</think>"])
    def test_text_that_only_mentions_it(
        self, online: Ocx, chat_server: ChatServer, text: str
    ) -> None:
        chat_server.answer(answers.stream(*text), path=CHAT)
        run = online("chat", "hi").has(0)
        assert (run.text, run.stderr) == (text + "\n", "")
        chat_server.answer(answers.answer(answers.completion(text)), path=CHAT)
        assert online("chat", "--no-stream", "hi").has(0).text == text + "\n"


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}


class TestMedia:
    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"images": [IMAGE]}, "holds no text but 1 image"),
            ({"images": [IMAGE, IMAGE], "content": "Here."}, "also holds 2 images"),
            ({"content": [IMAGE, {"type": "text", "text": "Here."}]}, "also holds 1 image"),
            ({"content": None, "audio": {"id": "x", "data": "QUJD"}}, "holds no text but audio"),
        ],
    )
    def test_an_answer_of_images_or_audio_is_not_empty(
        self, online: Ocx, chat_server: ChatServer, fields: dict[str, Any], said: str
    ) -> None:
        chat_server.answer(wire([answers.chunk(**fields), END]), path=CHAT)
        text = "Here.\n" if "also" in said else ""
        for flag in ("--stream", "--no-stream"):
            run = online("chat", flag, "draw").has(0)
            assert (run.text, "empty" in run.stderr) == (text, False)
            assert said in run.stderr
        assert "QUJD" in online("chat", "--json", "draw").has(0).text
        (online.work / "in.jsonl").write_text(ROWS)
        online("batch", "in.jsonl", "-o", "out.jsonl").has(0)
        online("batch", "verify", "in.jsonl", "out.jsonl").has(0)

    def test_audio_in_pieces_is_one(self, online: Ocx, chat_server: ChatServer) -> None:
        pieces = [answers.chunk(audio={"id": "x"}), answers.chunk(audio={"data": "QU"})]
        chat_server.answer(wire([*pieces, answers.chunk(audio={"data": "JD"}), END]), path=CHAT)
        assert "no text but audio;" in online("chat", "speak").has(0).stderr
        message = online("chat", "--json", "speak").has(0).json["choices"][0]["message"]
        assert message["audio"] == {"id": "x", "data": "QUJD"}

    def test_a_picture_of_five_mebibytes_comes_through(
        self, online: Ocx, chat_server: ChatServer
    ) -> None:
        url = "data:image/png;base64," + "A" * (5 * 1024 * 1024)
        picture = {"type": "image_url", "image_url": {"url": url}}
        chat_server.answer(wire([answers.chunk(images=[picture]), END]), path=CHAT)
        run = online("chat", "--json", "--stream", "draw").has(0)
        assert len(run.stdout) > len(url)

    def test_beyond_the_limit_the_hint_says_what_helps(
        self, online: Ocx, chat_server: ChatServer
    ) -> None:
        huge = [b"data: {" + b"x" * 1024 * 1024, *[b"x" * 1024 * 1024] * 32]
        pieces = [answers.piece(each) for each in huge]
        chat_server.answer([answers.STREAM_HEAD, *pieces], path=CHAT)
        run = online("chat", "draw").has(8)
        assert "exceeds 32 MiB" in run.stderr
        assert "hint: ask for fewer or smaller images" in run.stderr
        begun = [answers.STREAM_HEAD, answers.delta("Here it is:"), *pieces]
        chat_server.answer(begun, path=CHAT)
        run = online("chat", "draw").has(11)
        assert run.text == "Here it is:"
        assert "hint: ask for fewer or smaller images" in run.stderr


class TestAfterABrokenCall:
    def test_a_conversation_goes_on_without_it(self, online: Ocx, chat_server: ChatServer) -> None:
        """Its arguments would be refused with every message to come."""
        broken = wire(CASES["tool-call-not-json"].events)
        chat_server.answer(answers.stream("Hello"), broken, answers.stream("ok"), path=CHAT)
        online("chat", "--conversation", "c", "one").has(0)
        online("chat", "--conversation", "c", "two").has(14)
        online("chat", "--conversation", "c", "three").has(0)
        roles = [(m["role"], m["content"]) for m in chat_server.body()["messages"]]
        assert roles == [("user", "one"), ("assistant", "Hello"), ("user", "three")]

    def test_it_is_not_in_the_file_of_o(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(wire(CASES["tool-call-not-json"].events), path=CHAT)
        online("chat", "-o", "calls.json", "hi").has(14)
        assert not (online.work / "calls.json").exists()

    def test_json_prints_what_came(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(wire(CASES["tool-call-not-json"].events), path=CHAT)
        run = online("chat", "--json", "hi").has(14)
        [made] = run.json["choices"][0]["message"]["tool_calls"]
        assert made["function"]["arguments"] == '{"text":"hal'
        assert run.error["type"] == "invalid_answer"
        lines = online("chat", "--json", "--stream", "hi").has(14).text.splitlines()
        assert (
            '"hal'
            in json.loads(lines[0])["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]
        )

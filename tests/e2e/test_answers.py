"""Nothing of an answer is dropped, and stderr is JSON if stdout is: through the real program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import answers
from tests.support.chat_server import BALANCE, CHAT, MODELS, ChatServer
from tests.support.emulator import Emulator
from tests.support.program import KEY, Ocx, Run
from tests.support.sizes import step

THINKING = "<think>Two and two.\n</think>\n\n4"
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
TOOL = {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}


def whole(message: dict[str, Any], finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return answers.answer({"id": "c", "object": "chat.completion", "choices": [choice]})


def lines(run: Run) -> list[dict[str, Any]]:
    """Every line of stderr as the JSON object that it must be."""
    found = [json.loads(line) for line in run.stderr.splitlines()]
    assert all(isinstance(line, dict) and len(line) == 1 for line in found), run.stderr
    return found


class TestThink:
    def test_every_cut_gives_the_same(self, online: Ocx, chat_server: ChatServer) -> None:
        """Reasoning never reaches stdout, wherever the network cuts it."""
        for cut in range(0, len(THINKING) + 1, step(5)):
            chat_server.answer(answers.stream(THINKING[:cut], THINKING[cut:]), path=CHAT)
            run = online("chat", "2+2", "--reasoning", "show").has(0)
            assert (run.text, run.stderr) == ("4\n", "Two and two.\n\n"), cut

    @pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
    def test_hidden_unless_asked_for(self, online: Ocx, chat_server: ChatServer, flag: str) -> None:
        body = answers.stream(THINKING) if flag == "--stream" else whole({"content": THINKING})
        chat_server.answer(body, path=CHAT)
        run = online("chat", "2+2", flag).has(0)
        assert (run.text, run.stderr) == ("4\n", "")

    def test_raw_leaves_it(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(answers.stream(THINKING), path=CHAT)
        assert online("chat", "2+2", "--reasoning", "raw").has(0).text == THINKING + "\n"

    @pytest.mark.parametrize("text", ["<think>never closed", "See <think>x</think>", "<thin"])
    def test_text_that_only_mentions_it(
        self, online: Ocx, chat_server: ChatServer, text: str
    ) -> None:
        chat_server.answer(answers.stream(*text), path=CHAT)
        assert online("chat", "hi").has(0).text == text + "\n"

    def test_a_schema_sees_the_answer_alone(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(answers.stream("<think>{</think>", '{"a": "b"}'), path=CHAT)
        assert online("chat", "--schema", "a", "hi").has(0).text == '{"a": "b"}\n'

    def test_json_is_as_sent(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(whole({"content": THINKING}), path=CHAT)
        run = online("chat", "--json", "hi").has(0)
        assert run.json["choices"][0]["message"]["content"] == THINKING


REFUSAL = "I cannot help with that."


class TestRefusal:
    """The text of a refusal is the error; nothing of it is dropped."""

    def streamed(self) -> bytes:
        pieces = [answers.chunk(refusal=part) for part in ("I cannot ", "help with that.")]
        return (
            answers.STREAM_HEAD
            + b"".join(map(answers.event, pieces))
            + answers.finish()
            + answers.event(answers.DONE)
            + answers.LAST_PIECE
        )

    @pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
    def test_it_is_exit_7_with_its_text(
        self, online: Ocx, chat_server: ChatServer, flag: str
    ) -> None:
        message = whole({"content": None, "refusal": REFUSAL})
        chat_server.answer(self.streamed() if flag == "--stream" else message, path=CHAT)
        run = online("chat", flag, "hi").has(7)
        assert run.text == ""
        assert f"the model refused: {REFUSAL}" in run.stderr

    def test_json_is_as_sent(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(whole({"content": None, "refusal": REFUSAL}), path=CHAT)
        run = online("chat", "--json", "hi").has(7)
        assert run.json["choices"][0]["message"]["refusal"] == REFUSAL
        assert run.error["type"] == "rejected"

    def test_chunks_are_as_sent(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(self.streamed(), path=CHAT)
        run = online("chat", "--json", "--stream", "hi").has(7)
        assert run.text.count('"refusal"') == 2

    def test_a_stream_where_none_was_asked_for(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(self.streamed(), path=CHAT)
        assert REFUSAL in online("chat", "--no-stream", "hi").has(7).stderr


class TestSeveral:
    def test_n_is_refused_as_text(self, online: Ocx, chat_server: ChatServer) -> None:
        run = online("chat", "-O", "n=2", "hi").has(2)
        assert "--json prints all of them" in run.stderr
        assert not chat_server.requests

    def test_n_is_sent_with_json(self, online: Ocx, chat_server: ChatServer) -> None:
        online("chat", "-O", "n=2", "--json", "hi").has(0)
        assert chat_server.body()["n"] == 2

    def test_one_is_one(self, online: Ocx) -> None:
        assert online("chat", "-O", "n=1", "hi").has(0).text == "Hello!\n"


class TestNoText:
    def test_an_empty_answer_is_told(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(whole({"content": ""}), path=CHAT)
        run = online("chat", "hi").has(0)
        assert (run.text, run.stderr) == ("", "ocx: warning: the answer is empty\n")

    @pytest.mark.parametrize("flags", [("-x",), ("--schema", "a")])
    def test_tool_calls_are_no_text_to_check(
        self, online: Ocx, chat_server: ChatServer, flags: tuple[str, ...]
    ) -> None:
        chat_server.answer(whole({"content": None, "tool_calls": [CALL]}, "tool_calls"), path=CHAT)
        run = online("chat", *flags, "--tools", json.dumps(TOOL), "hi").has(14)
        assert "tool calls, not a text" in run.stderr
        assert run.text == ""


class TestTools:
    def test_the_request(self, online: Ocx, chat_server: ChatServer) -> None:
        (online.work / "tools.json").write_text(json.dumps([TOOL]))
        online("chat", "--tools", "tools.json", "--tool-choice", "add", "hi").has(0)
        body = chat_server.body()
        assert body["tools"] == [{"type": "function", "function": TOOL}]
        assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}

    def test_calls_are_json_on_stdout(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(whole({"content": None, "tool_calls": [CALL]}, "tool_calls"), path=CHAT)
        assert online("chat", "--tools", json.dumps(TOOL), "hi").has(0).json == [CALL]

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (("--tool-choice", "auto"), "--tools, which is missing"),
            (("--tools", "{}"), "has no function name"),
            (("--tools", json.dumps(TOOL), "--tool-choice", "x"), "not 'x'"),
            (("--tools", json.dumps(TOOL), "-O", "tools=[]"), "tools is set twice"),
            (("--tools", "-", "-f", "-"), "stdin can be read once"),
        ],
    )
    def test_mistakes(self, online: Ocx, args: tuple[str, ...], message: str) -> None:
        assert message in online("chat", *args, "hi").has(2).stderr


class TestOptionsFromFiles:
    def test_a_value_from_a_file_or_stdin(self, online: Ocx, chat_server: ChatServer) -> None:
        (online.work / "format.json").write_text('{"type": "json_object"}')
        online("chat", "-O", "response_format=@format.json", "-O", "user=@@me", "hi").has(0)
        body = chat_server.body()
        assert (body["response_format"], body["user"]) == ({"type": "json_object"}, "@me")
        online("chat", "-O", "metadata=@-", "hi", input='{"a": "b"}').has(0)
        assert chat_server.body()["metadata"] == {"a": "b"}

    def test_mistakes(self, online: Ocx) -> None:
        assert "cannot read no-such" in online("chat", "-O", "x=@no-such", "hi").has(2).stderr
        deep = "[" * 5000 + "]" * 5000
        assert "nested too deeply" in online("chat", "-O", f"x={deep}", "hi").has(2).stderr

    def test_max_tokens_of_the_profile_gives_way(
        self, online: Ocx, chat_server: ChatServer
    ) -> None:
        online.profile(max_tokens=7)
        online("chat", "hi").has(0)
        assert chat_server.body()["max_tokens"] == 7
        online("chat", "-O", "max_completion_tokens=9", "hi").has(0)
        assert "max_tokens" not in chat_server.body()
        assert chat_server.body()["max_completion_tokens"] == 9


class TestReport:
    def report(self, ocx: Ocx) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((ocx.work / "r.json").read_text())
        return document

    def test_of_an_answer(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(answers.error(503), answers.stream("Hi"), path=CHAT)
        online("chat", "--report", "r.json", "hi").has(0)
        report = self.report(online)
        assert report["outcome"] == "finished"
        assert (report["exit_code"], report["retries"], report["error"]) == (0, 1, None)
        assert report["finish_reason"] == "stop"
        assert report["credits_source"] == "unknown"

    def test_of_a_refusal(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(answers.error(402), path=CHAT)
        online("chat", "--report", "r.json", "hi").has(5)
        report = self.report(online)
        assert (report["outcome"], report["exit_code"]) == ("failed", 5)
        assert report["error"]["type"] == "credits"

    def test_of_a_call_that_was_never_made(self, ocx: Ocx) -> None:
        ocx("chat", "--report", "r.json", "hi").has(4)
        assert self.report(ocx)["exit_code"] == 4
        if Path("/dev/full").exists():  # the error of the call matters more
            assert "No space left" in ocx("chat", "--report", "/dev/full", "hi").has(4).stderr

    def test_a_folder_that_is_not_there(self, online: Ocx, chat_server: ChatServer) -> None:
        online("chat", "--report", "no/r.json", "hi").has(2)
        assert not chat_server.requests


class TestJsonOnStderr:
    """With --json every line of stderr is one object with one key."""

    def test_a_retry_a_warning_and_the_usage(self, online: Ocx, chat_server: ChatServer) -> None:
        cut = {"content": "Hi"}
        chat_server.answer(answers.error(503), whole(cut, "length"), path=CHAT)
        run = online("chat", "--json", "-u", "--cost", "hi").has(0)
        kinds = [next(iter(line)) for line in lines(run)]
        assert kinds == ["retry", "warning", "usage", "cost"]
        retry = lines(run)[0]["retry"]
        assert (retry["number"], retry["of"], retry["status"]) == (1, 2, 503)
        assert lines(run)[2]["usage"]["seconds"] >= 0

    def test_an_error_after_retries(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer_all(answers.error(503))
        kinds = [next(iter(line)) for line in lines(online("chat", "--json", "hi").has(8))]
        assert kinds == ["retry", "retry", "error"]

    def test_debug_is_json_too(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(answers.error(402), path=CHAT)
        found = lines(online("chat", "--json", "--debug", "hi").has(5))
        assert "debug" in found[0]
        assert KEY not in json.dumps(found)

    def test_the_sandbox_note(self, ocx: Ocx) -> None:
        run = ocx("models", "--json", env={"OCX_SANDBOX": "1"}).has(0)
        assert "sandbox" in lines(run)[0]["note"]

    @pytest.mark.parametrize(
        "args",
        [
            ("chat", "hi"), ("models",), ("balance",), ("keys", "check"), ("doctor",),
            ("api", "GET", "models"), ("config", "show"), ("keys", "list"), ("history", "list"),
            ("config", "set", "model", "x"), ("config", "unset", "model"), ("env",),
            ("config", "profiles", "list"), ("config", "templates", "list"), ("history", "stats"),
            ("keys", "rotate", "nope"), ("keys", "show", "nope"), ("keys", "rm", "nope"),
            ("keys", "use", "nope"), ("config", "get", "nope"), ("history", "show"),
            ("history", "rm", "9"), ("history", "search", "x"), ("history", "export"),
            ("config", "path"), ("config", "edit"), ("config", "profiles", "use", "nope"),
            ("config", "profiles", "rm", "nope"), ("config", "profiles", "copy", "a", "b"),
            ("config", "templates", "show", "nope"), ("config", "templates", "rm", "nope"),
            ("serve", "check"), ("serve", "ledger"), ("serve", "keys"), ("serve", "grant", "x"),
            ("serve", "reset"), ("exec",), ("exec", "--", "/no/such"), ("completion", "ksh"),
            ("help", "nope"), ("serve", "--", "/no/such"), ("no-such-command",),
        ],
        ids=" ".join,
    )  # fmt: skip
    def test_every_command(
        self, online: Ocx, chat_server: ChatServer, args: tuple[str, ...]
    ) -> None:
        """A server that fails after retries, a profile that warns, and mistakes of every kind."""
        online.profile(unknown_setting=1, base_url=chat_server.base_url)
        chat_server.answer_all(answers.error(503, retry_after="0"))
        lines(online("--json", *args))


def test_an_id_with_line_breaks_is_one_line(online: Ocx, chat_server: ChatServer) -> None:
    listed = answers.models("a\nb\r\x1b[2J", "gpt-4o")
    chat_server.answer(answers.answer(listed), path=MODELS)
    assert online("models").has(0).text == "a b\\x0d\\x1b[2J\ngpt-4o\n"


def test_a_dry_run_goes_to_a_file(online: Ocx, tmp_path: Path) -> None:
    online("chat", "--dry-run", "-o", "request.txt", "hi").has(0)
    assert (online.work / "request.txt").read_text().startswith("POST http")
    online("chat", "--snippet", "curl", "-o", "ask.sh", "hi").has(0)
    assert "curl" in (online.work / "ask.sh").read_text()


def test_an_ambiguous_balance_fails_the_gate(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.answer({"balance": 0, "remaining": 59}), path=BALANCE)
    assert "ambiguous" in online("balance", "--min", "10").has(8).stderr


class TestPages:
    """A list of models in pages is one list."""

    def test_all_pages(self, online: Ocx, chat_server: ChatServer) -> None:
        first = {**answers.models("a", "b"), "has_more": True}
        chat_server.answer(answers.answer(first), answers.answer(answers.models("c")), path=MODELS)
        chat_server.answer(answers.answer(answers.models("c")), path=f"{MODELS}?after=b")
        assert online("models").has(0).text == "a\nb\nc\n"
        assert chat_server.requests[-1].target.endswith("/models?after=b")

    def test_a_server_that_repeats_itself(self, online: Ocx, chat_server: ChatServer) -> None:
        page = {**answers.models("a"), "has_more": True}
        chat_server.answer(answers.answer(page), path=MODELS)
        chat_server.answer(answers.answer(page), path=f"{MODELS}?after=a")
        assert online("models").has(0).text == "a\n"


class TestEstimate:
    """What a call may cost, before a model is asked."""

    PRICES = '[prices."deepseek-chat"]\nprompt = 1000000\ncompletion = 1000000\n'

    def test_tokens_and_credits(self, online: Ocx, chat_server: ChatServer) -> None:
        online.write_config(self.PRICES)
        run = online("chat", "--estimate", "--json", "--max-tokens", "10", "hi").has(0)
        assert run.json["max_completion_tokens"] == 10
        assert run.json["worst_credits"] > 10
        said = online("chat", "--estimate", "hi").has(0).text
        assert (
            "four bytes a token; GPT-4-class tokenizers take up to twice that for Chinese" in said
        )
        assert not chat_server.requests

    def test_with_what_was_said_before(self, online: Ocx) -> None:
        online("chat", "--log", "word " * 400).has(0)
        run = online("chat", "-c", "--estimate", "--json", "hi").has(0)
        assert run.json["prompt_tokens"] > 400

    def test_an_unknown_price_is_unknown(self, online: Ocx) -> None:
        assert online("chat", "--estimate", "--json", "hi").has(0).json["worst_credits"] is None
        assert "no price for deepseek-chat" in online("chat", "--estimate", "hi").has(0).text
        run = online("chat", "--estimate", "--min-balance", "1", "hi").has(3)
        assert '[prices."deepseek-chat"]' in run.stderr

    def test_beside_a_minimum(self, online: Ocx, chat_server: ChatServer) -> None:
        online.write_config(self.PRICES)
        args = ("chat", "--estimate", "--max-tokens", "10", "hi", "--min-balance")
        online(*args, "1").has(0)
        online(*args, "480").has(12)
        assert [request.method for request in chat_server.requests] == ["GET", "GET"]


def test_every_turn_of_a_conversation_is_numbered(online: Ocx) -> None:
    for prompt in ("one", "two"):
        online("chat", "--conversation", "trip", prompt).has(0)
    online("chat", "--log", "alone").has(0)
    talks = [line.split("\t")[3] for line in online("history", "list").has(0).text.splitlines()]
    assert talks[1:] == ["trip#2", "trip#1"]
    assert "#" not in talks[0]


@pytest.mark.parametrize("cost", ["1e9999999999", "1e400", "-1", "NaN", "1" * 5000])
def test_a_cost_that_no_number_holds_is_unknown(
    online: Ocx, chat_server: ChatServer, cost: str
) -> None:
    """Written out, it would fill the memory, and every later look at the history too."""
    document = {**answers.completion("Hello!"), "usage": {**answers.tokens(), "cost": cost}}
    chat_server.answer_all(answers.answer(document))
    run = online("chat", "--log", "--no-stream", "--cost", "--report", "r.json", "hi").has(0)
    assert len(run.stderr) < 500
    assert json.loads((online.work / "r.json").read_text())["credits"] is None
    assert len(online("history", "list", "--json").has(0).json) == 1
    online("history", "stats").has(0)
    (online.work / "in.jsonl").write_text('{"prompt": "hi"}\n')
    online("batch", "in.jsonl", "-o", "out.jsonl").has(0)
    (row,) = map(json.loads, (online.work / "out.jsonl").read_text().splitlines())
    assert row["ocx"]["class"] == "ok"


def test_reasoning_on_a_terminal_ends_its_lines_between_words(
    online: Ocx, chat_server: ChatServer
) -> None:
    words = [f"reasoning{number} " for number in range(12)]
    deltas = [answers.event(answers.chunk(reasoning_content=word)) for word in words]
    rest = answers.delta("Done.") + answers.finish() + answers.event(answers.DONE)
    chat_server.answer([answers.STREAM_HEAD, *deltas, rest, answers.LAST_PIECE], path=CHAT)
    shown = online.in_terminal("chat", "--reasoning", "show", "hi", size=(24, 40)).finish()
    screen = Emulator(40, 24)
    screen.write(shown.stdout)
    lines = [line for line in screen.lines() if line]
    assert " ".join(lines).split() == [*(word.strip() for word in words), "Done."]
    assert lines[0] == "reasoning0 reasoning1 reasoning2"

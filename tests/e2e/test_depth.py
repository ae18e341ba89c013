"""The habits of people who use llm, aichat and mods, through the real program and real sockets."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.support import answers
from tests.support.chat_server import BALANCE, CHAT, ChatServer
from tests.support.program import KEY, Ocx

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def sent(server: ChatServer, place: int = -1) -> Any:
    """The body of a chat request."""
    chats = [request for request in server.requests if request.target.endswith(CHAT)]
    return json.loads(chats[place].body)


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def test_cat_file_and_system(online: Ocx, chat_server: ChatServer) -> None:
    """`cat f | ocx chat -s "fix"`"""
    online("chat", "-s", "fix", input="x = 1\n").has(0)
    assert sent(chat_server)["messages"] == [{"role": "system", "content": "fix"}, user("x = 1\n")]


def test_a_picture(online: Ocx, chat_server: ChatServer) -> None:
    """`-a img.png "what is it"`: the bytes decide, not the name."""
    (online.work / "img.jpg").write_bytes(PNG)
    online("chat", "-a", "img.jpg", "-a", "https://example.com/b.png", "what is it").has(0)
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert sent(chat_server)["messages"] == [
        user(
            [
                {"type": "text", "text": "what is it"},
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "image_url", "image_url": {"url": "https://example.com/b.png"}},
            ]
        )
    ]


def test_attachments_from_stdin(online: Ocx, chat_server: ChatServer) -> None:
    online("chat", "what is it", "-a", "-", input=PNG).has(0)
    assert sent(chat_server)["messages"][0]["content"][1]["type"] == "image_url"
    online("chat", "-a", "-", input="def f(): ...\n").has(0)
    assert sent(chat_server)["messages"] == [user("def f(): ...\n")]
    online("chat", "-", "-a", "-", input="x").has(2)
    online("chat", "-a", "missing.png", "x").has(2)
    online("chat", "--attach-type", "image/png", "x").has(2)


def test_messages_as_they_are(online: Ocx, chat_server: ChatServer) -> None:
    messages = [user("one"), {"role": "assistant", "content": "1"}, user("two")]
    online.profile(system="the profile's own")
    online("chat", "--messages", "-", input=json.dumps(messages)).has(0)
    assert sent(chat_server)["messages"] == messages
    online("chat", "--messages", "-", "three", "-s", "brief", input=json.dumps(messages)).has(0)
    system = {"role": "system", "content": "brief"}
    assert sent(chat_server)["messages"] == [system, *messages, user("three")]
    online("chat", "--messages", "-", input="[]").has(2)


def test_templates(online: Ocx, chat_server: ChatServer) -> None:
    """`-t NAME -p K=V`, `$stdin`; the model and options of the template, then the flags'."""
    folder = online.config / "templates"
    folder.mkdir(parents=True)
    (folder / "tr.toml").write_text(
        'model = "gpt-4o"\nsystem = "Into $language."\nprompt = "Text: $stdin"\n'
        '[defaults]\nlanguage = "Malay"\n[options]\ntemperature = 0.5\nseed = 7\n'
    )
    online("chat", "-t", "tr", input="hello").has(0)
    assert sent(chat_server) == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "Into Malay."}, user("Text: hello")],
        "temperature": 0.5,
        "seed": 7,
        "stream": True,
    }
    typed = online.in_terminal("chat", "-t", "tr", "-")
    typed.send(b"hello\n\x04")  # no second end is waited for
    typed.finish().has(0)
    online("chat", "-t", "tr", "-p", "language=中文", "-m", "m", "--temperature", "1", "more",
           input="hello").has(0)  # fmt: skip
    body = sent(chat_server)
    assert body["messages"][0]["content"] == "Into 中文."
    assert body["messages"][1]["content"] == "Text: hello\n\nmore"
    assert (body["model"], body["temperature"], body["seed"]) == ("m", 1, 7)
    missing = online("chat", "-t", "tr").has(2)
    assert "missing parameter for template tr: stdin" in missing.stderr
    assert "did you mean tr" in online("chat", "-t", "trr", "x").has(2).stderr
    assert (
        "did you mean language" in online("chat", "-t", "tr", "-p", "langage=x", input="y").stderr
    )
    online("chat", "-p", "a=b", "x").has(2)


def test_save_and_manage_templates(online: Ocx, chat_server: ChatServer) -> None:
    online("chat", "--save-template", "fix", "-s", "Fix $what.", "-p", "what=bugs", "-m", "gpt-4o",
           "--max-tokens", "9", "-O", "seed=1", "Look:").has(0)  # fmt: skip
    assert not chat_server.requests
    online("chat", "-t", "fix", input="x").has(0)
    assert sent(chat_server)["messages"] == [
        {"role": "system", "content": "Fix bugs."},
        user("Look:\n\nx"),
    ]
    assert sent(chat_server)["max_tokens"] == 9
    assert "already" in online("chat", "--save-template", "fix", "x").has(2).stderr
    assert online("config", "templates", "list").text == "fix\tgpt-4o\twhat\tLook:\n"
    assert online("config", "templates", "list", "--json").json[0]["parameters"] == ["what"]
    assert "seed = 1" in online("config", "templates", "show", "fix").text
    assert online("config", "templates", "show", "fix", "--json").json["name"] == "fix"
    assert (online.cache / "names" / "templates.txt").read_text() == "fix\n"
    online("config", "templates", "rm", "nix", "-y").has(2)
    online("config", "templates", "rm", "fix").has(2)
    online("config", "templates", "rm", "fix", "-y").has(0)
    assert online("config", "templates", "list").text == ""
    assert (online.cache / "names" / "templates.txt").read_text() == ""


def test_a_broken_template_hides_no_other(online: Ocx) -> None:
    online("chat", "--save-template", "fix", "Fix it.").has(0)
    (online.config / "templates" / "bad.toml").write_text("prompt =\n")
    (online.config / "templates" / "latin.toml").write_bytes(b'prompt = "\xe9"\n')
    run = online("config", "templates", "list").has(0)
    assert run.text == "fix\t\t\tFix it.\n"
    assert run.stderr.count("ocx: warning: ") == 2
    assert "template bad: Invalid value (at line 1, column 9)" in run.stderr
    assert [t["name"] for t in online("config", "templates", "list", "--json").json] == ["fix"]
    online("config", "templates", "edit", "latin", env={"VISUAL": "true"}).has(3)
    online("config", "templates", "rm", "latin", "-y").has(0)


def test_edit_templates_and_prompts(online: Ocx, chat_server: ChatServer) -> None:
    """A broken template is not saved, and not lost."""
    editor = online.work / "ed"
    editor.write_text('#!/bin/sh\nprintf "%s" "$WRITE" > "$1"\n')
    editor.chmod(0o755)
    env = {"VISUAL": str(editor), "WRITE": 'prompt = "hi $who"'}
    online("config", "templates", "edit", "greet", env=env).has(0)
    assert "hi $who" in online("config", "templates", "show", "greet").text
    broken = online("config", "templates", "edit", "greet", env={**env, "WRITE": "promt = 1"}).has(
        3
    )
    assert "did you mean prompt" in broken.stderr
    assert (online.config / "templates" / "greet.rejected").read_text() == "promt = 1"
    assert "hi $who" in online("config", "templates", "show", "greet").text
    online("config", "templates", "edit", "greet", env=env).has(0)
    online("chat", "-e", "draft", env={**env, "WRITE": "the edited prompt"}).has(0)
    assert sent(chat_server)["messages"] == [user("the edited prompt")]
    online("chat", "-e", env={**env, "WRITE": ""}).has(2)
    online("chat", "-e", env={"VISUAL": "false"}).has(1)


def test_conversations(online: Ocx, chat_server: ChatServer) -> None:
    """`-c` and `--conversation`: what was said goes along, with the model it was said to."""
    online("chat", "-c", "one", "-m", "gpt-4o", "-s", "brief").has(0)
    online("chat", "-c", "two").has(0)
    assert sent(chat_server) == {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "brief"},
            user("one"),
            {"role": "assistant", "content": "Hello!"},
            user("two"),
        ],
        # What is kept has its tokens, which a stream tells only if asked.
        "stream_options": {"include_usage": True},
        "stream": True,
    }
    online("chat", "--conversation", "other", "three", "-m", "m").has(0)
    assert sent(chat_server)["messages"] == [user("three")]
    online("chat", "--conversation", "other", "four", "-m", "n", "-s", "new").has(0)
    assert sent(chat_server)["messages"][0] == {"role": "system", "content": "new"}
    assert sent(chat_server)["model"] == "n"
    online("chat", "-c", "five", "--dry-run").has(0)
    assert len(chat_server.requests) == 4
    online("chat", "-c", "-n", "x").has(2)
    online("chat", "-c", "--conversation", "a", "x").has(2)
    assert "no conversation 99" in online("chat", "--conversation", "99", "x").has(2).stderr
    for name in ("", " ", "a\x07"):
        assert "needs a name" in online("chat", "--conversation", name, "x").has(2).stderr
    assert len(chat_server.requests) == 4


def test_an_older_conversation_goes_on_by_its_number(online: Ocx, chat_server: ChatServer) -> None:
    """The number of a call in `ocx history list` is that of its conversation; stderr says which."""
    for prompt in ("first", "second"):
        said = online("chat", "--log", prompt).has(0)
        assert said.stderr == ""
    said = online("chat", "--conversation", "1", "go on").has(0)
    assert said.stderr == "ocx: continuing 1 (2 messages): first\n"
    assert sent(chat_server)["messages"][0] == user("first")
    assert sent(chat_server)["messages"][-1] == user("go on")
    online("chat", "--log", "third").has(0)  # call 4
    assert (
        "continuing 4 (2 messages): third"
        in online("chat", "--conversation", "4", "x", "--dry-run").has(0).stderr
    )
    said = online("chat", "--conversation", "3", "x").has(0)
    assert said.stderr == "ocx: continuing 1 (4 messages): go on\n", "call 3 belongs to it"
    assert online("chat", "--conversation", "2", "-q", "x").has(0).stderr == ""
    note = json.loads(online("chat", "-c", "--json", "x").has(0).stderr)
    assert note == {"note": "continuing 2 (4 messages): x"}


def test_play_does_not_go_on_with_what_is_real(online: Ocx) -> None:
    online("chat", "--log", "first").has(0)
    said = online("--sandbox", "chat", "--conversation", "1", "x").has(2).stderr
    assert "belongs to the profile default" in said
    assert "hint: add -P default" in said


def test_a_pipe_keeps_nothing_by_itself(online: Ocx) -> None:
    """People pipe secrets; --log, -c, OCX_HISTORY and the config ask for it, -n forbids it."""
    online("chat", "x").has(0)
    assert not online.state.exists()
    online("chat", "x", env={"OCX_HISTORY": "on"}).has(0)
    online("chat", "x", "--log").has(0)
    online("chat", "x", "-n", env={"OCX_HISTORY": "on"}).has(0)
    online.profile(history="on")
    online("chat", "x").has(0)
    online("chat", "x", env={"OCX_HISTORY": "off"}).has(0)
    assert "history is off" in online("chat", "-c", "x", env={"OCX_HISTORY": "off"}).has(2).stderr
    assert len(online("history", "list", "--json").json) == 3
    assert online("chat", "x", env={"OCX_HISTORY": "maybe"}).has(3)


def test_a_terminal_keeps_calls(online: Ocx) -> None:
    online.in_terminal("chat", "x").finish().has(0)
    online.in_terminal("chat", "x", "-n").finish().has(0)
    online.in_terminal("chat", "x", env={"OCX_HISTORY": "off"}).finish().has(0)
    assert len(online("history", "list", "--json").json) == 1


def test_failed_calls_are_kept_and_not_continued(online: Ocx, chat_server: ChatServer) -> None:
    online("chat", "--conversation", "a", "good").has(0)
    chat_server.answer(answers.error(401, "invalid_key"), path=CHAT)
    online("chat", "--conversation", "a", "bad").has(4)
    failed = online("history", "show", "--json").json
    assert (failed["outcome"], failed["exit_code"]) == ("failed", 4)
    assert failed["error"]
    chat_server.answer(answers.stream("x"), path=CHAT)
    online("chat", "--conversation", "a", "again").has(0)
    assert [message["content"] for message in sent(chat_server)["messages"]] == [
        "good",
        "Hello!",
        "again",
    ]


def test_no_key_in_the_history(online: Ocx) -> None:
    online("chat", "--log", f"my key is {KEY}").has(0)
    files = [path for path in online.state.iterdir() if path.is_file()]
    assert files
    assert not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_history_that_cannot_be_written_is_a_warning(online: Ocx) -> None:
    online.state.mkdir(parents=True)
    (online.state / "history.sqlite3").write_bytes(b"no database" * 1000)
    run = online("chat", "--log", "x").has(0)
    assert run.text == "Hello!\n"
    assert "warning: this call is not in the history" in run.stderr
    assert online("chat", "-c", "x").has(1).text == ""


CODE = "Sure:\n\n```c++\nint x;\n```\n\nand\n\n~~~\nlast\n~~~\n"


def test_extract(online: Ocx, chat_server: ChatServer) -> None:
    """`-x`; exit 14 where there is no block, and nothing on stdout."""
    for flags in ((), ("--no-stream",)):
        script = answers.answer(answers.completion(CODE)) if flags else answers.stream(*CODE)
        chat_server.answer(script, path=CHAT)
        assert online("chat", "-x", "hi", *flags).has(0).text == "int x;\n"
        assert online("chat", "--extract-last", "hi", *flags).has(0).text == "last\n"
    chat_server.answer(answers.stream("no code"), path=CHAT)
    none = online("chat", "-x", "hi").has(14)
    assert none.stdout == b""
    assert "no fenced code block" in none.stderr
    online("chat", "-x", "hi", "-o", "out").has(14)
    assert not (online.work / "out").exists()
    online("chat", "-x", "--extract-last", "hi").has(2)
    online("chat", "-x", "--json", "hi").has(2)


def test_schema(online: Ocx, chat_server: ChatServer) -> None:
    """`--schema 'name, age int'`: stdout is the JSON alone."""
    chat_server.answer(answers.stream("```json\n", '{"name": "Ada", ', '"age": 36}', "\n```"),
                       path=CHAT)  # fmt: skip
    run = online("chat", "--schema", "name, age int", "who").has(0)
    assert run.text == '{"name": "Ada", "age": 36}\n'
    sent_format = sent(chat_server)["response_format"]
    assert sent_format["json_schema"]["strict"] is True
    assert sent_format["json_schema"]["schema"]["required"] == ["name", "age"]
    chat_server.answer(answers.stream('{"name": "Ada"}'), path=CHAT)
    wrong = online("chat", "--schema", "name, age int", "who").has(14)
    assert wrong.stdout == b""
    assert "at $: 'age' is a required property" in wrong.stderr
    online("chat", "--schema", '{"type": "no"}', "who").has(2)
    online("chat", "--schema", "a", "--json", "who").has(2)
    online("chat", "--schema", "a", "-x", "who").has(2)
    online("chat", "--schema-retries", "1", "who").has(2)
    shown = online("chat", "--schema", "a", "who", "--dry-run").has(0)
    assert '"response_format"' in shown.text


def test_schema_retries_say_what_was_wrong(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.stream('{"a": 1}'), answers.stream('{"a": "x"}'), path=CHAT)
    run = online("chat", "--log", "--schema", "a", "--schema-retries", "2", "go").has(0)
    assert run.text == '{"a": "x"}\n'
    messages = sent(chat_server)["messages"]
    assert messages[1] == {"role": "assistant", "content": '{"a": 1}'}
    assert "$.a" in messages[2]["content"]
    kept = online("history", "list", "--json").json
    assert [(call["outcome"], call["exit_code"]) for call in kept] == [
        ("finished", 0),
        ("finished", 14),
    ]


def test_a_note_holds_no_control_character_of_the_model(
    online: Ocx, chat_server: ChatServer
) -> None:
    """What is wrong is named by its path, and the names on it are the model's."""
    schema = '{"additionalProperties": {"type": "integer"}}'
    words = [answers.stream(json.dumps(answer)) for answer in ({"\x1b[2J": "x"}, {})]
    chat_server.answer(*words, path=CHAT)
    run = online("chat", "--schema", schema, "--schema-retries", "1", "go").has(0)
    assert "asking again" in run.stderr
    assert "\x1b" not in run.stderr


def test_schema_where_the_server_refuses_the_field(online: Ocx, chat_server: ChatServer) -> None:
    """400 to response_format: asked for in the system message instead."""
    chat_server.answer(
        answers.error(400, "unknown_field", "no response_format here"),
        answers.stream('{"a": "x"}'),
        path=CHAT,
    )
    assert online("chat", "--schema", "a", "go").has(0).text == '{"a": "x"}\n'
    body = sent(chat_server)
    assert "response_format" not in body
    assert body["messages"][0]["role"] == "system"
    assert '"required": ["a"]' in body["messages"][0]["content"]
    chat_server.answer(answers.error(400, "bad"), path=CHAT)
    online("chat", "--schema", "a", "go").has(7)


def test_cost(online: Ocx, chat_server: ChatServer) -> None:
    """From the answer, from the balance and marked inexact, or unknown: never 0."""
    one, two = answers.answer({"balance": 500}), answers.answer({"balance": 499.25})
    chat_server.answer(one, two, path=BALANCE)
    run = online("chat", "--cost", "--log", "hi").has(0)
    assert "cost: about 0.75 credits (balance" in run.stderr
    assert sent(chat_server)["stream_options"] == {"include_usage": True}
    kept = online("history", "show", "--json").json
    assert (kept["credits"], kept["credits_source"]) == ("0.75", "balance")
    chat_server.answer(one, path=BALANCE)
    assert "cost: unknown (the balance did not change)" in online("chat", "--cost", "hi").stderr
    chat_server.answer(answers.error(404), path=BALANCE)
    assert "could not be read" in online("chat", "--cost", "hi").has(0).stderr
    named = answers.completion("hi")
    named["usage"]["cost"] = 0.125
    chat_server.answer(answers.answer(named), path=CHAT)
    run = online("chat", "--cost", "hi", "--no-stream").has(0)
    assert "cost: 0.125 credits (response)" in run.stderr
    assert "cost" not in online("chat", "--cost", "hi", "--no-stream", "-q").stderr


@pytest.mark.parametrize(
    ("balance", "status"),
    [
        (answers.answer({"balance": 10}), 0),
        (answers.answer({"balance": 9.99}), 12),
        (answers.answer({"unlimited": True}), 0),
        (answers.answer({"what": 1000}), 8),
        (answers.answer("<html>", content_type="text/html"), 8),
        (answers.error(401), 4),
    ],
)
def test_min_balance_refuses_before_sending(
    online: Ocx, chat_server: ChatServer, balance: bytes, status: int
) -> None:
    chat_server.answer(balance, path=BALANCE)
    online("chat", "--min-balance", "10", "hi", "--retries", "0").has(status)
    assert any(r.target.endswith(CHAT) for r in chat_server.requests) == (status == 0)


def test_a_report_tells_the_cost_where_the_balance_was_read_before(
    online: Ocx, chat_server: ChatServer
) -> None:
    readings = [answers.answer({"balance": left}) for left in ("10.5", "10.25")]
    chat_server.answer(*readings, path=BALANCE)
    online("chat", "--min-balance", "10", "--report", "r.json", "hi").has(0)
    report = json.loads((online.work / "r.json").read_text())
    assert (report["credits"], report["credits_source"]) == (0.25, "balance")


def test_min_balance_mistakes(ocx: Ocx) -> None:
    ocx("--sandbox", "chat", "--min-balance", "much", "hi").has(2)
    ocx("chat", "--min-balance", "1", "hi", env={"OCX_SANDBOX": "1"}).has(3)
    ocx("--sandbox", "chat", "--min-balance", "1", "hi").has(0)
    ocx("--sandbox", "chat", "--min-balance", "501", "hi").has(12)


@pytest.mark.parametrize("flag", ["--min-balance", "--schema", "-o"])
def test_an_empty_value_lifts_no_check(online: Ocx, chat_server: ChatServer, flag: str) -> None:
    """`--min-balance "$MIN"` where MIN is not set: nothing is sent unchecked."""
    run = online("chat", flag, "", "hi").has(2)
    assert (run.stdout, chat_server.requests) == (b"", [])


def test_play_and_real_calls_do_not_mix(online: Ocx, chat_server: ChatServer) -> None:
    """--sandbox with any profile: its calls are not continued at the real endpoint."""
    online("chat", "--log", "real").has(0)
    online("--sandbox", "chat", "-c", "play", env={"OCX_BASE_URL": ""}).has(0)
    online("chat", "-c", "more").has(0)
    assert user("play") not in sent(chat_server)["messages"]
    assert sent(chat_server)["messages"][0] == user("real")
    kept = online("--sandbox", "history", "list", "--json").json
    assert [(call["profile"], call["answer"]) for call in kept] == [("sandbox", "play")]


def test_tool_calls_are_json_and_success(online: Ocx, chat_server: ChatServer) -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    chunks = [answers.event(answers.chunk(tool_calls=[call])), answers.finish("tool_calls")]
    body = answers.STREAM_HEAD + b"".join(chunks) + answers.event(answers.DONE) + answers.LAST_PIECE
    chat_server.answer(body, path=CHAT)
    run = online("chat", "--log", "-O", 'tools=[{"type":"function"}]', "hi").has(0)
    assert run.json[0]["function"]["name"] == "f"
    assert online("history", "show", "--json").json["tool_calls"][0]["id"] == "c"


def test_snippets(online: Ocx, chat_server: ChatServer) -> None:
    """The request that would be sent; nothing is, and no key is needed."""
    shown = online("chat", "--snippet", "python", "it's", "-u", env={"OCX_API_KEY": ""}).has(0)
    assert not chat_server.requests
    compile(shown.text, "snippet", "exec")
    assert f"{chat_server.base_url}/chat/completions" in shown.text
    assert "include_usage" in shown.text
    assert KEY not in online("chat", "--snippet", "node", "x").has(0).text
    online("chat", "--snippet", "ruby", "x").has(2)
    online("chat", "--snippet", "curl", "x", "--json").has(2)
    online("--sandbox", "chat", "--snippet", "curl", "x", env={"OCX_BASE_URL": ""}).has(2)

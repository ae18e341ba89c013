"""The interactive session in a pty: what a person types, sees, and can stop."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.emulator import Emulator
from tests.support.program import Ocx, Process
from tests.support.raw_server import STALL
from tests.support.waiting import DEADLINE


class Talk:
    """A session in a pty. What is typed before the prompt is there would be lost or misread."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process = process
        self.shown = process.stdout
        self.prompts = 0
        self.ready()

    def ready(self) -> None:
        self.prompts += 1
        self.shown.until_count(b"> ", self.prompts)

    def say(self, text: str, until: str = "") -> None:
        """Type a line; `until` must be shown before the next prompt."""
        self.process.send(text + "\r")
        self.shown.until(until.encode())
        self.ready()

    def idle(self) -> None:
        """Until the program sleeps: Python's readline misses a signal just before it waits."""
        stat = Path(f"/proc/{self.process.popen.pid}/stat")
        end = time.monotonic() + DEADLINE
        while stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "S":
            assert time.monotonic() < end, "never idle"

    def leave(self) -> str:
        self.process.send(b"\x04")
        return self.process.finish().has(0).text


def begin(ocx: Ocx, *args: str, **options: Any) -> Talk:
    return Talk(ocx.in_terminal("chat", *args, **options))


def asked(server: ChatServer, place: int = -1) -> Any:
    """The body of a chat request."""
    chats = [request for request in server.requests if request.target.endswith(CHAT)]
    return server.body(chats[place])


def contents(server: ChatServer, place: int = -1) -> list[Any]:
    return [message["content"] for message in asked(server, place)["messages"]]


def test_a_conversation_that_goes_on_later(online: Ocx, chat_server: ChatServer) -> None:
    """Turns follow each other, Ctrl-D leaves, `-c` continues."""
    chat_server.answer(answers.stream("first answer"), answers.stream("second answer"), path=CHAT)
    talk = begin(online, "-s", "brief")
    talk.say("one", "first answer")
    talk.say("two", "second answer")
    talk.leave()
    assert contents(chat_server) == ["brief", "one", "first answer", "two"]
    chat_server.answer(answers.stream("third"), path=CHAT)
    online("chat", "-c", "three").has(0)
    assert contents(chat_server) == [
        "brief",
        "one",
        "first answer",
        "two",
        "second answer",
        "three",
    ]
    talk = begin(online, "-c")
    talk.say("four", "third")
    talk.leave()
    assert contents(chat_server)[-2:] == ["third", "four"]


@pytest.mark.parametrize("off", [{"OCX_HISTORY": "off"}, {}], ids=["setting", "flag"])
def test_without_a_history_the_session_remembers(
    online: Ocx, chat_server: ChatServer, off: dict[str, str]
) -> None:
    talk = begin(online, *([] if off else ["-n"]), env=off)
    talk.say("one", "Hello!")
    chat_server.answer(answers.stream("again"), path=CHAT)
    talk.say("two", "again")
    talk.leave()
    assert contents(chat_server) == ["one", "Hello!", "two"]
    assert not online.state.exists()


def test_several_lines(online: Ocx, chat_server: ChatServer) -> None:
    """A backslash at the end of a line, and three quotes around lines."""
    talk = begin(online, "-n")
    talk.process.send("a\\\r")
    talk.shown.until("…".encode())
    talk.say("b", "Hello!")
    assert contents(chat_server)[-1] == "a\nb"
    chat_server.answer(answers.stream("good"), path=CHAT)
    talk.process.send('"""c\r')
    talk.shown.until_count("…".encode(), 2)
    talk.process.send("\r")
    talk.shown.until_count("…".encode(), 3)
    talk.say('d """', "good")
    assert contents(chat_server)[-1] == "c\n\nd "
    chat_server.answer(answers.stream("fine"), path=CHAT)
    talk.say('"""one"""', "fine")
    assert contents(chat_server)[-1] == "one"
    chat_server.answer(answers.stream("slash"), path=CHAT)
    talk.say("//etc", "slash")
    assert contents(chat_server)[-1] == "/etc"
    talk.leave()


def test_pasted_lines_are_one_message(online: Ocx, chat_server: ChatServer) -> None:
    """As a terminal marks what is pasted (bracketed paste)."""
    talk = begin(online, "-n")
    talk.shown.until(b"\x1b[?2004h")  # it is asked to
    talk.process.send(b"\x1b[200~def f():\n    return 1\n\x1b[201~")
    talk.say("", "Hello!")
    assert contents(chat_server) == ["def f():\n    return 1\n"]
    talk.leave()


def test_ctrl_c_cancels_the_answer_not_the_session(online: Ocx, chat_server: ChatServer) -> None:
    """The server sees the connection close; the cancelled call is kept, not continued."""
    half = [answers.STREAM_HEAD + answers.delta("half an answer\n\nmore\n\nx"), STALL]
    chat_server.answer(half, path=CHAT)
    talk = begin(online)
    talk.process.send("one\r")
    talk.shown.until(b"half an answer")
    talk.process.send(b"\x03")
    chat_server.wait_for_close()
    talk.ready()
    chat_server.answer(answers.stream("whole"), path=CHAT)
    talk.say("two", "whole")
    assert contents(chat_server) == ["two"]
    # At the prompt it gives up the line.
    talk.process.send("never sent")
    talk.shown.until(b"never sent")
    talk.idle()
    talk.process.send(b"\x03")
    talk.ready()
    chat_server.answer(answers.stream("third"), path=CHAT)
    talk.say("three", "third")
    assert contents(chat_server) == ["two", "whole", "three"]
    talk.leave()
    kept = online("history", "list", "--json").json
    assert [call["outcome"] for call in kept] == ["finished", "finished", "cancelled"]
    assert kept[2]["exit_code"] == 130
    assert kept[2]["answer"].startswith("half an answer")


def test_commands(online: Ocx, chat_server: ChatServer) -> None:
    (online.work / "notes.txt").write_text("from a file\n")
    talk = begin(online, size=(24, 160))
    talk.say("/help", "/retry")
    talk.say("/model", "model: deepseek-chat")
    talk.say("/model gpt-4o", "model: gpt-4o")
    talk.say("/system", "system: (none)")
    talk.say("/system Be brief.", "system: Be brief.")
    (online.work / "订单 表.txt").write_bytes("从文件来\n".encode("gb18030"))
    talk.say("/file 订单 表.txt", "try /file --encoding gb18030")
    talk.say("/file --encoding gb18030 订单 表.txt", "goes with the next message")
    talk.say("/file --encoding nonsense x", "unknown encoding")
    talk.say("/file notes.txt", "goes with the next message")
    talk.say("/save x", "no answer to save yet")
    talk.say("/retry", "nothing to ask again yet")
    talk.say("/usage", "showing it is on")
    talk.say("read this", "usage:")
    assert asked(chat_server)["model"] == "gpt-4o"
    assert contents(chat_server) == ["Be brief.", "read this\n\n从文件来\n\nfrom a file\n"]
    chat_server.answer(answers.stream("another answer"), path=CHAT)
    talk.say("/retry", "another answer")
    assert contents(chat_server) == ["Be brief.", "read this\n\n从文件来\n\nfrom a file\n"]
    talk.say("/save answer.txt", "saved answer.txt")
    assert (online.work / "answer.txt").read_text() == "another answer\n"
    talk.say("/save answer.txt", "exists already")
    talk.say("/save", "/save needs")
    talk.say("/file", "/file needs")
    talk.say("/file missing.txt", "cannot read")
    talk.say("/file ~nobody-of-that-name/x", "cannot read ~nobody")
    talk.say("/save ~nobody-of-that-name/x", "cannot write ~nobody")
    talk.say("/modle x", "did you mean /model?")
    chat_server.answer(answers.stream("third answer"), path=CHAT)
    talk.say("go on", "third answer")
    assert contents(chat_server)[2:] == ["another answer", "go on"]
    # Where the server does not count, the sum says so: unknown is not none.
    talk.say("/usage", "answers not counted so far; showing it is off")
    talk.process.send("/exit\r")
    talk.process.finish().has(0)


def test_an_error_ends_the_turn_not_the_session(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.error(401, "invalid_api_key", x_request_id="req-7"), path=CHAT)
    strict = {"PYTHONIOENCODING": "utf-8:strict"}  # as of a locale with a language
    talk = begin(online, size=(24, 160), env=strict)
    talk.say("one", "\x1b[31merror:\x1b[0m")
    assert b"the key is that of OCX_API_KEY: set another" in talk.shown.so_far()
    talk.process.send(b"a\xffb\r")
    talk.shown.until(b"that is not UTF-8 text")
    talk.ready()
    chat_server.answer(answers.stream("works"), path=CHAT)
    talk.say("two", "works")
    assert contents(chat_server) == ["two"]
    talk.process.send("/exit\r")
    talk.process.finish().has(0)
    kept = online("history", "list", "--json").json
    assert [call["request_id"] for call in kept] == [None, "req-7"]


def test_a_schema_holds_in_a_session(online: Ocx, chat_server: ChatServer) -> None:
    talk = begin(online, "--schema", "a", "-n")
    talk.say("one", "is not JSON")
    chat_server.answer(answers.stream('{"a": "b"}'), path=CHAT)
    talk.say("two", '{"a": "b"}')
    talk.leave()


def test_lines_are_kept_for_the_next_session(online: Ocx, chat_server: ChatServer) -> None:
    """Arrow up brings back what was typed; the file is private, and two sessions share it."""
    other = begin(online)
    talk = begin(online)
    other.say("and this", "Hello!")
    talk.say("remember this", "Hello!")
    other.leave()
    talk.leave()
    prompts = online.state / "prompts"
    assert prompts.read_text() == "and this\nremember this\n"
    assert prompts.stat().st_mode & 0o777 == 0o600
    chat_server.answer(answers.stream("second"), path=CHAT)
    talk = begin(online)
    talk.process.send(b"\x1b[A")
    talk.shown.until(b"remember this")
    talk.process.send("\r")
    talk.shown.until(b"second")
    talk.ready()
    assert contents(chat_server)[-1] == "remember this"
    talk.leave()


def test_term_ends_the_session(online: Ocx) -> None:
    talk = begin(online)
    talk.idle()
    talk.process.signal(signal.SIGTERM)
    assert talk.process.wait() == -signal.SIGTERM


def test_when_there_is_no_session(online: Ocx) -> None:
    """Both ends must be a terminal; without a key the session does not begin."""
    online("chat").has(2)
    for args in (("-o", "x"), ("--dry-run",), ("--snippet", "curl"), ("--estimate",)):
        online.in_terminal("chat", *args).finish().has(2)
    online.in_terminal("chat", env={"OCX_API_KEY": "", "OCX_BASE_URL": ""}).finish().has(4)


MARKDOWN = (
    "# Title\n\nA paragraph\nwith **bold** text that is long enough to be wrapped at forty"
    " columns.\n\n"
    "宽字符在终端里占两列，所以这一行也要正确地折行，不能超出边界。\n\n"
    "```python\ndef f():\n    return '\x1b[31mred'\n```\n\n- one\n- two\n"
)


@pytest.mark.parametrize("columns", [80, 40])
def test_markdown_is_rendered_as_it_comes(
    online: Ocx, chat_server: ChatServer, columns: int
) -> None:
    """The beginning of a block shows while the rest is still to come."""
    more = threading.Event()
    first, rest = MARKDOWN[:21], MARKDOWN[21:]
    script = [
        answers.STREAM_HEAD + answers.delta(first),
        more,
        answers.delta(rest) + answers.finish()
        + answers.event(answers.DONE) + answers.LAST_PIECE,
    ]  # fmt: skip
    chat_server.answer(script, path=CHAT)
    talk = begin(online, "-n", size=(24, columns))
    talk.process.send("go\r")
    talk.shown.until(b"paragraph")
    more.set()
    talk.ready()
    shown = talk.leave().split("go\r\n", 1)[1]
    assert "\\x1b[31mred" in plain(shown)
    assert "\x1b[31mred" not in shown
    assert "**bold**" not in shown
    # Nothing but the end of the screen is touched: scrollback stays as it was read.
    for code in ("\x1b[2J", "\x1b[H", "\x1b[?1049h"):
        assert code not in shown
    screen = Emulator(columns, 24)
    screen.write(shown.encode())
    wrapped = ["A paragraph with bold text that is long enough to be wrapped at forty columns."]
    if columns == 40:
        wrapped = [
            "A paragraph with bold text that is long",
            "enough to be wrapped at forty columns.",
        ]
    start = screen.lines().index("Title")
    assert screen.lines()[start : start + len(wrapped) + 2] == ["Title", "", *wrapped]


def plain(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def test_the_model_of_a_conversation_is_shown_and_asked(
    online: Ocx, chat_server: ChatServer
) -> None:
    """Else the prompt names one model, and another is paid."""
    chat_server.answer(answers.stream("yes"), path=CHAT)
    online("chat", "--log", "-m", "gpt-4o", "one").has(0)
    talk = begin(online, "-c")
    assert b"gpt-4o> " in talk.shown.so_far()
    talk.say("two", "yes")
    assert asked(chat_server)["model"] == "gpt-4o"
    talk.say("/model deepseek-chat", "model: deepseek-chat")
    talk.say("three")
    assert asked(chat_server)["model"] == "deepseek-chat"
    talk.leave()


def test_retry_repeats_the_last_call_of_a_conversation(
    online: Ocx, chat_server: ChatServer
) -> None:
    """Also one that an earlier program made; the new answer takes the place of the old one."""
    online("chat", "-c", "one").has(0)
    talk = begin(online, "-c")
    chat_server.answer(answers.stream("better"), path=CHAT)
    talk.say("/retry", "better")
    assert contents(chat_server) == ["one"]
    talk.say("two", "better")
    assert contents(chat_server) == ["one", "better", "two"]
    talk.leave()


def test_a_broken_tool_call_ends_a_turn_and_not_the_session(
    online: Ocx, chat_server: ChatServer
) -> None:
    """Its arguments are not shown, and no later turn sends them."""
    cut = {"id": "a1", "function": {"name": "write", "arguments": '{"x": "secret'}}
    broken = answers.event(answers.chunk(tool_calls=[cut])) + answers.finish("tool_calls")
    good = [{"id": f"a{at}", "index": 0, "function": {"name": "look"}} for at in (1, 2)]
    two = b"".join(answers.event(answers.chunk(tool_calls=[call])) for call in good)
    chat_server.answer(
        answers.STREAM_HEAD + broken + answers.LAST_PIECE,
        answers.STREAM_HEAD + two + answers.finish() + answers.LAST_PIECE,
        path=CHAT,
    )
    talk = begin(online)
    talk.say("one", "the tool call write are not JSON")
    talk.say("two", '"a2"')
    assert contents(chat_server) == ["two"]
    assert "secret" not in talk.leave()


def test_exit_leaves_and_costs_nothing(online: Ocx, chat_server: ChatServer) -> None:
    for word in ("exit", "quit", "/q"):
        talk = begin(online, "-n")
        talk.process.send(f"{word}\r")
        talk.process.finish().has(0)
    assert chat_server.requests == []


def test_an_answer_that_is_cancelled_says_so(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer([answers.STREAM_HEAD + answers.delta("begun\n\nx"), STALL], path=CHAT)
    talk = begin(online, "-n")
    talk.process.send("one\r")
    talk.shown.until(b"begun")
    talk.process.send(b"\x03")
    talk.shown.until(b"(cancelled)")
    talk.ready()
    chat_server.answer(answers.stream("works"), path=CHAT)
    talk.say("two", "works")
    talk.process.send("half a line")
    talk.shown.until(b"half a line")
    talk.idle()
    talk.process.send(b"\x03")
    talk.ready()
    assert talk.leave().count("(cancelled)") == 1


def test_a_session_says_what_it_goes_on_with(online: Ocx, chat_server: ChatServer) -> None:
    online("chat", "--log", "a question of yesterday").has(0)
    talk = begin(online, "-c")
    talk.say("more", "Hello!")
    assert "continuing 1 (2 messages): a question of yesterday" in talk.leave()
    talk = begin(online, "--conversation", "1")
    talk.say("/new", "a new conversation")
    talk.say("else", "Hello!")
    talk.leave()
    assert contents(chat_server) == ["else"]
    assert online("history", "list", "--json").json[0]["conversation"] == 3


@pytest.mark.parametrize("typed", ['"""first\rsecond\rthird"""', "first\\\rsecond\\\rthird"])
def test_arrow_up_brings_back_the_whole_message(
    online: Ocx, chat_server: ChatServer, typed: str
) -> None:
    """In this session, and in the next one."""
    talk = begin(online)
    first, second, third = typed.split("\r")
    talk.process.send(f"{first}\r")
    talk.shown.until("… ".encode())
    talk.process.send(f"{second}\r")
    talk.shown.until_count("… ".encode(), 2)
    talk.say(third, "Hello!")
    chat_server.answer(answers.stream("again"), path=CHAT)
    talk.say("\x1b[A", "again")
    assert contents(chat_server)[-1] == "first\nsecond\nthird"
    talk.leave()
    chat_server.answer(answers.stream("later"), path=CHAT)
    talk = begin(online)
    talk.say("\x1b[A", "later")
    assert contents(chat_server)[-1] == "first\nsecond\nthird"
    talk.leave()

"""What the history keeps of a call, through the real program."""

from __future__ import annotations

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx


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

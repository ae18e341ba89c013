"""`ocx history` through the real program."""

from __future__ import annotations

import json
import os
import re
import signal
from decimal import Decimal
from typing import Any

import pytest

from ocx.history.call import Call
from ocx.history.store import History
from tests.support import answers
from tests.support.chat_server import CHAT
from tests.support.program import Ocx
from tests.support.raw_server import STALL
from tests.support.sizes import size

DAY = 86_400.0
START = 1_767_268_800.0  # noon of a day in January 2026, in most time zones


def call(**given: Any) -> Call:
    fixed = {"profile": "default", "base_url": "https://opencodex.hk/api/v1", "seconds": 1.0}
    ending = {"outcome": "finished", "exit_code": 0, "started": START, "model": "deepseek-chat"}
    return Call(**{**fixed, **ending, **given})


@pytest.fixture
def kept(ocx: Ocx) -> Ocx:
    """A history of four calls in three conversations."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    user = [{"role": "user", "content": "the quick\tbrown fox"}]
    with History(ocx.state) as history:
        history.record(call(answer="jumps", usage=usage), user)
        plan = history.conversation("plan", "work")
        later = {"started": START + DAY, "profile": "work", "model": "gpt-4o"}
        named = {"credits": Decimal("0.5"), "credits_source": "response"}
        history.record(call(answer="a plan", usage=usage, **named, **later), user, plan)
        image = [{"type": "image_url", "image_url": {"url": "https://example.com/a"}}]
        history.record(
            call(answer="\x1b[31mred", reasoning="why", tool_calls=[{"id": 1}], retries=2,
                 request_id="req-7", options={"seed": 1}, **later),
            [{"role": "system", "content": "s"}, {"role": "user", "content": image}], plan,
        )  # fmt: skip
        history.record(
            call(outcome="failed", exit_code=8, error="HTTP 503", started=START + 2 * DAY),
            [{"role": "user", "content": "世界"}],
        )
    return ocx


def ids(run: Any) -> list[int]:
    return [int(line.split("\t")[0]) for line in run.has(0).text.splitlines()]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ((), [4, 3, 2, 1]),
        (("--limit", "2"), [4, 3]),
        (("-m", "gpt-4o"), [3, 2]),
        (("-P", "work"), [3, 2]),
        (("--conversation", "plan"), [3, 2]),
        (("--conversation", "1"), [1]),
        (("--since", "2026-01-03"), [4]),
        (("--until", "2026-01-02T00:00"), [1]),
        (("--since", "1h"), []),
    ],
)
def test_list(kept: Ocx, flags: tuple[str, ...], found: list[int]) -> None:
    assert ids(kept("history", "list", *flags)) == found


def test_list_in_a_pipe_is_tsv(kept: Ocx) -> None:
    rows = [line.split("\t") for line in kept("history", "list").text.splitlines()]
    assert {len(row) for row in rows} == {8}
    assert rows[-1][2:] == ["deepseek-chat", "1", "10+5", "", "finished", "the quick brown fox"]
    assert rows[2][5] == "0.5"
    assert kept("history", "list", "--json").json[3]["messages"][0]["role"] == "user"
    kept("history", "list", "--since", "soon").has(2)


def test_list_on_a_terminal_of_80_columns_is_a_line_a_call(online: Ocx) -> None:
    """No tokens and credits without -u and --cost, then no columns for them; nor for a conversation
    without a name and for an outcome that is good."""
    prompt = "a prompt that is longer than the place that is left"
    online("chat", "--log", prompt).has(0)
    written = online.in_terminal("history", "list").finish().has(0).text
    shown = re.sub(r"\x1b\[[0-9;]*m", "", written).splitlines()
    assert shown[0].split() == ["ID", "WHEN", "MODEL", "PROMPT"]
    assert re.fullmatch(rf" 1  \d+ s ago +deepseek-chat  {prompt[:30]}.*", shown[1])
    assert len(shown) == 2
    assert max(map(len, shown)) <= 80


def test_search(kept: Ocx) -> None:
    assert ids(kept("history", "search", "brown", "fox")) == [2, 1]
    assert ids(kept("history", "search", "PLAN")) == [2]
    assert ids(kept("history", "search", "世界")) == [4]
    assert ids(kept("history", "search", "fox", "-m", "gpt-4o")) == [2]
    assert ids(kept("history", "search", '"(')) == []


def test_show(kept: Ocx) -> None:
    text = kept("history", "show", "3").has(0).text
    for part in ("conversation: plan", "retries: 2", "request id: req-7", "## reasoning\n\nwhy",
                 "[image_url]", "## tool calls", 'options: {"seed": 1}'):  # fmt: skip
        assert part in text
    assert "HTTP 503" in kept("history", "show").text
    assert kept("history", "show", "2", "--json").json["credits"] == "0.5"
    assert "no call 9" in kept("history", "show", "9").has(2).stderr
    kept("history", "show", "--json", "--request").has(2)
    shown = kept.in_terminal("history", "show", "3").finish().text
    assert "\x1b[31mred" not in shown
    assert "\\x1b[31mred" in shown
    with History(kept.state) as history:
        history.record(call(answer="\x9b2J"), [{"role": "user", "content": "\x9b2J"}])
    for words in (("show", "--request"), ("export",), ("show", "--json")):
        shown = kept.in_terminal("history", *words).finish().text
        assert "\x9b" not in shown
        assert "\\u009b2J" in shown
        assert "\x9b" in kept("history", *words).text


def test_a_request_can_be_sent_again(kept: Ocx) -> None:
    """`history show ID --request` is read by --messages, with model and options."""
    stored = kept("history", "show", "3", "--request").has(0)
    assert stored.text.count("\n") == 1
    row = stored.json
    assert row["body"]["model"] == "gpt-4o"
    again = kept("chat", "--messages", "-", "--dry-run", "--no-stream", input=stored.stdout).has(0)
    assert json.loads(again.text.split("\n\n", 1)[1]) == row["body"]
    other = kept("chat", "--messages", "-", "--dry-run", "-m", "m", "-O", "seed=2",
                 input=stored.stdout)  # fmt: skip
    body = json.loads(other.text.split("\n\n", 1)[1])
    assert (body["model"], body["seed"]) == ("m", 2)


def test_rm(kept: Ocx) -> None:
    assert "nothing was chosen" in kept("history", "rm").has(2).stderr
    kept("history", "rm", "1", "--all", "-y").has(2)
    assert (
        "this would remove 1 call from the history, and there is no terminal to ask on"
        in kept("history", "rm", "1").has(2).stderr
    )
    kept("history", "rm", "1", "-y").has(0)
    assert "nothing matches" in kept("history", "rm", "1", "-y").has(0).stderr
    kept("history", "rm", "--conversation", "plan", "--model", "none", "-y").has(0)
    assert ids(kept("history", "list")) == [4, 3, 2]
    kept("history", "rm", "-P", "work", "-y").has(0)
    kept("history", "rm", "--older-than", "99999d", "-y").has(0)
    assert ids(kept("history", "list")) == [4]
    kept("history", "rm", "--older-than", "1s", "-y").has(0)
    assert ids(kept("history", "list")) == []
    kept("history", "rm", "--older-than", "1y", "-y").has(2)
    assert "nothing matches" in kept("history", "rm", "9" * 20, "-y").has(0).stderr
    kept("history", "list", "--limit", "9" * 20).has(0)


def test_names_of_conversations_are_there_for_tab(kept: Ocx) -> None:
    names = kept.home / "cache/ocx/names/conversations.txt"
    for name in ("two words", "$(id)", "a-trip", "a-trp"):
        said = kept("--sandbox", "chat", "--conversation", name, "hi").has(0).stderr
        assert f"{name} is a new conversation" in said
    assert "did you mean a-trip?" in said
    assert names.read_text() == "a-trp\na-trip\nplan\n"
    kept("--sandbox", "chat", "--conversation", "plan", "on").has(0)
    assert names.read_text() == "plan\na-trp\na-trip\n"
    kept("history", "rm", "--conversation", "plan", "-y").has(0)
    assert names.read_text() == "a-trp\na-trip\n"
    for is_new in (True, False):  # what failed is none, and it is not meant by its own name
        failed = kept("--sandbox", "chat", "-m", "x", "--conversation", "b", "hi").has(7)
        assert ("b is a new conversation" in failed.stderr) is is_new


def test_rm_asks(kept: Ocx) -> None:
    process = kept.in_terminal("history", "rm", "--all")
    process.stdout.until(b"Remove 4 calls")
    process.send("n\n")
    process.finish().has(2)
    process = kept.in_terminal("history", "rm", "--all")
    process.stdout.until(b"[y/N]")
    process.send("y\n")
    process.finish().has(0)
    assert ids(kept("history", "list")) == []


def test_export_is_json_lines(kept: Ocx) -> None:
    rows = [json.loads(line) for line in kept("history", "export").has(0).text.splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3, 4]
    assert rows[1]["messages"][0]["content"] == "the quick\tbrown fox"
    assert rows[3]["error"] == "HTTP 503"


def test_stats(kept: Ocx) -> None:
    """TSV in a pipe, bars on a terminal; what is unknown is never 0."""
    rows = [line.split("\t")[1:] for line in kept("history", "stats").has(0).text.splitlines()]
    assert rows == [
        ["deepseek-chat", "1", "10", "5", "", "1"],
        ["gpt-4o", "2", "10", "5", "0.5", "1"],
        ["deepseek-chat", "1", "", "", "", "1"],
    ]
    documents = kept("history", "stats", "--json").json
    assert documents[0]["credits"] is None
    assert documents[1]["credits"] == "0.5"
    assert [(d["prompt_tokens"], d["unknown_tokens"]) for d in documents] == [
        (10, 0), (10, 1), (None, 1),
    ]  # fmt: skip
    shown = kept.in_terminal("history", "stats", size=(24, 100)).finish().has(0).text
    assert [line.count("█") for line in shown.splitlines()] == [0, 20, 40, 0, 0]
    assert "unknown: tokens of 2 calls, credits of 3 calls" in shown
    assert "unknown" not in shown.replace("unknown: tokens", "")


def test_nothing_kept_yet(ocx: Ocx) -> None:
    """Looking makes no file."""
    for words in (("list",), ("search", "x"), ("stats",), ("export",), ("rm", "--all", "-y")):
        assert ocx("history", *words).has(0).stdout == b""
    assert ocx("history", "list", "--json").json == []
    assert "no call is kept yet" in ocx("history", "show").has(2).stderr
    assert not ocx.state.exists()


def test_a_number_after_c_is_told_to_be_a_part_of_the_prompt(online: Ocx) -> None:
    """Some think that -c takes a number; `-c 5 "more"` is a prompt all the same.

    Nothing is said where no conversation has that number, nor of a number that is quoted or alone.
    """
    online("chat", "--log", "first").has(0)
    noted = online("chat", "-c", "1", "and then?").has(0)
    assert "1 is sent as part of the prompt" in noted.stderr
    assert "--conversation 1" in noted.stderr
    for words in (["-c", "99", "more"], ["-c", "1 more"], ["-c", "1"], ["--log", "1", "more"]):
        assert "as part of the prompt" not in online("chat", *words).has(0).stderr
    last = online("history", "show", "2", "--json").json["messages"][-1]["content"]
    assert last == "1 and then?"


@pytest.mark.slow
def test_many_programs_in_one_conversation(online: Ocx) -> None:
    """Fifty (in full) `ocx chat` at once: nothing lost, nothing mixed, no lock shown."""
    count = size(50, 5)
    started = [
        online.spawn("chat", "--conversation", "all", f"turn {number}", "--timeout", "300")
        for number in range(count)
    ]
    for process in started:
        process.popen.wait(120)
        run = process.finished()
        assert run.status == 0, run
        assert "locked" not in run.stderr
    last = online("history", "show", "--json").json
    turns = [message["content"] for message in last["messages"] if message["role"] == "user"]
    assert sorted(turns) == sorted(f"turn {number}" for number in range(count))
    assert len(last["messages"]) == 2 * count - 1
    assert len(online("history", "list", "--limit", "99", "--json").json) == count


def test_kill_9_loses_only_the_call_in_flight(online: Ocx, chat_server: Any) -> None:
    online("chat", "--conversation", "a", "one").has(0)
    chat_server.answer([answers.STREAM_HEAD + answers.delta("half"), STALL], path=CHAT)
    process = online.spawn("chat", "--conversation", "a", "two")
    process.stdout.until(b"half")
    process.kill()
    chat_server.answer(answers.stream("three"), path=CHAT)
    online("chat", "--conversation", "a", "three").has(0)
    assert [c["messages"][-1]["content"] for c in online("history", "list", "--json").json] == [
        "three",
        "one",
    ]


def test_how_a_call_ended_is_kept(online: Ocx, chat_server: Any) -> None:
    """Stopped by a signal, and by a reader that went away: cancelled, with what had arrived."""
    chat_server.answer([answers.STREAM_HEAD + answers.delta("half"), STALL], path=CHAT)
    for number in (signal.SIGHUP, signal.SIGTERM):
        process = online.spawn("chat", "--log", "one", "--report", "report.json")
        assert process.stdout is not None
        process.stdout.until(b"half")
        process.signal(number)
        assert process.wait() == -number
        report = json.loads((online.work / "report.json").read_text())
        assert (report["outcome"], report["exit_code"]) == ("cancelled", 128 + number)
    read, write = os.pipe()
    os.close(read)
    closed = online.spawn("chat", "--log", "two", stdout=write)
    os.close(write)
    assert closed.wait() == -signal.SIGPIPE
    kept = online("history", "list", "--json").json
    assert [(call["outcome"], call["exit_code"], call["answer"]) for call in kept] == [
        ("cancelled", 141, "half"),
        ("cancelled", 143, "half"),
        ("cancelled", 129, "half"),
    ]

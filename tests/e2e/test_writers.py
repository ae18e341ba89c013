"""Two programs that write one file: one wins whole, the other is told, and nothing is left."""

from __future__ import annotations

import json
import random
import signal
import threading
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx, Process
from tests.support.raw_server import STALL
from tests.support.row_server import RowServer, write_rows
from tests.support.sizes import size
from tests.support.waiting import DEADLINE

FILE = "report.md"
TOLD = f"another ocx is writing {FILE}"


def held(server: ChatServer) -> threading.Event:
    """The first answer begins, and goes on after the event; the later ones are `Hello!`."""
    gate = threading.Event()
    begin = answers.STREAM_HEAD + answers.delta("first ")
    rest = answers.delta("answer") + answers.finish() + answers.LAST_PIECE
    server.answer([begin, gate, rest], answers.stream("Hello", "!"), path=CHAT)
    return gate


@pytest.mark.parametrize("flag", ["-o", "--report"])
def test_the_second_of_two_chats_is_told_before_it_sends(
    online: Ocx, chat_server: ChatServer, flag: str
) -> None:
    gate = held(chat_server)
    first = online.spawn("chat", flag, FILE, "one")
    chat_server.wait_for_requests(1)
    second = online("chat", flag, FILE, "two").has(2)
    assert TOLD in second.stderr
    assert "Traceback" not in second.stderr
    gate.set()
    first.finish().has(0)
    assert len(chat_server.requests) == 1
    text = (online.work / FILE).read_text()
    assert text == "first answer\n" if flag == "-o" else json.loads(text)["exit_code"] == 0
    assert [path.name for path in online.work.iterdir()] == [FILE]


def test_the_next_one_takes_over_what_a_killed_one_left(
    online: Ocx, chat_server: ChatServer
) -> None:
    chat_server.answer([answers.STREAM_HEAD + answers.delta("half"), STALL], path=CHAT)
    first = online.spawn("chat", "-o", FILE, "--report", "r.json", "one")
    chat_server.wait_for_requests(1)
    wait_for(online.work / f"{FILE}.partial")
    first.signal(signal.SIGKILL)
    first.finish()
    chat_server.answer(answers.stream("whole"), path=CHAT)
    online("chat", "-o", FILE, "--report", "r.json", "two").has(0)
    assert (online.work / FILE).read_text() == "whole\n"
    assert sorted(path.name for path in online.work.iterdir()) == ["r.json", FILE]


def test_a_partial_that_somebody_removes_loses_no_answer(
    online: Ocx, chat_server: ChatServer
) -> None:
    gate = held(chat_server)
    first = online.spawn("chat", "-o", FILE, "one")
    chat_server.wait_for_requests(1)
    partial = online.work / f"{FILE}.partial"
    wait_for(partial)
    partial.unlink()
    online("chat", "-o", FILE, "two").has(0)
    gate.set()
    first.finish().has(0)
    assert (online.work / FILE).read_text() == "first answer\n"
    assert [path.name for path in online.work.iterdir()] == [FILE]


def test_a_chat_does_not_replace_the_output_of_a_running_batch(ocx: Ocx, rows: RowServer) -> None:
    gate = threading.Event()
    rows.behave = lambda prompt, _: [gate] if prompt.startswith("row") else None
    write_rows(ocx.work / "in.jsonl", 2)
    batch = ocx.spawn("batch", "in.jsonl", "-o", FILE, "--report", "r.json")
    rows.wait_for_requests(2)
    for flag in ("-o", "--report"):
        assert TOLD in ocx("chat", flag, FILE, "hi").has(2).stderr
    assert "another ocx is writing r.json" in ocx("chat", "--report", "r.json", "hi").has(2).stderr
    run = ocx("batch", "in.jsonl", "-o", "other", "--report", "r.json").has(2)
    assert "another ocx is writing r.json" in run.stderr
    assert TOLD in ocx("batch", "in.jsonl", "-o", FILE).has(2).stderr
    gate.set()
    batch.kill()


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (("chat", "--report", "-", "hi"), 2, "where the answer goes"),
        (("chat", "-o", "-", "--report", "-", "hi"), 2, "where the answer goes"),
        (("chat", "-o", "a", "--report", "a", "hi"), 2, "one file"),
        (("chat", "-o", "a", "--report", "./a", "hi"), 2, "one file"),
        (("batch", "in", "--report", "-"), 2, "where the answer goes"),
        (("batch", "in", "-o", "a", "--report", "a"), 2, "one file"),
        (("batch", "in", "-o", "a", "--report", "-", "--json"), 2, "both print"),
        (("batch", "in", "-o", "a", "--report", "none/r"), 2, "no folder none"),
        (("chat", "--report", "", "hi"), 2, "needs a file name"),
    ],
)
def test_a_report_needs_a_place_of_its_own(
    online: Ocx, chat_server: ChatServer, args: tuple[str, ...], status: int, message: str
) -> None:
    write_rows(online.work / "in", 1)
    run = online(*args, *(["--input-format", "jsonl"] if args[0] == "batch" else [])).has(status)
    assert message in run.stderr
    assert not chat_server.requests


def test_a_report_on_stdout_beside_an_answer_in_a_file(online: Ocx) -> None:
    assert online("chat", "-o", FILE, "--report", "-", "hi").has(0).json["outcome"] == "finished"
    write_rows(online.work / "in.jsonl", 1)
    run = online("batch", "in.jsonl", "-o", "out.jsonl", "--report", "-").has(0)
    assert run.json["done"] == 1
    assert not (online.work / "-").exists()


STORMS = {
    "-o": ("chat", "-m", "{}", "-o", FILE, "{}"),
    "--report": ("chat", "-m", "{}", "--report", FILE, "{}"),
    "status": ("balance", "--format", "nagios", "--min", "1", "-o", FILE),
    "cache": ("models",),
    "tape": ("serve", "--record", FILE, "--", "OCX", "chat", "--retries", "0", "{}"),
    "batch": ("batch", "in.jsonl", "-o", FILE, "--resume", "-q"),
}


@pytest.mark.parametrize("kind", STORMS)
def test_a_storm_of_writers_that_are_killed(
    online: Ocx, chat_server: ChatServer, kind: str
) -> None:
    """Twenty writers at random moments with kill -9, in parts in the gate."""
    online.unmeasured()
    chance = random.Random(20)
    folder = online.cache / "models" if kind == "cache" else online.work
    file = folder / ("default.txt" if kind == "cache" else FILE)
    if kind == "batch":
        write_rows(folder / "in.jsonl", 20)
    for count in (2, size(20, 4)):
        writers = [writer(online, kind, number) for number in range(count)]
        killed = chance.sample(writers, count // 2)
        for process in killed:
            threading.Event().wait(chance.uniform(0, 0.1))  # any moment, not one to wait for
            process.signal(signal.SIGKILL)
        for process in writers:
            run = process.finish()
            assert run.status in {0, 2, -9}, run
            assert run.status != 2 or TOLD in run.stderr
        if any(process.popen.returncode == 0 for process in writers):
            check_whole(kind, file)
    writer(online, kind, 0).finish().has(0)
    check_whole(kind, file)
    assert {path.name for path in folder.iterdir()} - {"in.jsonl"} == {file.name}


def writer(online: Ocx, kind: str, number: int) -> Process:
    program = online.forked().program
    words = (each for word in STORMS[kind] for each in (program if word == "OCX" else (word,)))
    return online.spawn(*(word.format(f"m{number}") for word in words))


def check_whole(kind: str, file: Path) -> None:
    text = file.read_text()
    if kind == "--report":
        assert json.loads(text)["exit_code"] == 0
    elif kind == "tape":
        assert json.loads(text)["status"] == 200
    elif kind == "batch":
        assert len({json.loads(line)["custom_id"] for line in text.splitlines()}) == 20
    else:
        whole = {"-o": "Hello!\n", "cache": "deepseek-chat\ngpt-4o\n"}
        assert text == whole[kind] if kind in whole else " OK" in text and text.endswith("\n")


def wait_for(path: Path) -> None:
    """Until it holds something."""
    event, end = threading.Event(), DEADLINE
    while not (path.exists() and path.stat().st_size):
        assert end > 0, f"{path} stays empty"
        event.wait(0.01)
        end -= 0.01

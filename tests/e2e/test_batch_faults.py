"""What servers, networks, disks and budgets do to a batch: right rows, right code, resumable."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import answers
from tests.support.program import KEY, Ocx
from tests.support.raw_server import CLOSE, RESET, STALL, closed_port
from tests.support.row_server import RowServer, good, read_rows, write_rows
from tests.support.sizes import some
from tests.support.waiting import DEADLINE

SIZE = 40


@pytest.fixture
def work(ocx: Ocx) -> Path:
    write_rows(ocx.work / "in.jsonl", SIZE)
    return ocx.work


def once(fault: Any) -> Any:
    """The fault for every fourth row, the first time it is asked."""
    return lambda prompt, times: fault if times == 1 and int(prompt.split()[1]) % 4 == 0 else None


@pytest.mark.parametrize(("status", "code"), [(402, 5), (401, 4)])
def test_no_credits_or_no_key_leaves_the_rows_unsent(
    ocx: Ocx, rows: RowServer, work: Path, status: int, code: int
) -> None:
    rows.behave = lambda *_: answers.error(status)
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl").has(code)
    assert (work / "out.jsonl").read_bytes() == b"", "no error rows"
    assert f"{SIZE} rows unsent" in run.stderr
    assert len(rows.requests) <= 4
    rows.behave = lambda *_: None
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(0)
    assert len(read_rows(work / "out.jsonl")) == SIZE


FAULTS: dict[str, Any] = {
    "429": answers.error(429, retry_after="0"),
    "429 without a word": answers.error(429),
    "500": answers.error(500),
    "503": answers.error(503),
    "reset": [RESET],
    "closed": [CLOSE],
    "half an answer": [good("x")[:-20], CLOSE],
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_that_pass_are_not_seen_in_the_rows(
    ocx: Ocx, rows: RowServer, work: Path, name: str
) -> None:
    rows.behave = once(FAULTS[name])
    # A refusal slows the whole run down, as it should; eight rows show it too.
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--limit", "8").has(0)
    assert {row["ocx"]["class"] for row in read_rows(work / "out.jsonl")} == {"ok"}
    assert len(read_rows(work / "out.jsonl")) == 8
    assert max(rows.asked.values()) == 2


def test_a_refused_response_format_is_remembered(ocx: Ocx, rows: RowServer, work: Path) -> None:
    """One request for each row, and one that was refused for each that was on its way."""

    def answer(prompt: str, _: int) -> bytes:
        if b"response_format" in rows.requests[-1].body:
            return answers.error(400, message="response_format is not supported")
        return answers.answer(answers.completion('{"a": 1}'))

    rows.behave = answer
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--schema", "a int", "-j", "1")
    ocx(*args).has(0)
    asked = [b"response_format" in request.body for request in rows.requests]
    assert (asked.count(True), len(asked)) == (1, SIZE + 1)


def test_a_server_that_refuses_all_at_the_start(ocx: Ocx, rows: RowServer, work: Path) -> None:
    lock, left = threading.Lock(), [4]

    def refuse_four(*_: object) -> bytes | None:
        with lock:
            left[0] -= 1
            return answers.error(429, retry_after="0") if left[0] >= 0 else None

    rows.behave = refuse_four
    # Few rows: the pace that is learned from a refusal is that of a machine which may be busy.
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--limit", "8").has(0)
    assert {row["ocx"]["class"] for row in read_rows(work / "out.jsonl")} == {"ok"}


def test_stalls_are_rows_for_a_rerun(ocx: Ocx, rows: RowServer, work: Path) -> None:
    rows.behave = lambda prompt, times: [STALL] if prompt == "row 7" and times == 1 else None
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--timeout", "1").has(13)
    out = {row["custom_id"]: row for row in read_rows(work / "out.jsonl")}
    assert out["r7"]["ocx"]["class"] == "timeout"
    assert out["r7"]["error"]["code"] == "timeout"
    assert rows.asked["row 7"] == 1, "the next would take as long"
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--resume").has(0)
    assert len(read_rows(work / "out.jsonl")) == SIZE, "the failed row has been replaced"


def test_a_server_that_stays_down_is_one_outage(ocx: Ocx, rows: RowServer, work: Path) -> None:
    rows.behave = lambda *_: [CLOSE]
    rows.answer([CLOSE], path="/models")
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl", "--max-outage", "0.5").has(9)
    assert (work / "out.jsonl").read_bytes() == b""
    assert f"{SIZE} rows unsent" in run.stderr


@pytest.mark.parametrize("models", [answers.error(501), [CLOSE]], ids=["501", "nothing"])
@pytest.mark.parametrize("jobs", some([32, 1], 1))
def test_a_row_that_loses_its_connection_is_that_row_s_failure(
    ocx: Ocx, rows: RowServer, work: Path, jobs: int, models: Any
) -> None:
    """Whatever the server says to a probe, the other rows are answered."""
    rows.behave = lambda prompt, _: [CLOSE] if prompt == "row 10" else None
    rows.answer(models, path="/models")
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "-j", str(jobs))
    ocx(*args).has(13)
    out = {row["custom_id"]: row["ocx"]["class"] for row in read_rows(work / "out.jsonl")}
    assert (out.pop("r10"), set(out.values()), len(out)) == ("network", {"ok"}, SIZE - 1)
    assert rows.asked["row 10"] == 3
    ocx(*args, "--resume").has(13)
    assert len(read_rows(work / "out.jsonl")) == SIZE
    assert rows.asked["row 10"] == 6


def test_what_is_wrong_with_every_row_is_told_once(ocx: Ocx, rows: RowServer, work: Path) -> None:
    rows.behave = lambda *_: answers.error(400, message="max_tokens is too large")
    write_rows(work / "in.jsonl", 500)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "-j", "4")
    run = ocx(*args).has(7)
    assert 20 <= sum(rows.asked.values()) <= 24
    assert "max_tokens is too large" in run.stderr.splitlines()[-2]
    ocx(*args, "--resume", "--retry-errors", "all", "--max-failures", "100%").has(7)
    assert len(rows.asked) == 500


def test_a_model_that_does_not_exist_is_the_end(ocx: Ocx, rows: RowServer, work: Path) -> None:
    rows.behave = lambda *_: answers.error(404, "model_not_found", message="no such model")
    run = ocx("batch", "in.jsonl", "-m", "deepseek-caht", "-o", "out.jsonl").has(7)
    assert (work / "out.jsonl").read_bytes() == b""
    assert f"{SIZE} rows unsent" in run.stderr
    assert "hint: did you mean -m deepseek-chat?" in run.stderr
    assert len(rows.asked) <= 4


def test_as_many_at_once_as_there_may_be_files(ocx: Ocx, rows: RowServer, work: Path) -> None:
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "-j", "10000")
    limited = ("bash", "-c", 'ulimit -n 200; exec "$@"', "bash")
    run = ocx.spawn(*args, prefix=limited).finish().has(0)
    assert "136 at once" in run.stderr
    assert len(read_rows(work / "out.jsonl")) == SIZE
    ocx("batch", "in.jsonl", "-j", "10001").has(2)


def test_waiting_is_told_in_a_pipe_from_the_first_second_and_after_ctrl_c(
    ocx: Ocx, work: Path
) -> None:
    place = f"127.0.0.1:{closed_port()}"
    ocx.env |= {"OCX_BASE_URL": f"http://{place}/v1", "OCX_API_KEY": KEY}
    process = ocx.spawn("batch", "in.jsonl", "-o", "out.jsonl")
    assert process.stderr is not None
    told = f"ocx: waiting for {place}: Connection refused (0:0"
    process.stderr.until(told.encode())
    process.signal(signal.SIGINT)
    run = process.finish().has(-signal.SIGINT)
    assert f"it was waiting for {place}: Connection refused" in run.stderr
    assert run.stderr.count(told) == 1
    assert f"{SIZE} unsent" in run.stderr


def test_waiting_is_told_in_the_bar(ocx: Ocx, work: Path) -> None:
    place = f"127.0.0.1:{closed_port()}"
    ocx.env |= {"OCX_BASE_URL": f"http://{place}/v1", "OCX_API_KEY": KEY}
    process = ocx.in_terminal("batch", "in.jsonl", "-o", "out.jsonl", size=(24, 120))
    assert process.stdout is not None
    process.stdout.until(f"waiting for {place}: Connection refused (0:0".encode())
    process.send(b"\x03")
    process.finish().has(-signal.SIGINT)


class Proxy:
    """Forwards to a server, and can be told to drop everything: the network is off."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.off = threading.Event()
        self._start(self._accept)

    def drop(self) -> None:
        self.off.set()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.drop()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
        for connection in (self._listener, *self._open):
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.off.is_set():
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                self._start(self._pump, client, server)
                self._start(self._pump, server, client)

    def _start(self, run: Callable[..., None], *args: socket.socket) -> None:
        self._threads.append(threading.Thread(target=run, args=args, daemon=True))
        self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        for connection in (source, target):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(rows: RowServer) -> Iterator[Proxy]:
    made = Proxy(rows.port)
    yield made
    made.close()


@pytest.mark.slow
def test_a_network_that_is_off_for_a_while_fails_no_row(
    ocx: Ocx, rows: RowServer, work: Path, proxy: Proxy, request: pytest.FixtureRequest
) -> None:
    """Until the run has seen it; with --full for a minute."""
    ocx.env["OCX_BASE_URL"] = f"http://127.0.0.1:{proxy.port}/api/v1"
    process = ocx.spawn("batch", "in.jsonl", "-o", "out.jsonl", "--progress", "json")
    rows.wait_for_requests(10)
    proxy.drop()
    assert process.stderr is not None
    process.stderr.until(b"no answer from the server")
    if request.config.getoption("--full"):
        threading.Event().wait(60)
    proxy.off.clear()
    assert process.popen.wait(100) == 0  # the next look may be 15 s away
    assert {row["ocx"]["class"] for row in read_rows(work / "out.jsonl")} == {"ok"}
    assert len(read_rows(work / "out.jsonl")) == SIZE


@pytest.mark.parametrize("room", some([40, 8], 1), ids="{} KiB".format)
def test_a_disk_that_is_full(ocx: Ocx, rows: RowServer, work: Path, room: int) -> None:
    """A limit of the file's size, in KiB, stands for it: no root, no mount."""
    write_rows(work / "in.jsonl", 100)
    command = f'ulimit -f {room}; trap "" XFSZ; exec "$@"'
    args = ("batch", "in.jsonl", "-o", "out.jsonl")
    run = ocx.spawn(*args, prefix=("bash", "-c", command, "bash")).finish().has(1)
    assert "cannot write" in run.stderr
    assert (len(read_rows(work / "out.jsonl")) > 0) == (room == 40)
    ocx(*args, "--resume").has(0)
    ocx("batch", "verify", "in.jsonl", "out.jsonl").has(0)


def test_a_device_that_is_full_and_a_pipe_that_closes(
    ocx: Ocx, rows: RowServer, work: Path
) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a descriptor for the child
        ocx("batch", "in.jsonl", stdout=full.fileno()).has(1)
    reading, writing = os.pipe()
    os.close(reading)
    process = ocx.spawn("batch", "in.jsonl", stdout=writing)
    os.close(writing)
    process.finish().has(-13)


def test_too_many_failures_stop_it(ocx: Ocx, rows: RowServer, work: Path) -> None:
    rows.behave = lambda *_: answers.error(400)
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl", "--max-failures", "5").has(7)
    assert len(read_rows(work / "out.jsonl")) < SIZE
    assert "more rows failed than --max-failures" in run.stderr


PRICE = 0.5


def priced(prompt: str, _: int) -> bytes:
    return good(prompt, cost=PRICE)


def spends(rows: RowServer, start: float = 100.0, **named: float) -> list[float]:
    """Have each row take its price from a balance, which is returned."""
    lock, balance = threading.Lock(), [start]

    def spend(prompt: str, _: int) -> bytes:
        with lock:
            balance[0] -= PRICE
        return good(prompt, **named)

    def tell(connection: socket.socket) -> None:
        connection.sendall(answers.answer({"balance": balance[0]}))

    rows.behave = spend
    rows.answer([tell], path="/balance")
    return balance


@pytest.mark.parametrize("told", [{"cost": 0.0}, {"credits": 0.0}])
def test_a_floor_holds_although_the_answers_say_that_they_cost_nothing(
    ocx: Ocx, rows: RowServer, work: Path, told: dict[str, float]
) -> None:
    balance = spends(rows, **told)
    write_rows(work / "in.jsonl", 100)
    run = ocx("batch", "in.jsonl", "-o", "out.jsonl", "-j", "4", "--min-balance", "80").has(12)
    assert "the balance is below --min-balance" in run.stderr or "hold another" in run.stderr
    assert balance[0] < 80


def test_one_lost_reading_of_a_balance_ends_no_run(ocx: Ocx, rows: RowServer, work: Path) -> None:
    well = answers.answer({"balance": 100})
    rows.answer(well, answers.error(503), well, path="/balance")
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--min-balance", "1").has(0)


@pytest.mark.parametrize("jobs", [1, 32])
def test_a_budget_holds(ocx: Ocx, rows: RowServer, work: Path, jobs: int) -> None:
    rows.behave = priced
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "-j", str(jobs))
    run = ocx(*args, "--max-credits", "6", "--report", "r.json").has(13)
    report = json.loads((work / "r.json").read_text())
    assert report["stopped"] == "max_credits"
    sent = sum(rows.asked.values())
    assert 9 <= sent <= 12, "every row costs 0.5"
    assert f"{SIZE - sent} rows unsent" in run.stderr
    ocx(*args, "--resume").has(0)
    assert set(rows.asked.values()) == {1}


def test_a_budget_by_price_holds_before_any_cost_is_known(
    ocx: Ocx, rows: RowServer, work: Path
) -> None:
    ocx.write_config('[prices."m"]\nprompt = 0\ncompletion = 1000\n')
    args = ("batch", "in.jsonl", "-m", "m", "--max-tokens", "1000", "-o", "out.jsonl")
    ocx(*args, "--max-credits", "0.5").has(12)
    assert not rows.asked, "one row may cost a credit"
    rows.behave = lambda prompt, _: good(prompt, completion_tokens=1000)
    ocx(*args, "--max-credits", "3", "--resume").has(13)
    assert sum(rows.asked.values()) == 3


@pytest.mark.parametrize(("limit", "code"), [("--max-credits", 13), ("--min-balance", 12)])
def test_a_nightly_budget_and_a_floor_are_told_apart(
    ocx: Ocx, rows: RowServer, work: Path, limit: str, code: int
) -> None:
    """Answers name no cost, and the report has it from the balance."""
    balance = spends(rows)
    amount = "6" if limit == "--max-credits" else "94"
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "-j", "2", "--report", "r.json")
    ocx(*args, limit, amount).has(code)
    report = json.loads((work / "r.json").read_text())
    assert report["stopped"] == limit[2:].replace("-", "_")
    assert report["credits"] == 100 - balance[0]


def test_the_report_of_a_whole_run_has_its_credits_from_the_balance(
    ocx: Ocx, rows: RowServer, work: Path
) -> None:
    write_rows(work / "in.jsonl", 5)
    balance = spends(rows)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "-j", "2", "--report", "r.json")
    ocx(*args, "--max-credits", "60").has(0)
    report = json.loads((work / "r.json").read_text())
    assert report["credits"] == 100 - balance[0] == 2.5


def test_a_report_without_a_budget_has_them_from_the_balance_too(
    ocx: Ocx, rows: RowServer, work: Path
) -> None:
    write_rows(work / "in.jsonl", 5)
    balance = spends(rows)
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--report", "r.json").has(0)
    assert json.loads((work / "r.json").read_text())["credits"] == 100 - balance[0] == 2.5
    rows.answer(answers.error(404), path="/balance")
    ocx("batch", "in.jsonl", "-o", "again.jsonl", "--report", "r.json").has(0)
    assert json.loads((work / "r.json").read_text())["credits"] is None


def test_play_money_is_told_by_its_balance(ocx: Ocx) -> None:
    write_rows(ocx.work / "in.jsonl", 2)
    run = ocx("--sandbox", "batch", "in.jsonl", "-o", "out.jsonl", "--json").has(0)
    assert run.json["credits"] > 0


def test_credits_that_nobody_tells_are_null(ocx: Ocx, rows: RowServer, work: Path) -> None:
    write_rows(work / "in.jsonl", 5)
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--report", "r.json").has(0)
    assert json.loads((work / "r.json").read_text())["credits"] is None


def test_a_balance_that_is_gone_after_the_last_row_fails_nothing(
    ocx: Ocx, rows: RowServer, work: Path
) -> None:
    write_rows(work / "in.jsonl", 1)
    rows.answer(answers.answer({"balance": 100}), answers.error(400), path="/balance")
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--report", "r.json")
    ocx(*args, "--max-credits", "60").has(0)
    assert json.loads((work / "r.json").read_text())["credits"] is None


def test_a_balance_holds_over_four_shards_at_once(ocx: Ocx, rows: RowServer, work: Path) -> None:
    """Documented: it can fall below by the worst case of all rows in flight."""
    balance = spends(rows, 30.0, cost=PRICE)
    write_rows(work / "in.jsonl", 200)
    shards = [
        ocx.spawn(
            "batch", "in.jsonl", "-o", "out-{shard}.jsonl", "--shard", f"{number}/4",
            "--min-balance", "10", "-j", "2",
        )
        for number in range(4)
    ]  # fmt: skip
    for shard in shards:
        assert shard.wait() == 12
    bound = 4 * 2 * PRICE * 1.5
    assert 10 - bound <= balance[0] < 20


def test_an_unreadable_balance_sends_nothing(ocx: Ocx, rows: RowServer, work: Path) -> None:
    rows.answer(answers.answer({"nothing": "here"}), path="/balance")
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--min-balance", "1").has(8)
    assert not rows.asked


def test_the_real_program_in_a_shell_pipeline(ocx: Ocx, rows: RowServer, work: Path) -> None:
    """`head` closes the pipe: the batch dies of it, quietly."""
    line = "python -m ocx batch in.jsonl --format text 2>err | head -n 1"
    line = line.replace("python", ocx.program[0])
    done = subprocess.run(
        ["bash", "-c", line], check=False, env=ocx.env, cwd=ocx.work, capture_output=True
    )
    assert done.stdout == b"ROW 0\n"
    assert "Traceback" not in (work / "err").read_text()


def test_a_full_device_ends_the_run(ocx: Ocx, rows: RowServer, work: Path) -> None:
    run = ocx("batch", "in.jsonl", "-o", "/dev/full").has(1)
    assert "No space left" in run.stderr
    assert "Traceback" not in run.stderr
    assert sum(rows.asked.values()) < SIZE


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_stdout_by_its_name_takes_the_rows(
    ocx: Ocx, rows: RowServer, work: Path, name: str
) -> None:
    write_rows(work / "in.jsonl", 3)
    run = ocx("batch", "in.jsonl", "--ordered", "-o", name).has(0)
    ids = [json.loads(line)["custom_id"] for line in run.text.splitlines()]
    assert ids == ["r0", "r1", "r2"]
    assert sorted(path.name for path in work.iterdir()) == ["in.jsonl"]


def test_a_named_pipe_takes_the_rows_and_is_not_resumed(
    ocx: Ocx, rows: RowServer, work: Path
) -> None:
    write_rows(work / "in.jsonl", 3)
    os.mkfifo(work / "pipe")
    reader = os.open(work / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    ocx("batch", "in.jsonl", "-o", "pipe").has(0)
    assert os.read(reader, 1 << 16).count(b"\n") == 3
    os.close(reader)
    assert "goes on with a file" in ocx("batch", "in.jsonl", "-o", "pipe", "--resume").has(2).stderr


def test_a_resume_with_another_base_url_says_so_once(ocx: Ocx, rows: RowServer, work: Path) -> None:
    args = ("batch", "in.jsonl", "-o", "out.jsonl")
    rows.behave = lambda prompt, _: answers.error(400) if prompt == "row 3" else None
    ocx(*args, "--limit", "5").has(7)
    ocx(*args, "--resume", "--retry-errors", "all").has(7)
    sent, first = sum(rows.asked.values()), rows.base_url
    other = ocx.env["OCX_BASE_URL"] = rows.base_url.replace("/v1", "/v2")
    run = ocx(*args, "--resume").has(2)
    message, hint = run.stderr.splitlines()
    assert message == (
        f"ocx: error: out.jsonl was answered by {first}, and this run would ask {other}"
    )
    assert "base URL" in hint
    ocx.env["OCX_BASE_URL"] = first + "/"
    run = ocx(*args, "--resume", "-m", "another").has(2)
    assert "line 1 has another request for 'r0' than was answered" in run.stderr
    assert sum(rows.asked.values()) == sent

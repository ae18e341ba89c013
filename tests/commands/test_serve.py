"""`ocx serve` as a user meets it: alone, around a program, and its ledger's commands."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from ocx import process
from ocx.batch import execution
from ocx.commands import serve_run
from ocx.errors import Terminated
from tests.support.program import KEY, Ocx, Process


def called(ocx: Ocx) -> str:
    """The program, for a shell."""
    return shlex.join(ocx.forked().program)


def url_of(process: Process) -> str:
    assert process.stdout is not None
    line = process.stdout.until(b"\n").partition(b"\n")[0]
    url: str = json.loads(line)["listening"]
    return url


def get(url: str, key: str, path: str = "/balance") -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.get(url + path, headers=headers, trust_env=False)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_program_finds_the_server(ocx: Ocx) -> None:
    """The first promise of the README, with nothing else running."""
    program = called(ocx)
    run = ocx("serve", "--", "sh", "-c", f"{program} chat hi && {program} balance --min 499").has(0)
    assert run.text.startswith("hi\n")
    assert not ocx.state.exists(), "the ledger is in memory"


def test_two_ephemeral_runs_are_byte_identical(ocx: Ocx) -> None:
    calls = ("chat --json hi", "chat --json --stream hi", "balance --json")
    shell = "; ".join(f"{called(ocx)} {words}" for words in calls)
    one, two = (ocx("serve", "--ephemeral", "--", "sh", "-c", shell).has(0) for _ in range(2))
    assert one.stdout == two.stdout
    assert b'"created":1700000000' in one.stdout


def test_ephemeral_keys_are_fixed(ocx: Ocx) -> None:
    shell = (
        "echo $OCX_API_KEY;"
        f" OCX_API_KEY=sk-live-local-empty {called(ocx)} chat --retries 0 hi; echo $?;"
        f" OCX_API_KEY=sk-live-local-limited {called(ocx)} chat --retries 0 hi; echo $?;"
        f" OCX_API_KEY=sk-live-local-limited {called(ocx)} chat --retries 0 hi; echo $?"
    )
    run = ocx("serve", "--ephemeral", "--", "sh", "-c", shell).has(0)
    assert run.text.split() == ["sk-live-local-full", "5", "hi", "0", "6"]


def test_the_program_s_environment(ocx: Ocx) -> None:
    names = "OCX_BASE_URL OCX_API_KEY OPENAI_BASE_URL OPENAI_API_KEY OPENCODEX_API_KEY".split()
    script = "import os, json; print(json.dumps(dict(os.environ)))"
    env = {"OCX_SANDBOX": "1", "OCX_PROFILE": "x", "NO_PROXY": "a.example", "OTHER": "kept"}
    run = ocx("serve", "--", sys.executable, "-c", script, env=env).has(0)
    child = run.json
    assert child["OCX_BASE_URL"] == child["OPENAI_BASE_URL"]
    assert child["OCX_BASE_URL"].startswith("http://127.0.0.1:")
    assert len({child[name] for name in names if "KEY" in name}) == 1
    assert child["OCX_API_KEY"].startswith("sk-live-local-")
    assert not {"OCX_SANDBOX", "OCX_PROFILE"} & set(child)
    assert child["NO_PROXY"] == "a.example,127.0.0.1,localhost"
    assert child["no_proxy"] == "127.0.0.1,localhost"
    assert child["OTHER"] == "kept"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("sh", "-c", "exit 3"), 3),
        (("sh", "-c", "kill -9 $$"), 137),
        (("sh", "-c", "kill -HUP $$"), -1),
        (("no-such-program",), 127),
        (("/dev/null",), 126),
        (("keys",), 127),
    ],
)
def test_the_program_s_status_is_ours(ocx: Ocx, words: tuple[str, ...], status: int) -> None:
    """`serve -- keys` runs a program called keys."""
    run = ocx("serve", "--", *words).has(status)
    said = run.stderr.startswith(f"ocx: error: {words[0]}: ")
    assert said == (status in (126, 127))


def test_a_program_that_cannot_run_is_json_if_asked_for(ocx: Ocx) -> None:
    error = ocx("--json", "serve", "--", "no-such-program").has(127).error
    assert error["message"] == "no-such-program: not found"
    assert error["exit_code"] == 127


def test_a_program_is_terminated_with_us(ocx: Ocx) -> None:
    script = "trap 'echo ended; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    process = ocx.spawn("serve", "--", "sh", "-c", script)
    assert process.stdout is not None
    process.stdout.until(b"ready")
    process.signal(signal.SIGTERM)
    process.stdout.until(b"ended")
    assert process.wait() == 7


def test_ctrl_c_is_the_program_s(ocx: Ocx) -> None:
    """It may survive it; then so does the server."""
    script = "trap 'echo caught' INT; echo ready; while :; do sleep 0.05; done"
    process = ocx.in_terminal("serve", "--", "sh", "-c", script)
    assert process.stdout is not None
    process.stdout.until(b"ready")
    process.send(b"\x03")
    process.stdout.until(b"caught")
    process.kill()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)]
)
def test_the_foreground_server_dies_by_its_signal(
    ocx: Ocx, number: signal.Signals, status: int
) -> None:
    key = ocx("serve", "keys", "add", "bob").has(0).text.strip()
    process = ocx.spawn("serve", "--port", "0")
    url = url_of(process)
    assert get(url, key).json()["balance"] == 500
    assert get(url, KEY).status_code == 401
    process.signal(number)
    run = process.finish().has(status)
    first, *lines = run.text.splitlines()
    assert json.loads(first) == {"listening": url}
    good, bad = (json.loads(line) for line in lines)
    assert (good["method"], good["path"], good["status"]) == ("GET", "/api/v1/balance", 200)
    assert good["key"] == f"sk-live-local-…{key[-4:]}"
    assert (bad["status"], bad["outcome"], bad["key"]) == (401, "invalid_api_key", None)
    assert key not in run.text + run.stderr
    assert KEY not in run.text + run.stderr
    for name in ocx.state.iterdir():
        assert KEY.encode() not in name.read_bytes()
        assert key.encode() not in name.read_bytes()
        assert stat.S_IMODE(name.stat().st_mode) == 0o600


@pytest.mark.parametrize("runs", ["serve", "batch"])
def test_a_signal_that_an_import_has_swallowed_still_ends_it(
    monkeypatch: pytest.MonkeyPatch, runs: str
) -> None:
    monkeypatch.setattr(serve_run, "UvicornServer", Mock())
    monkeypatch.setattr(serve_run, "serve_until", Mock(return_value=None))
    monkeypatch.setattr(execution, "BatchRun", Mock())
    monkeypatch.setattr(process, "_raised", set())
    before = signal.signal(signal.SIGTERM, process._terminate)
    try:
        process.raise_lost()
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Terminated):
            if runs == "batch":
                execution.send(Mock())
            else:
                serve_run._foreground(Mock(), Mock(), Mock(), 0)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_terminal_shows_exports_and_lines(ocx: Ocx) -> None:
    process = ocx.in_terminal("serve", "--port", "0")
    assert process.stdout is not None
    shown = process.stdout.until(b"OCX_API_KEY=sk-live-local-").decode()
    while not shown.rstrip(" ").endswith("\n"):
        shown = process.stdout.so_far().decode()
    exports = dict(
        line.strip().removeprefix("export ").split("=", 1)
        for line in shown.splitlines()
        if line.startswith("export")
    )
    headers = {"authorization": f"Bearer {exports['OCX_API_KEY']}"}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    reply = httpx.post(
        f"{exports['OCX_BASE_URL']}/chat/completions", json=body, headers=headers, trust_env=False
    )
    assert reply.status_code == 200
    body["model"] = "no\x1b[31m"
    httpx.post(
        f"{exports['OCX_BASE_URL']}/chat/completions", json=body, headers=headers, trust_env=False
    )
    process.stdout.until(b"gpt-4o  200  8+1 tokens  0.00048 credits")
    process.stdout.until(b"no\\x1b[31m  404  model_not_found")
    process.send(b"\x03")
    assert process.wait() == -signal.SIGINT


def test_quiet_says_nothing(ocx: Ocx, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = ocx.spawn("serve", "--port", "0", "-q", "--log", str(log), "--db", "a.sqlite3")
    while not log.exists() or not (ocx.work / "a.sqlite3").exists():
        assert process.popen.poll() is None
    process.signal(signal.SIGTERM)
    run = process.finish()
    assert run.stdout == b""
    assert run.stderr == ""


def test_sighup_opens_the_log_anew(ocx: Ocx, tmp_path: Path) -> None:
    """As logrotate does it: the file is renamed, then the server is told."""
    log = tmp_path / "log"
    process = ocx.spawn("serve", "--ephemeral", "--port", "0", "--log", str(log))
    url = url_of(process)
    for name in ("first", "second", "third"):
        assert get(url, "sk-live-local-full").status_code == 200
        while not log.read_text().endswith("\n"):
            assert process.popen.poll() is None
        assert json.loads(log.read_text())["path"].endswith("/balance")
        log.rename(tmp_path / name)
        process.signal(signal.SIGHUP)
        while not log.exists():
            assert process.popen.poll() is None
    log.unlink()
    log.mkdir()
    process.signal(signal.SIGHUP)
    assert process.stderr is not None
    process.stderr.until(b"cannot write the log")
    assert get(url, "sk-live-local-full").status_code == 200
    process.signal(signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM


def test_sighup_without_a_log_and_of_a_lost_terminal_ends_the_server(
    ocx: Ocx, tmp_path: Path
) -> None:
    process = ocx.spawn("serve", "--ephemeral", "--port", "0")
    url_of(process)
    process.signal(signal.SIGHUP)
    assert process.wait() == -signal.SIGHUP
    ours, theirs = pty.openpty()
    args = ("serve", "--ephemeral", "--port", "0", "--log", str(tmp_path / "log"))
    shown = ocx.spawn(*args, stdin=theirs)
    url = url_of(shown)
    (tmp_path / "log").unlink()
    shown.signal(signal.SIGHUP)
    while not (tmp_path / "log").exists():
        assert shown.popen.poll() is None, "its terminal is there"
    os.close(theirs)
    os.close(ours)
    assert get(url, "sk-live-local-full").status_code == 200
    shown.signal(signal.SIGHUP)
    assert shown.wait() == -signal.SIGHUP


def test_a_log_file_gets_json_lines_around_a_program_too(ocx: Ocx, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run = ocx("serve", "--log", str(log), "--", "sh", "-c", f"{called(ocx)} chat hi").has(0)
    assert run.stdout == b"hi\n"
    (line,) = log.read_text().splitlines()
    found = json.loads(line)
    assert (found["model"], found["outcome"], found["credits"]) == (
        "deepseek-chat",
        "finished",
        5.8e-05,
    )
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    ocx("serve", "--log", str(tmp_path), "--", "true").has(1)


def test_a_log_nobody_reads_stops_the_server(ocx: Ocx) -> None:
    reading, writing = os.pipe()
    process = ocx.spawn("serve", "--port", "0", stdout=writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        url = json.loads(pipe.readline())["listening"]
    with pytest.raises(httpx.HTTPError):
        while True:
            get(url, "sk-live-local-x")
    assert process.wait() == -signal.SIGPIPE


def test_a_port_in_use_is_one_line_and_exit_2(ocx: Ocx, taken: int) -> None:
    run = ocx("serve", "--port", str(taken)).has(2)
    assert run.stderr == (
        f"ocx: error: cannot listen on port {taken}: Address already in use\n"
        "hint: choose another with --port, or 0 for any that is free\n"
    )


def test_an_unreadable_database_is_one_line_and_exit_3(ocx: Ocx) -> None:
    (ocx.work / "x").write_text("not a database, " * 100)
    for words in (("serve", "--port", "0", "--db", "x"), ("serve", "check", "--db", "x")):
        run = ocx(*words).has(3)
        assert run.stderr == "ocx: error: cannot open the ledger x: file is not a database\n"


def test_a_wrong_config_is_one_line_and_exit_3(ocx: Ocx) -> None:
    ocx.config.mkdir(parents=True)
    (ocx.config / "serve.toml").write_text("\nprot = 1\n")
    run = ocx("serve").has(3)
    assert "serve.toml:2: prot: unknown setting; did you mean port?" in run.stderr
    ocx("serve", "--config", "none.toml", "--", "true").has(3)
    ocx("serve", "--ephemeral", "--", "true").has(0)


def test_serve_toml_routes_models(ocx: Ocx) -> None:
    """Found in the config folder; what it names is found beside it."""
    ocx.config.mkdir(parents=True)
    (ocx.config / "serve.toml").write_text(
        'grant = 3\ndatabase = "its.sqlite3"\n[models.talk]\nroute = "script:s.toml"\n'
    )
    (ocx.config / "s.toml").write_text('[[rule]]\nanswer = "scripted"\n')
    shell = f"{called(ocx)} chat -m talk hi; {called(ocx)} balance --json"
    run = ocx("serve", "--", "sh", "-c", shell).has(0)
    assert run.text.startswith("scripted\n")
    assert json.loads(run.text.splitlines()[1])["balance"] < 3
    process = ocx.spawn("serve", "--port", "0")
    url_of(process)
    assert (ocx.config / "its.sqlite3").exists()


def test_keys_that_everybody_knows_spend_no_key_of_yours(ocx: Ocx) -> None:
    (ocx.work / "s.toml").write_text(
        '[upstreams.u]\nbase_url = "https://u.example/v1"\napi_key_env = "U"\n'
        '[models.m]\nroute = "forward:u"\n'
    )
    words = ("serve", "--ephemeral", "--config", "s.toml", "--", "true")
    assert "everybody knows" in ocx(*words, env={"U": "sk-up"}).has(2).stderr


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--ephemeral", "--db", "x"),
        ("serve", "--ephemeral", "--sandbox"),
        ("serve", "--"),
        ("serve", "check", "--db", "x", "--sandbox"),
        ("serve", "check", "--", "x"),
        ("serve", "keys", "drop"),
        ("serve", "keys", "add"),
        ("serve", "keys", "list", "x"),
        ("serve", "keys", "rotate"),
        ("serve", "grant", "0"),
        ("serve", "grant", "x"),
        ("serve", "grant", "0.0000001"),
        ("serve", "reset"),
        ("serve", "--port", "70000"),
    ],
)
def test_wrong_words_are_exit_2(ocx: Ocx, words: tuple[str, ...]) -> None:
    ocx(*words).has(2)
    assert not ocx.state.exists()


@pytest.mark.parametrize("command", ["check", "ledger", "keys"])
def test_no_ledger_is_exit_3(ocx: Ocx, command: str) -> None:
    assert "there is no ledger" in ocx("serve", command).has(3).stderr


def test_keys_are_added_listed_and_revoked(ocx: Ocx) -> None:
    run = ocx("serve", "keys", "add", "bob", "--rpm", "5", "--expires", "1").has(0)
    key = run.text.strip()
    assert run.stderr == "ocx: this key is shown once; it works only here\n"
    ocx("serve", "keys", "add", "bob").has(2)
    run = ocx("serve", "keys", "add", "eve", "--account", "team", "--json", "-q").has(0)
    assert run.json["key"].startswith("sk-live-local-")
    assert run.stderr == ""
    rows = [line.split("\t") for line in ocx("serve", "keys").has(0).text.splitlines()]
    assert [(row[0], row[2], row[4], row[5]) for row in rows] == [
        ("bob", "default", "good", "5"),
        ("eve", "team", "good", ""),
    ]
    assert key not in ocx("serve", "keys").text
    ocx("serve", "keys", "revoke", "bob").has(0)
    ocx("serve", "keys", "revoke", "bob").has(1)
    states = [row["state"] for row in ocx("serve", "keys", "--json").has(0).json]
    assert states == ["revoked", "good"]


def test_a_rotated_key_is_printed_once_and_the_old_one_is_revoked(ocx: Ocx) -> None:
    old = ocx("serve", "keys", "add", "bob", "--account", "team", "--rpm", "5").has(0).text.strip()
    process = ocx.spawn("serve", "--port", "0")
    url = url_of(process)
    run = ocx("serve", "keys", "rotate", "bob").has(0)
    new = run.text.strip()
    assert new.startswith("sk-live-local-")
    assert new != old
    assert run.stderr == "ocx: this key is shown once; it works only here\n"
    assert [get(url, key).status_code for key in (old, new)] == [401, 200]
    run = ocx("serve", "keys", "rotate", "bob", "--json", "-q").has(0)
    assert (run.json["name"], run.json["account"]) == ("bob", "team")
    rows = ocx("serve", "keys", "--json").has(0).json
    found = [(row["state"], row["account"], row["rpm"]) for row in rows if row["name"] == "bob"]
    assert found == [("revoked", "team", 5)] * 2 + [("good", "team", 5)]
    assert new not in ocx("serve", "keys").text
    assert "no key called 'eve' is in use" in ocx("serve", "keys", "rotate", "eve").has(1).stderr
    process.signal(signal.SIGTERM)
    process.wait()


def test_grants_are_made_and_taken(ocx: Ocx) -> None:
    assert ocx("serve", "grant").has(0).text == "default\t500\n"
    assert ocx("serve", "grant", "0.25", "--json").has(0).json == {
        "account": "default",
        "balance": 500.25,
    }
    assert ocx("serve", "grant", "100", "--take").has(0).text == "default\t400.25\n"
    run = ocx("serve", "grant", "1000", "--take").has(5)
    assert "has 400.25 credits that can be taken" in run.stderr
    rows = [json.loads(line) for line in ocx("serve", "ledger", "--jsonl").text.splitlines()]
    assert [(row["kind"], row["amount"]) for row in rows] == [
        ("grant", 500),
        ("grant", 0.25),
        ("adjust", -100),
    ]


def test_a_grant_beside_a_running_server_counts_at_once(ocx: Ocx) -> None:
    key = ocx("serve", "keys", "add", "bob").has(0).text.strip()
    process = ocx.spawn("serve", "--port", "0")
    url = url_of(process)
    ocx("serve", "grant", "7").has(0)
    assert get(url, key).json()["balance"] == 507
    ocx("serve", "reset", "-y").has(1)
    ocx("serve", "keys", "revoke", "bob").has(0)
    assert get(url, key).status_code == 401
    process.signal(signal.SIGTERM)
    process.wait()
    ocx("serve", "reset", "-y").has(0)
    assert ocx("serve", "keys").has(0).text == ""


def test_the_ledger_is_shown(ocx: Ocx) -> None:
    shell = f"{called(ocx)} chat hi"
    ocx("serve", "--db", "l.sqlite3", "--", "sh", "-c", shell).has(0)
    run = ocx("serve", "ledger", "--db", "l.sqlite3").has(0)
    grant, charge = (line.split("\t") for line in run.text.splitlines())
    assert (grant[3], grant[4]) == ("grant", "500")
    assert (charge[3], charge[6], charge[7]) == ("charge", "deepseek-chat", "finished")
    assert (charge[4], charge[5]) == ("-0.000058", "499.999942")
    rows: Any = ocx("serve", "ledger", "--db", "l.sqlite3", "--json").has(0).json
    assert rows[1]["prompt_tokens"] == 8
    assert ocx("serve", "ledger", "--db", "l.sqlite3", "--account", "x").has(0).text == ""
    text = ocx("serve", "check", "--db", "l.sqlite3").has(0).text
    assert text == "sound: balance 499.999942, held 0; charges: 1 finished\n"
    assert ocx("serve", "check", "--db", "l.sqlite3", "-q").has(0).text == ""


@pytest.mark.parametrize("columns", [30, 36, 80])
def test_the_ledger_fits_the_screen_with_plain_decimals(ocx: Ocx, columns: int) -> None:
    ocx("serve", "--db", "l.sqlite3", "--", "sh", "-c", f"{called(ocx)} chat hi").has(0)
    shown = ocx.in_terminal("serve", "ledger", "--db", "l.sqlite3", size=(24, columns))
    lines = re.sub(r"\x1b\[\d*m", "", shown.finish().text).splitlines()
    assert max(map(len, lines)) <= columns
    amounts = {line.index(".", line.index("500" if "500" in line else "-0")) for line in lines[1:]}
    assert len(amounts) == 1
    assert "-0.000058" in lines[2]
    assert "500.000000" in lines[1]


def test_a_damaged_ledger_is_exit_1(ocx: Ocx) -> None:
    import sqlite3

    ocx("serve", "grant").has(0)
    db = sqlite3.connect(ocx.state / "serve.sqlite3")
    db.execute("UPDATE account SET balance = 7")
    db.commit()
    db.close()
    run = ocx("serve", "check").has(1)
    assert "not the sum of the ledger: default, 7, 500000000" in run.stderr
    assert ocx("serve", "check", "--json").has(1).json["findings"]


def test_the_sandbox_s_ledger_can_be_served(ocx: Ocx) -> None:
    ocx("serve", "grant", "--sandbox", "12").has(0)
    process = ocx.spawn("serve", "--sandbox", "--port", "0")
    url_of(process)
    process.signal(signal.SIGTERM)
    process.wait()
    assert sorted(name.name for name in ocx.state.iterdir()) == [
        "sandbox.sqlite3",
        "sandbox.sqlite3.lock",
    ]


def test_chat_refuses_to_send_a_local_key_away(ocx: Ocx) -> None:
    env = {"OCX_API_KEY": "sk-live-local-full", "OCX_BASE_URL": "https://opencodex.example/v1"}
    assert "sk-live-local-full" not in ocx("chat", "hi", env=env).has(3).stderr


def test_help_tells_the_story(ocx: Ocx) -> None:
    text = ocx("serve", "--help").has(0).text
    for word in ("--ephemeral", "serve.toml", "--record", "--log", "keys", "reset"):
        assert word in text

"""Every row of the exit-code table, by the real program against a real socket.

`chat`, `models` and `balance` must agree: a script that tests `$?` knows one table.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.answers import answer, chunk, delta, error, event, finish
from tests.support.chat_server import BALANCE, CHAT, MODELS, ChatServer
from tests.support.program import KEY, Ocx, Run
from tests.support.raw_server import (
    CERTIFICATE,
    CLOSE,
    RESET,
    STALL,
    FullListener,
    RawServer,
    Script,
    closed_port,
)

pytestmark = pytest.mark.unmeasured

COMMANDS = {"chat": ("chat", "hi"), "models": ("models",), "balance": ("balance",)}
PATHS = {"chat": CHAT, "models": MODELS, "balance": BALANCE}
NAMES = {
    0: "ok", 1: "failure", 2: "usage", 3: "config", 4: "auth", 5: "credits", 6: "rate_limit",
    7: "rejected", 8: "server", 9: "network", 10: "timeout", 11: "incomplete", 12: "below",
}  # fmt: skip
ERROR_FIELDS = {
    "type", "status", "code", "message", "hint", "retryable", "retry_after", "request_id",
    "exit_code",
}  # fmt: skip

each_command = pytest.mark.parametrize("command", COMMANDS)


@dataclass(frozen=True)
class Case:
    """What a server answers, and the exit status that this is."""

    name: str
    status: int
    script: Script | bytes
    says: str = ""
    args: tuple[str, ...] = ("--retries", "0")
    requests: int = 1
    only: tuple[str, ...] = field(default=("chat", "models", "balance"))


def quota(status: int, code: str) -> bytes:
    return error(status, code, "the quota is used up")


def moved(status: int) -> bytes:
    return answer(b"", status, {"location": "https://elsewhere.test/api/v1"})


HTML = answer("<!doctype html><title>Sign in</title>", content_type="text/html; charset=utf-8")
TRUNCATED = [answers.head(200, {"content-length": "999"}), CLOSE]

CASES = [
    *(Case(f"status-{s}", 7, error(s, "nope")) for s in (400, 404, 422, 418)),
    Case("status-401", 4, error(401, "invalid_api_key", "no such key"), "no such key"),
    Case("status-403", 4, error(403, "forbidden")),
    Case("status-403-quota", 5, quota(403, "insufficient_user_quota")),
    Case("status-402", 5, error(402, None, "top up"), "top up"),
    Case("status-402-is-never-tried-again", 5, error(402), args=()),
    Case("status-429", 6, error(429, "rate_limit_exceeded")),
    Case("status-429-quota", 5, quota(429, "insufficient_quota"), args=()),
    Case("status-400-quota", 5, quota(400, "pre_consume_token_quota_failed"), args=()),
    Case("retry-after-beyond-the-cap", 6, error(429, retry_after="3600"), "3600", args=()),
    Case("used-up-in-chinese-401", 5, error(401, "", "该令牌额度已用尽"), "额度已用尽", args=()),
    Case("used-up-in-malay-429", 5, error(429, "x", "Kredit anda tidak mencukupi"), args=()),
    Case("used-up-in-a-200", 5, answer({"code": 1113, "msg": "账户余额不足"}), args=()),
    Case("used-up-in-gbk", 5, answer('{"msg":"账户已欠费"}'.encode("gbk"), 400), "已欠费"),
    Case("invalid-token-in-chinese", 4, error(401, "x", "无效的令牌"), "无效的令牌"),
    Case("overload-in-chinese", 6, error(429, "x", "上游负载已饱和，请稍后再试")),
    Case("wait-in-the-body-beyond-the-cap", 6, error(429, "x", "try again in 20m"), "1200 s", ()),
    Case("error-in-a-list", 7, answer([{"error": {"message": "no tool"}}], 400), "400: no tool"),
    Case("error-list-in-a-200", 6, answer([{"error": {"code": 429, "message": "m"}}])),
    Case("status-408", 10, error(408)),
    *(Case(f"status-{s}", 8, error(s)) for s in (500, 504, 529)),
    Case("tried-again", 8, error(500, retry_after_ms="1"), "retry 2 of 2", (), requests=3),
    Case("redirect", 8, moved(301), "elsewhere.test"),
    Case("not-modified", 8, answers.head(304, {"content-length": "0"})),
    Case("html", 8, HTML),
    Case("not-json", 8, answer("all is well")),
    Case("nothing", 8, answer(b"")),
    Case("error-in-a-200", 8, answer({"error": {"message": "oh no"}}), "oh no"),
    Case("failure-in-a-200", 8, answer({"success": False, "message": "not today"}), "not today"),
    Case("quota-in-a-200", 5, quota(200, "insufficient_quota")),
    Case("closed-unanswered", 9, [CLOSE]),
    Case("reset-unanswered", 9, [RESET]),
    Case("truncated", 9, TRUNCATED, only=("models", "balance")),
]  # fmt: skip


def run(ocx: Ocx, command: str, *args: str, **env: str) -> Run:
    return ocx(*COMMANDS[command], *args, env=env)


def check(run: Run, status: int, says: str = "") -> None:
    """The status, one error line in the documented form, and nothing on stdout."""
    run.has(status)
    assert run.stdout == b"", run
    lines = run.stderr.splitlines()
    errors = [line for line in lines if line.startswith("ocx: error: ")]
    assert len(errors) == 1, run
    after = lines[lines.index(errors[0]) + 1 :]
    assert sum(line.startswith("hint: ") for line in after) <= 1, run
    assert len(after) <= 2, run
    assert says in run.stderr, run
    assert "Traceback" not in run.stderr, run


@pytest.mark.parametrize(
    ("command", "case"),
    [pytest.param(name, case, id=f"{name}-{case.name}") for case in CASES for name in case.only],
)
def test_what_the_server_answers(
    online: Ocx, chat_server: ChatServer, command: str, case: Case
) -> None:
    """The same answer is the same status from every command."""
    chat_server.answer_all(case.script)
    check(run(online, command, *case.args), case.status, case.says)
    assert len(chat_server.requests) == case.requests


@each_command
def test_0_ok(online: Ocx, command: str) -> None:
    done = run(online, command).has(0)
    assert (
        done.text
        == {
            "chat": "Hello!\n",
            "models": "deepseek-chat\ngpt-4o\n",
            "balance": "499.5 credits\n",
        }[command]
    )
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@each_command
def test_1_failure_the_disk_is_full(online: Ocx, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        check(online(*COMMANDS[command], stdout=full.fileno()), 1, "No space left")


@pytest.mark.parametrize(
    "args",
    [("--no-such-flag",), ("--timeout", "soon"), ("--color", "perhaps"), ("--retries",)],
    ids=" ".join,
)
@each_command
def test_2_usage(online: Ocx, chat_server: ChatServer, command: str, args: tuple[str, ...]) -> None:
    check(run(online, command, *args), 2)
    assert chat_server.connections == 0


@pytest.mark.parametrize(
    ("args", "env", "says"),
    [
        (("--base-url", "http://example.test/v1"), {}, "https"),
        (("--base-url", "https://user:pass@example.test/v1"), {}, ""),
        (("--base-url", "https://example.test/v1?a=b"), {}, ""),
        (("--base-url", "https://example.test/v1#a"), {}, ""),
        (("--base-url", "ftp://example.test/v1"), {}, ""),
        (("--ca-bundle", "missing.pem"), {}, "missing.pem"),
        (("--key-file", "missing.key"), {}, "missing.key"),
        (("-P", "nobody"), {}, "nobody"),
        ((), {"OCX_API_KEY": "with space"}, ""),
        ((), {"OCX_TIMEOUT": "soon"}, "OCX_TIMEOUT"),
    ],
    ids=lambda value: " ".join(map(str, value)) or None,
)
@each_command
def test_3_config(
    online: Ocx,
    chat_server: ChatServer,
    command: str,
    args: tuple[str, ...],
    env: dict[str, str],
    says: str,
) -> None:
    check(run(online, command, *args, **env), 3, says)
    assert chat_server.connections == 0


@each_command
def test_3_config_a_broken_file_is_named_with_line_and_column(online: Ocx, command: str) -> None:
    online.write_config('default_profile = "a"\n[profiles.a]\nmodel = \n')
    done = run(online, command)
    check(done, 3, "config.toml")
    assert "line 3" in done.stderr or ":3:" in done.stderr


@each_command
def test_3_config_credentials_that_others_can_read(
    ocx: Ocx, chat_server: ChatServer, command: str
) -> None:
    ocx.profile(base_url=chat_server.base_url, key_name="work")
    ocx.write_credentials(mode=0o644, work=KEY)
    check(run(ocx, command), 3, "chmod")
    assert chat_server.connections == 0


@each_command
def test_4_auth_no_key_anywhere(ocx: Ocx, chat_server: ChatServer, command: str) -> None:
    """Both ways out are in the hint: a key, or the sandbox."""
    done = run(ocx, command)
    check(done, 4, "--sandbox")
    assert "OPENCODEX_API_KEY" in done.stderr or "ocx keys add" in done.stderr


@each_command
def test_9_network_nobody_listens(online: Ocx, command: str) -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    check(run(online, command, "--base-url", url, "--retries", "0"), 9, "127.0.0.1")


@each_command
def test_9_network_the_name_does_not_resolve(online: Ocx, command: str) -> None:
    args = ("--base-url", "https://no-such-host.test/v1", "--retries", "0")
    check(run(online, command, *args, TEST_RESOLVER=""), 9, "no-such-host.test")


@each_command
def test_9_network_a_certificate_that_nobody_vouches_for(
    online: Ocx, chat_servers: Callable[..., ChatServer], command: str
) -> None:
    server = chat_servers(tls=True)
    check(run(online, command, "--base-url", server.base_url, "--retries", "0"), 9, "certificate")
    assert server.requests == []


@each_command
def test_0_ok_over_tls_with_a_ca_bundle(
    online: Ocx, chat_servers: Callable[..., ChatServer], command: str
) -> None:
    server = chat_servers(tls=True)
    run(online, command, "--base-url", server.base_url, "--ca-bundle", str(CERTIFICATE)).has(0)
    assert server.requests[0].header("authorization") == f"Bearer {KEY}"


@each_command
def test_9_network_the_proxy_wants_a_password(
    ocx: Ocx, raw_server: Callable[..., RawServer], command: str
) -> None:
    proxy = raw_server()
    proxy.answer(answer(b"", 407, {"proxy-authenticate": "Basic"}))
    done = run(ocx, command, "--proxy", proxy.url, "--retries", "0", OPENCODEX_API_KEY=KEY)
    check(done, 9, "407")
    assert proxy.requests[0].target == "opencodex.hk:443"
    assert KEY.encode() not in proxy.received()


@each_command
def test_10_timeout_connecting(ocx: Ocx, command: str) -> None:
    listener = FullListener()
    ocx.profile(base_url=f"{listener.url}/v1", connect_timeout=0.2)
    check(run(ocx, command, "--retries", "0", "-P", "default", OCX_API_KEY=KEY), 10)
    listener.close()


@pytest.mark.parametrize("begun", [b"", answers.head(200, {"content-length": "9"})])
@each_command
def test_10_timeout_waiting_for_the_answer(
    ocx: Ocx, chat_server: ChatServer, command: str, begun: bytes
) -> None:
    """A stream has its idle deadline; what comes in one piece has only the total one."""
    chat_server.answer_all([begun, STALL])
    ocx.profile(
        base_url=chat_server.base_url, **{"idle_timeout" if command == "chat" else "timeout": 0.3}
    )
    check(run(ocx, command, "--retries", "0", OCX_API_KEY=KEY), 10)
    chat_server.wait_for_close()


@each_command
def test_the_total_deadline_holds_over_all_attempts(
    online: Ocx, chat_server: ChatServer, command: str
) -> None:
    """503 for ever, each at once: what ends it is a wait that does not fit into --timeout."""
    chat_server.answer_all(error(503, retry_after_ms="600"))
    done = run(online, command, "--retries", "100", "--timeout", "1.1")
    check(done, 6, "--timeout")
    assert len(chat_server.requests) == 2


@each_command
def test_141_the_reader_of_stdout_is_gone(online: Ocx, command: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = online(*COMMANDS[command], stdout=write)
    os.close(write)
    assert (done.status, done.stderr) == (-13, "")


def begun(*steps: bytes) -> bytes:
    return answers.STREAM_HEAD + b"".join(steps)


FILTERED = finish("content_filter")
BROKEN = event('{"choices": [')
WRONG = event({"error": {"message": "overloaded", "type": "server_error"}})
QUOTA = event({"error": {"message": "no more", "code": "insufficient_quota"}})
STOPPED = event(answers.DONE) + answers.LAST_PIECE


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ([begun(delta("Hi"), WRONG, STOPPED)], "overloaded"),
        ([begun(delta("Hi"), QUOTA, STOPPED)], "no more"),
        ([begun(delta("Hi")), CLOSE], ""),
        ([begun(delta("Hi")), RESET], ""),
        ([begun(delta("Hi"), STOPPED)], ""),
        ([begun(delta("Hi"), answers.LAST_PIECE)], ""),
        ([begun(delta("Hi"), BROKEN, STOPPED)], ""),
        ([begun(delta("Hi"), FILTERED, STOPPED)], "filter"),
    ],
    ids=["error", "quota", "closed", "reset", "no-finish", "end", "garbage", "filter"],
)
def test_11_incomplete_what_arrived_stays_on_stdout(
    online: Ocx, chat_server: ChatServer, script: Script, says: str
) -> None:
    chat_server.answer(script, path=CHAT)
    done = online("chat", "hi").has(11)
    assert done.stdout.rstrip(b"\n") == b"Hi"
    assert "ocx: error: " in done.stderr
    assert says in done.stderr
    assert len(chat_server.requests) == 1, "never again after the first byte of output"


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ([begun(WRONG, STOPPED)], 8),
        ([begun(QUOTA, STOPPED)], 5),
        ([begun(STOPPED)], 8),
        ([begun(event(chunk(role="assistant")), STOPPED)], 8),
        ([begun(BROKEN, STOPPED)], 8),
        ([begun(FILTERED, STOPPED)], 7),
        ([begun(), RESET], 9),
        ([answer(answers.completion("", "content_filter"))], 7),
    ],
    ids=["error", "quota", "no-finish", "role-only", "garbage", "filter", "reset", "json-filter"],
)
def test_a_stream_that_fails_before_any_content(
    online: Ocx, chat_server: ChatServer, script: Script, status: int
) -> None:
    chat_server.answer(script, path=CHAT)
    check(online("chat", "hi", "--retries", "0"), status)


@pytest.mark.parametrize("reason", ["idle", "total"])
def test_10_timeout_within_an_answer_keeps_what_arrived(
    ocx: Ocx, chat_server: ChatServer, reason: str
) -> None:
    chat_server.answer([begun(delta("Hi")), STALL], path=CHAT)
    ocx.profile(base_url=chat_server.base_url, idle_timeout=0.3 if reason == "idle" else 60)
    total = ("--timeout", "1.5") if reason == "total" else ()
    done = ocx("chat", "hi", *total, env={"OCX_API_KEY": KEY}).has(10)
    assert done.stdout.rstrip(b"\n") == b"Hi"
    chat_server.wait_for_close()


@pytest.mark.parametrize(
    ("flags", "status"), [((), 0), (("--fail-on-length",), 11)], ids=["warning", "error"]
)
def test_an_answer_cut_by_max_tokens(
    online: Ocx, chat_server: ChatServer, flags: tuple[str, ...], status: int
) -> None:
    """0 with a warning, or 11 where the caller asked for that; the text is there either way."""
    chat_server.answer(answers.stream("Hel", reason="length"), path=CHAT)
    done = online("chat", "hi", *flags).has(status)
    assert done.stdout == b"Hel\n"
    assert "length" in done.stderr or "max_tokens" in done.stderr or "max-tokens" in done.stderr


def test_7_rejected_no_such_model(online: Ocx) -> None:
    online("models", "gpt-4o", "--exists").has(0)
    check(online("models", "gpt-5o", "--exists"), 7)


@pytest.mark.parametrize(
    ("body", "least", "status"),
    [
        ({"balance": 499.5}, "499.5", 0),
        ({"balance": 499.5}, "499.51", 12),
        ({"balance": 0}, "0.01", 12),
        ({"unlimited": True}, "1000000", 0),
        ({"anything": 499.5}, "1", 8),
        ({"weather": "fine"}, "1", 8),
        ({"balance": "NaN"}, "1", 8),
    ],
)
def test_12_below_is_said_only_of_a_known_balance(
    online: Ocx, chat_server: ChatServer, body: dict[str, object], least: str, status: int
) -> None:
    """A gate in CI fails closed: what cannot be read is neither enough nor below."""
    chat_server.answer(answer(body), path=BALANCE)
    online("balance", "--min", least).has(status)


@pytest.mark.parametrize(
    ("script", "status"), [(error(401), 4), (error(402), 5), (HTML, 8), ([RESET], 9)]
)
def test_every_other_failure_of_a_gate_keeps_its_code(
    online: Ocx, chat_server: ChatServer, script: Script | bytes, status: int
) -> None:
    chat_server.answer(script, path=BALANCE)
    check(online("balance", "--min", "0", "--retries", "0"), status)


def test_13_partial_several_keys_of_which_some_work(ocx: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answer({"balance": 1}), error(401), path=BALANCE)
    ocx.profile(base_url=chat_server.base_url)
    ocx.write_credentials(one=KEY, two=KEY.replace("a", "b"))
    ocx("keys", "check", "--all").has(13)


@pytest.mark.parametrize(
    ("script", "status", "code", "http", "retry_after"),
    [
        (error(401, "invalid_api_key", x_request_id="req-7"), 4, "invalid_api_key", 401, None),
        (error(429, "slow_down", retry_after="90", x_request_id="req-7"), 6, "slow_down", 429, 90),
        (answers.head(200, {"x-request-id": "req-7", "content-length": "0"}), 8, None, 200, None),
        ([CLOSE], 9, None, None, None),
    ],
    ids=["auth", "rate-limit", "server", "network"],
)
@each_command
def test_errors_as_json(
    online: Ocx,
    chat_server: ChatServer,
    command: str,
    script: Script | bytes,
    status: int,
    code: str | None,
    http: int | None,
    retry_after: float | None,
) -> None:
    """With --json the error is one document on stderr, and nothing else is there."""
    chat_server.answer_all(script)
    done = run(online, command, "--json", "--retries", "0").has(status)
    assert done.stdout == b""
    seen = done.error
    assert set(seen) == ERROR_FIELDS
    assert (seen["type"], seen["exit_code"]) == (NAMES[status], status)
    assert (seen["status"], seen["code"]) == (http, code)
    assert seen["request_id"] == ("req-7" if http else None)
    assert seen["retry_after"] == retry_after
    assert seen["retryable"] is (status in {6, 8, 9, 10})


@each_command
def test_a_usage_error_has_the_form_that_was_asked_for(online: Ocx, command: str) -> None:
    """--json is honoured even where the parser fails before it reads that flag."""
    done = run(online, command, "--no-such-flag", "--json").has(2)
    assert (done.error["type"], done.error["exit_code"]) == ("usage", 2)


@each_command
def test_the_request_id_is_shown(online: Ocx, chat_server: ChatServer, command: str) -> None:
    chat_server.answer_all(error(500, x_oneapi_request_id="req-42"))
    assert "req-42" in run(online, command, "--retries", "0").has(8).stderr


def test_the_table_is_shown_by_the_program(ocx: Ocx) -> None:
    table = ocx("help", "exit-codes").has(0).text
    for code, name in NAMES.items():
        assert any(line.split()[:2] == [str(code), name] for line in table.splitlines()), (
            f"{code} {name} not in {table}"
        )

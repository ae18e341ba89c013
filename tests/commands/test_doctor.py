"""`ocx doctor` names the cause: each is made with a real socket, file or program."""

from __future__ import annotations

import email.utils
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocx.secret import Secret
from tests.support import answers
from tests.support.chat_server import BALANCE, CHAT, MODELS, ChatServer
from tests.support.program import KEY, Ocx, Run
from tests.support.raw_server import CERTIFICATE, CLOSE, STALL, RawServer, closed_port

EXPIRED = CERTIFICATE.with_name("expired.pem")
Servers = Callable[..., ChatServer]


def checks(done: Run) -> dict[str, dict[str, Any]]:
    """Every line by its name."""
    assert KEY not in done.text + done.stderr
    return {check["name"]: check for check in done.json["checks"]}


def cause(done: Run, name: str, *words: str) -> dict[str, Any]:
    """The check of that name, which failed first and says `words`."""
    found = checks(done)
    failures = [check["name"] for check in found.values() if check["state"] == "failed"]
    assert failures[0] == name, done.text
    assert found[name]["exit_code"] == done.status
    for word in words:
        assert word in found[name]["detail"] + (found[name]["hint"] or ""), found[name]
    return found[name]


def test_all_is_well(online: Ocx, chat_server: ChatServer) -> None:
    found = checks(online("doctor", "--json").has(0))
    assert {check["state"] for check in found.values()} <= {"ok", "warning"}
    for name in ("version", "config", "credentials", "key", "proxy", "dns", "tcp", "http"):
        assert found[name]["state"] == "ok", found[name]
    assert found["balance"]["detail"] == "499.5 credits"
    assert Secret(KEY).masked() in found["key"]["detail"]
    assert "environment OCX_BASE_URL" in found["config"]["detail"]
    assert all(request.target != "/api/v1/chat/completions" for request in chat_server.requests)


def test_the_probe_carries_no_key(online: Ocx, chat_server: ChatServer) -> None:
    online("doctor").has(0)
    assert chat_server.requests[0].header("authorization") is None


def test_lines_for_a_person(online: Ocx) -> None:
    done = online("doctor").has(0)
    assert "ok       models: 2, deepseek-chat is one of them\n" in done.text
    assert done.stderr == ""


def test_chat_is_asked_only_on_request(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.answer(answers.completion("ok")), path=CHAT)
    assert checks(online("doctor", "--chat", "--json").has(0))["chat"]["state"] == "ok"
    assert chat_server.body(chat_server.requests[-1])["max_tokens"] == 5


def test_sandbox(ocx: Ocx) -> None:
    found = checks(ocx("--sandbox", "doctor", "--json", "--chat").has(0))
    assert found["balance"]["state"] == found["chat"]["state"] == "ok"


def test_wrong_key(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer_all(answers.error(401, "invalid_api_key", "Invalid API key"))
    done = online("doctor", "--json").has(4)
    cause(done, "models", "Invalid API key")
    assert checks(done)["balance"]["state"] == "skipped"


def test_no_key(ocx: Ocx, chat_server: ChatServer) -> None:
    done = ocx("doctor", "--json", "--base-url", chat_server.base_url).has(4)
    cause(done, "key", "no key", "ocx keys add")
    assert checks(done)["http"]["state"] == "ok"
    assert checks(done)["models"]["state"] == "skipped"


@pytest.mark.parametrize("left", ["0", "-2.5"])
def test_no_credits(online: Ocx, chat_server: ChatServer, left: str) -> None:
    chat_server.answer(answers.answer({"balance": left}), path=BALANCE)
    cause(online("doctor", "--json").has(5), "balance", "no credits", "top up")


def test_no_dns(online: Ocx) -> None:
    online.env |= {"OCX_BASE_URL": "https://nowhere.test/v1", "TEST_RESOLVER": ""}
    done = online("doctor", "--json").has(9)
    cause(done, "dns", "nowhere.test cannot be resolved", "base_url")
    assert checks(done)["models"]["state"] == "skipped"


def test_refused_port(online: Ocx) -> None:
    online.env["OCX_BASE_URL"] = f"http://127.0.0.1:{closed_port()}/v1"
    cause(online("doctor", "--json").has(9), "tcp", "efused", "base_url")


def test_self_signed_certificate(online: Ocx, chat_servers: Servers) -> None:
    online.env["OCX_BASE_URL"] = chat_servers(tls=True).base_url
    cause(online("doctor", "--json").has(9), "tls", "self-signed", "--ca-bundle")


def test_a_certificate_that_is_trusted(online: Ocx, chat_servers: Servers) -> None:
    online.env["OCX_BASE_URL"] = chat_servers(tls=True).base_url
    found = checks(online("doctor", "--json", "--ca-bundle", str(CERTIFICATE)).has(0))
    assert found["tls"]["detail"] == "issued by ocx test server, valid until 2120-01-01"


def test_expired_certificate(online: Ocx, chat_servers: Servers) -> None:
    server = chat_servers(tls=True)
    server._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server._tls.load_cert_chain(EXPIRED)
    online.env["OCX_BASE_URL"] = server.base_url
    done = online("doctor", "--json", "--ca-bundle", str(EXPIRED)).has(9)
    cause(done, "tls", "expired", "clock")


def test_no_tls_there(online: Ocx) -> None:
    """What a plain HTTP server says to a TLS greeting."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = threading.Thread(target=answer)
        server.start()
        online.env["OCX_BASE_URL"] = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        done = online("doctor", "--json").has(9)
        server.join()
    cause(done, "tls", "no TLS", "scheme")


def test_a_server_that_never_says_anything(
    online: Ocx, raw_server: Callable[..., RawServer]
) -> None:
    """It waits for more of the greeting; `connect_timeout` ends it."""
    online.profile(connect_timeout=0.2)
    online.env["OCX_BASE_URL"] = raw_server().url.replace("http", "https")
    cause(online("doctor", "--json").has(10), "tls", "says nothing")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", ("403 Forbidden", "NO_PROXY")),
        (b"HTTP/1.1 407 Auth\r\ncontent-length: 0\r\n\r\n", ("credentials (407)", "password")),
    ],
)
def test_proxy_that_refuses(
    online: Ocx, raw_server: Callable[..., RawServer], answer: bytes, words: tuple[str, ...]
) -> None:
    proxy = raw_server()
    proxy.answer([answer, CLOSE])
    online.env |= {
        "OCX_BASE_URL": "https://api.test/v1",
        "HTTPS_PROXY": proxy.url.replace("://", "://me:secret@"),
    }
    done = online("doctor", "--json").has(9)
    cause(done, "proxy", *words)
    assert "secret" not in done.text
    assert proxy.requests[0].method == "CONNECT"
    assert b"sk-live" not in proxy.received()


@pytest.mark.parametrize(
    "portal",
    [
        answers.answer("<html>Please log in</html>", content_type="text/html"),
        answers.answer(b"", 302, {"location": "http://portal.example/login"}),
    ],
    ids=["page", "redirect"],
)
def test_captive_portal(online: Ocx, chat_server: ChatServer, portal: bytes) -> None:
    chat_server.answer_all(portal)
    done = online("doctor", "--json").has(8)
    cause(done, "http", "log in to the network")


@pytest.mark.parametrize(("off", "words"), [(3600, "behind"), (-3600, "ahead of")])
def test_clock_off_by_an_hour(online: Ocx, chat_server: ChatServer, off: int, words: str) -> None:
    date = email.utils.formatdate(time.time() + off, usegmt=True)
    listed = answers.models("deepseek-chat")
    chat_server.answer(answers.answer(listed, headers={"date": date}), path=MODELS)
    clock = checks(online("doctor", "--json").has(0))["clock"]
    assert clock["state"] == "warning"
    assert clock["detail"] == f"this machine's clock is 60 minutes {words} the server's"


def test_clock_that_is_right(online: Ocx, chat_server: ChatServer) -> None:
    date = email.utils.formatdate(usegmt=True)
    listed = answers.models("deepseek-chat")
    chat_server.answer(answers.answer(listed, headers={"date": date}), path=MODELS)
    assert checks(online("doctor", "--json").has(0))["clock"]["state"] == "ok"


def test_credentials_that_others_can_read(online: Ocx) -> None:
    online.write_credentials(main=KEY)
    found = checks(online("doctor", "--json"))["credentials"]
    assert found["detail"].endswith("credentials.toml, mode 0600, 1 key")
    (online.config / "credentials.toml").chmod(0o644)
    cause(online("doctor", "--json").has(3), "credentials", "0644", "chmod 600")


def test_two_programs_of_that_name(online: Ocx, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ocx").write_text("#!/bin/sh\n")
        (tmp_path / name / "ocx").chmod(0o755)
    (tmp_path / "link").symlink_to("one")
    path = [str(tmp_path / name) for name in ("one", "link", "two")]
    found = checks(online("doctor", "--json", env={"PATH": ":".join(path)}))["programs"]
    assert found["state"] == "warning"
    assert found["detail"] == f"2 different ocx on PATH: {path[0]}/ocx, {path[2]}/ocx"
    assert path[0] in found["hint"]


def test_broken_config(online: Ocx) -> None:
    online.write_config("[profiles.x\n")
    done = online("doctor", "--json").has(3)
    cause(done, "config", "line 1")
    assert checks(done)["models"]["state"] == "skipped"


def test_unknown_setting_and_unknown_model(online: Ocx) -> None:
    online.profile(modle="x", model="gpt-9")
    found = checks(online("doctor", "--json").has(0))
    assert "modle" in found["config"]["detail"]
    assert found["config"]["state"] == "warning"
    assert "gpt-9 (profile default) is none of them" in found["models"]["detail"]


def test_an_endpoint_without_a_balance(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.error(404), path=BALANCE)
    assert checks(online("doctor", "--json").has(0))["balance"]["state"] == "warning"


@pytest.mark.parametrize(
    ("body", "state", "detail"),
    [
        ({"unlimited": True}, "ok", "unlimited"),
        ({"left": 5}, "warning", "5 credits, a guess"),
        ({"balances": [{"currency": "USD", "balance": 0}]}, "failed", "no credits are left"),
    ],
)
def test_balances(
    online: Ocx, chat_server: ChatServer, body: dict[str, Any], state: str, detail: str
) -> None:
    chat_server.answer(answers.answer(body), path=BALANCE)
    found = checks(online("doctor", "--json"))["balance"]
    assert found["state"] == state
    assert found["detail"].startswith(detail)


def test_through_a_proxy(online: Ocx, raw_server: Callable[..., RawServer]) -> None:
    """Plain http to a host without keys is forwarded, not tunnelled."""
    online.write_config('[profiles.lan]\nbase_url = "http://lan.test/v1"\nauth = "none"\n')
    proxy = raw_server()
    proxy.answer(answers.answer(answers.models("deepseek-chat")), path="/models")
    proxy.answer(answers.answer({"balance": 1}), path="/balance")
    done = online(
        "-P", "lan", "doctor", "--json", env={"OCX_BASE_URL": "", "HTTP_PROXY": proxy.url}
    )
    found = checks(done.has(0))
    assert found["proxy"]["detail"] == proxy.url.removeprefix("http://")
    assert found["key"]["detail"] == "none (auth = none)"
    assert found["models"]["state"] == "ok"


def test_a_proxy_that_says_nothing_we_understand(
    online: Ocx, raw_server: Callable[..., RawServer]
) -> None:
    proxy = raw_server()
    proxy.answer([CLOSE])
    online.env |= {"OCX_BASE_URL": "https://api.test/v1", "HTTPS_PROXY": proxy.url}
    done = online("doctor", "--json")
    assert done.status in {8, 9}
    cause(done, "proxy", "the proxy")


@pytest.mark.parametrize("scheme", ["socks5", "https"])
def test_a_proxy_of_another_kind_that_says_nothing(
    online: Ocx, raw_server: Callable[..., RawServer], scheme: str
) -> None:
    """It fails before it is asked to connect to anything, in its greeting or its TLS."""
    online.profile(connect_timeout=0.2)
    url = raw_server().url.replace("http", scheme)
    online.env |= {"OCX_BASE_URL": "https://api.test/v1", "HTTPS_PROXY": url}
    done = online("doctor", "--json").has(10)
    cause(done, "proxy", "the proxy says nothing")
    assert checks(done)["tcp"]["state"] == "ok"


def test_a_proxy_that_asks_for_a_login_for_plain_http(
    online: Ocx, raw_server: Callable[..., RawServer]
) -> None:
    online.write_config('[profiles.lan]\nbase_url = "http://lan.test/v1"\nauth = "none"\n')
    proxy = raw_server()
    proxy.answer(answers.answer(b"", 407))
    env = {"OCX_BASE_URL": "", "HTTP_PROXY": proxy.url}
    done = online("-P", "lan", "doctor", "--json", env=env).has(9)
    cause(done, "proxy", "credentials (407)", "password")


def test_a_server_that_hangs_up(online: Ocx, raw_server: Callable[..., RawServer]) -> None:
    server = raw_server()
    server.answer([CLOSE])
    online.env["OCX_BASE_URL"] = f"{server.url}/v1"
    cause(online("doctor", "--json").has(9), "http", "closed the connection")


def test_a_server_that_does_not_answer(online: Ocx, raw_server: Callable[..., RawServer]) -> None:
    online.profile(connect_timeout=0.2)
    server = raw_server()
    server.answer([STALL])
    online.env["OCX_BASE_URL"] = f"{server.url}/v1"
    cause(online("doctor", "--json").has(10), "http", "says nothing")


def test_certificates_that_cannot_be_read(online: Ocx, chat_servers: Servers) -> None:
    online.env["OCX_BASE_URL"] = chat_servers(tls=True).base_url
    (online.work / "empty.pem").write_text("")
    done = online("doctor", "--json", "--ca-bundle", str(online.work / "empty.pem")).has(3)
    cause(done, "tls", "cannot read certificates")


def test_quiet_shows_nothing_but_errors(online: Ocx, chat_server: ChatServer) -> None:
    assert online("doctor", "-q").has(0).text == ""
    chat_server.answer_all(answers.error(401))
    done = online("doctor", "-q").has(4)
    assert (done.text, done.stderr.splitlines()[0]) == ("", "ocx: error: failed: models")


def test_colour_only_where_asked_for(online: Ocx) -> None:
    assert "\x1b" not in online("doctor").has(0).text
    assert "\x1b[32mok" in online("doctor", "--color", "always").has(0).text


def test_a_server_that_speaks_no_http(online: Ocx, raw_server: Callable[..., RawServer]) -> None:
    server = raw_server()
    server.answer([b"220 mail.example ESMTP\r\n", CLOSE])
    online.env["OCX_BASE_URL"] = f"{server.url}/v1"
    cause(online("doctor", "--json").has(8), "http", "does not speak HTTP")


def test_the_program_that_prints_the_key_runs_once(ocx: Ocx, chat_server: ChatServer) -> None:
    counter = ocx.work / "count"
    ocx.profile(
        base_url=chat_server.base_url,
        api_key_command=["sh", "-c", f"echo x >> {counter}; echo {KEY}"],
    )
    checks(ocx("doctor", "--json").has(0))
    assert counter.read_text() == "x\n"


def test_the_exit_code_is_that_of_the_first_failure(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.answer({"balance": 0}), path=BALANCE)
    chat_server.answer(answers.error(402, "insufficient_quota"), path=CHAT)
    done = online("doctor", "--chat").has(5)
    assert done.stderr.startswith("ocx: error: failed: balance, chat\n")
    assert "failed   balance: no credits are left" in done.text

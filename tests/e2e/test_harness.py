"""The harness itself: what the other tests rely on without looking."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.support.program import Ocx
from tests.support.raw_server import RawServer

pytestmark = pytest.mark.unmeasured

SLEEPER = "import os, signal; print('up', flush=True); signal.pause()"


def test_the_program_sees_nothing_of_the_callers_environment(
    ocx: Ocx, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A developer's own keys, proxies and CI variables neither help nor break a test."""
    monkeypatch.setenv("OPENCODEX_API_KEY", "sk-live-of-the-developer")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("CI", "1")
    ocx.program = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
    seen = ocx().has(0).json
    assert not {"OPENCODEX_API_KEY", "HTTPS_PROXY", "CI"} & set(seen)
    assert seen["HOME"].startswith(str(ocx.home))


def test_death_by_a_signal_is_told_from_an_exit(ocx: Ocx) -> None:
    ocx.program = (sys.executable, "-c", SLEEPER)
    process = ocx.spawn()
    assert process.stdout is not None
    process.stdout.until(b"up")
    process.signal(signal.SIGTERM)
    assert process.finish().status == -signal.SIGTERM


def test_a_pty_shows_output_takes_keys_and_turns_ctrl_c_into_sigint(ocx: Ocx) -> None:
    ocx.program = (sys.executable, "-c", f"print(input('name? ')); {SLEEPER}")
    process = ocx.in_terminal()
    assert process.stdout is not None
    process.stdout.until(b"name? ")
    process.send("ocx\n")
    process.stdout.until(b"ocx\r\nup")
    process.send(b"\x03")
    assert process.finish().status == -signal.SIGINT


@pytest.mark.parametrize("tls", [False, True])
def test_the_server_keeps_every_byte_and_notices_the_end(
    raw_server: Callable[..., RawServer], tls: bool
) -> None:
    server = raw_server(tls=tls)
    server.answer(b"HTTP/1.1 204 No Content\r\n\r\n")
    client = (
        "import socket, ssl, sys\n"
        "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "if sys.argv[2] == 'True':\n"
        "    s = ssl._create_unverified_context().wrap_socket(s)\n"
        "s.sendall(b'POST /x HTTP/1.1\\r\\ncontent-length: 2\\r\\n\\r\\nhi')\n"
        "print(s.recv(99))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", client, str(server.port), str(tls)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "204 No Content" in done.stdout, done.stderr
    request = server.wait_for_requests()
    assert request.raw == b"POST /x HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi"
    assert (request.method, request.target, request.body) == ("POST", "/x", b"hi")
    server.wait_for_close()


def test_a_name_can_be_made_not_to_resolve(ocx: Ocx) -> None:
    look = (
        "import json, socket\n"
        "def found(name):\n"
        "    try: return socket.getaddrinfo(name, 1)[0][4][0]\n"
        "    except socket.gaierror: return None\n"
        "print(json.dumps([found('known.test'), found('unknown.test'), found('127.0.0.3')]))"
    )
    ocx.program = (sys.executable, "-c", look)
    seen = ocx(env={"TEST_RESOLVER": "known.test=127.0.0.2"}).has(0)
    assert json.loads(seen.stdout) == ["127.0.0.2", None, "127.0.0.3"]

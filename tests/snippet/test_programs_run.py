"""The printed programs really run: what reaches the server is the request, byte for byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ocx.snippet import SnippetRequest, snippet
from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer

ANSWER = "Hello, 世界!"
KEY = "sk-live-snippet$`\"'\\0123456789"
HOSTILE = {
    "quotes": "it's \"quoted\" ''' \"\"\" '\\'' \u2018\u2019",
    "dollar": "$HOME ${HOME} $(id) $env:PATH $$ %PATH% !!",
    "backticks": "`id` ``` `n `$x",
    "newlines": "a\nb\r\nc\rd\n\nBODY\nKEY\nEOF\n'@\n\"@\n",
    "emoji": "🙂 世界 é 👩‍👩‍👧 \u202e\u2028\u2029\u00a0\ufeff",
    "control": "\x00\x01\x1b[31m\x7f\x9b\t",
    "leading dash": "-rf --help @/etc/passwd",
    "backslashes": "\\ \\n \\\\ \\u0041 \\",
    "percent and braces": "%s %d {0} {{}} {url} #{x} #!/bin/sh",
    "script": "</script><!-- */ // # --> ${`x`}",
    "empty": "",
    "100 KiB": "0123456789abcde'\n$`" * 5400,
}
FIELDS = {"stop": ["'@", "$x"], "seed": 2**60, "temperature": 0.1, "x": {"a": None, "b": [True]}}


def programs() -> list[Any]:
    shells = [name for name in ("sh", "bash", "dash", "zsh") if shutil.which(name)]
    found = [("curl", [shell]) for shell in shells if shutil.which("curl")]
    found.append(("python", [sys.executable]))
    if shutil.which("node"):
        found.append(("node", ["node"]))
    return found


def run(
    command: list[str], language: str, call: SnippetRequest, folder: Path, key: str | None = KEY
) -> subprocess.CompletedProcess[bytes]:
    program = folder / {"node": "ask.js", "python": "ask.py", "curl": "ask.sh"}[language]
    program.write_text(snippet(language, call), "utf-8", newline="")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    if key is not None:
        env["OPENCODEX_API_KEY"] = key
    return subprocess.run(
        [*command, str(program)], env=env, cwd=folder, capture_output=True, timeout=60, check=False
    )


@pytest.fixture
def server(chat_server: ChatServer) -> ChatServer:
    chat_server.answer(answers.answer(answers.completion(ANSWER)), path=CHAT)
    return chat_server


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("language", "command"), programs())
def test_hostile_prompts_arrive_unchanged(
    language: str, command: list[str], streams: bool, server: ChatServer, tmp_path: Path
) -> None:
    """Quotes, `$`, backticks, newlines, emoji, 100 KiB, a leading dash, in one conversation."""
    messages = [{"role": "user", "content": prompt} for prompt in HOSTILE.values()]
    body: dict[str, Any] = {"model": "m'$x", "messages": messages, **FIELDS}
    if streams:
        body["stream"] = True
        server.answer(answers.stream(*ANSWER), path=CHAT)
    headers = {"X-Team": 'it\'s $HOME `id` "q"'}
    done = run(command, language, SnippetRequest(server.base_url + CHAT, body, headers), tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert not done.stderr
    (seen,) = server.requests
    assert json.loads(seen.body) == body
    assert seen.target == "/api/v1/chat/completions"
    assert seen.header("authorization") == f"Bearer {KEY}"
    assert seen.header("content-type") == "application/json"
    assert seen.header("x-team") == headers["X-Team"]
    if language == "curl":
        assert b"data:" in done.stdout if streams else json.loads(done.stdout)
        assert done.stdout.endswith(b"\n")  # the prompt of a shell begins a line of its own
    else:
        assert done.stdout.decode() == ANSWER + "\n"


@pytest.mark.parametrize(("language", "command"), programs())
def test_no_key_no_request(
    language: str, command: list[str], server: ChatServer, tmp_path: Path
) -> None:
    """Without the variable the program fails; with an endpoint that takes no key it does not."""
    url, body = server.base_url + CHAT, {"model": "m", "messages": []}
    assert run(command, language, SnippetRequest(url, body), tmp_path, None).returncode != 0
    assert not server.requests
    done = run(command, language, SnippetRequest(url, body, with_key=False), tmp_path, None)
    assert done.returncode == 0, done.stderr.decode()
    assert server.requests[-1].header("authorization") is None


@pytest.mark.parametrize(("language", "command"), programs())
def test_a_redirect_is_not_followed(
    language: str, command: list[str], server: ChatServer, tmp_path: Path
) -> None:
    """The key goes to the one host that the program names."""
    elsewhere = {"location": f"{server.url}/elsewhere"}
    server.answer(answers.answer(b"", 302, elsewhere), path=CHAT)
    call = SnippetRequest(server.base_url + CHAT, {"model": "m", "messages": []})
    run(command, language, call, tmp_path)
    assert [seen.target for seen in server.requests] == ["/api/v1/chat/completions"]


def test_javascripts_prototype_is_an_ordinary_name(server: ChatServer, tmp_path: Path) -> None:
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    body = json.loads('{"model": "m", "messages": [], "__proto__": {"a": 1}, "seed": 5}')
    call = SnippetRequest(server.base_url + CHAT, body)
    assert run(["node"], "node", call, tmp_path).returncode == 0
    assert json.loads(server.requests[0].body) == body

"""Threats of SECURITY.md that no other file tries."""

from __future__ import annotations

import json

import pytest

from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx
from tests.support.row_server import RowServer

PAGE = {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}


def test_nothing_of_the_current_folder_is_read(online: Ocx, chat_server: ChatServer) -> None:
    evil = '[profiles.default]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "evil"\n'
    for name in ("config.toml", "ocx.toml", ".ocx.toml", ".ocx", "credentials.toml", "serve.toml"):
        (online.work / name).write_text(evil)
    (online.work / ".env").write_text("OCX_BASE_URL=http://127.0.0.1:1/v1\nOCX_MODEL=evil\n")
    online("chat", "-q", "hi").has(0)
    (request,) = [one for one in chat_server.requests if one.target.endswith(CHAT)]
    assert b"evil" not in request.body


@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
def test_a_web_page_gets_nothing_from_the_local_server(ocx: Ocx, method: str) -> None:
    """A preflight, and a form that needs none."""
    ask = (
        "import http.client, os, urllib.parse, sys\n"
        "url = urllib.parse.urlsplit(os.environ['OCX_BASE_URL'])\n"
        "connection = http.client.HTTPConnection(url.netloc, timeout=10)\n"
        f"head = {PAGE | {'Content-Type': 'text/plain'}!r}\n"
        'body = b\'{"model": "gpt-4", "messages": []}\'\n'
        f"connection.request({method!r}, url.path + '/chat/completions', body, head)\n"
        "reply = connection.getresponse()\n"
        "print(reply.status, [n for n, _ in reply.getheaders() if n.lower().startswith('access-')])"
    )
    run = ocx("serve", "--ephemeral", "--", "python3", "-c", ask)
    status, headers = run.has(0).text.split(" ", 1)
    assert int(status) in {401, 405}
    assert headers == "[]\n"


def test_the_ids_of_a_batch_cannot_drive_the_terminal(ocx: Ocx, rows: RowServer) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e"
    lines = [
        json.dumps({"id": f"{hostile}{n}", "prompt": "x", "expect": {"equals": "y"}})
        for n in (1, 2)
    ]
    (ocx.work / "in.jsonl").write_text("\n".join(lines))
    run = ocx.in_terminal("batch", "in.jsonl", "-o", "out.jsonl").finish()
    assert run.status == 14
    assert b"\x1b]0" not in run.stdout
    assert b"\x1b[2J" not in run.stdout
    assert "\u202e" not in run.text


def test_a_row_names_no_file_unless_you_allow_it(ocx: Ocx, rows: RowServer) -> None:
    secret = ocx.work / "secret"
    secret.write_text("my secret")
    row = {"prompt": f"@{secret}", "file": str(secret), "attach": str(secret), "image": str(secret)}
    (ocx.work / "in.jsonl").write_text(json.dumps(row))
    ocx("batch", "in.jsonl", "-o", "out.jsonl")
    assert all(b"my secret" not in request.body for request in rows.requests)

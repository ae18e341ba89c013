"""Every request that leaves the process passes the same checks, whichever command makes it."""

from __future__ import annotations

import ast
import itertools
import sys
from pathlib import Path

import pytest

import ocx
from tests.support.chat_server import ChatServer
from tests.support.program import KEY, Ocx
from tests.support.sizes import some

OCX = "OCX"
"""Stands for the program, where the server starts it."""

FORWARD = """
[upstreams.up]
base_url = "{url}"
api_key_env = "UP_KEY"
[models.front]
route = "forward:up"
"""
WAYS: dict[str, tuple[str, ...]] = {
    "chat": ("chat", "hi"),
    "chat, whole": ("chat", "--no-stream", "hi"),
    "models": ("models",),
    "balance": ("balance",),
    "api": ("api", "GET", "models"),
    "batch": ("batch", "--text", "rows.txt", "-o", "out.jsonl", "--retries", "0"),
    "keys add": ("keys", "add", "main"),
    "doctor": ("doctor",),
    "tape": ("serve", "--record", "tape.jsonl", "--", OCX, "models"),
    "gateway": ("serve", "--config", "serve.toml", "--", OCX, "chat", "-m", "front", "hi"),
}
NAMES = ("evil.localhost", "localhost.", "LOCALHOST")
ELSEWHERE = "0.0.0.0"


@pytest.fixture
def ways(ocx: Ocx, chat_server: ChatServer) -> Ocx:
    (ocx.work / "rows.txt").write_text("one\ntwo\n")
    ocx.env |= {"OCX_API_KEY": KEY, "UP_KEY": KEY, "OCX_RETRIES": "0"}
    return ocx


def words_of(ocx: Ocx, way: str) -> list[str]:
    program = ocx.forked().program
    return [each for word in WAYS[way] for each in (program if word == OCX else (word,))]


def go(ocx: Ocx, way: str, url: str, **env: str) -> str:
    (ocx.work / "serve.toml").write_text(FORWARD.format(url=url))
    given = {"OCX_BASE_URL": url, **env}
    run = ocx(*words_of(ocx, way), env=given, input=KEY.encode() if way == "keys add" else None)
    assert run.status != 0, f"{way} went on: {run}"
    assert KEY not in run.stderr + run.text
    return run.stderr


@pytest.mark.parametrize(
    ("way", "name"),
    some(itertools.product(WAYS, NAMES), 13),
)
def test_a_name_of_this_machine_that_leads_elsewhere(
    ways: Ocx, chat_server: ChatServer, way: str, name: str
) -> None:
    names = {name, name.lower(), name.rstrip(".")}
    resolver = ",".join(f"{each}={ELSEWHERE}" for each in names)
    go(ways, way, f"http://{name}:{chat_server.port}/api/v1", TEST_RESOLVER=resolver)
    assert chat_server.requests == []


URLS = [
    "http://example.test:{port}/v1",
    "http://me:secret@127.0.0.1:{port}/v1",
    "http://127.0.0.1@example.test:{port}/v1",
    "http://0.0.0.0:{port}/v1",
    "ftp://127.0.0.1:{port}/v1",
    "http://127.0.0.1:{port}/v1?a=b",
]


@pytest.mark.parametrize(("way", "url"), some(itertools.product(WAYS, URLS), 17))
def test_a_url_that_no_key_may_go_to(
    ways: Ocx, chat_server: ChatServer, way: str, url: str
) -> None:
    go(ways, way, url.format(port=chat_server.port), TEST_RESOLVER="example.test=127.0.0.1")
    assert chat_server.requests == []


@pytest.mark.parametrize("way", WAYS)
def test_a_redirect_is_never_followed(
    ways: Ocx, chat_server: ChatServer, chat_servers: type[ChatServer], way: str
) -> None:
    other = chat_servers()
    moved = (
        f"HTTP/1.1 307 Moved\r\nLocation: {other.base_url}/models\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    chat_server.answer_all(*[moved] * 8)
    go(ways, way, chat_server.base_url)
    assert chat_server.requests
    assert other.requests == []


@pytest.mark.parametrize("way", WAYS)
def test_loopback_goes_through_no_proxy(
    ways: Ocx, chat_server: ChatServer, chat_servers: type[ChatServer], way: str
) -> None:
    proxy = chat_servers()
    url = f"http://127.0.0.1:{proxy.port}"
    names = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY")
    (ways.work / "serve.toml").write_text(FORWARD.format(url=chat_server.base_url))
    given = {"OCX_BASE_URL": chat_server.base_url, **dict.fromkeys(names, url)}
    ways(*words_of(ways, way), env=given, input=KEY.encode() if way == "keys add" else None)
    assert proxy.requests == []
    assert chat_server.requests


@pytest.mark.parametrize(
    "path",
    ["../../admin", "%2e%2e/%2e%2e/admin", "..%2f..%2fadmin", "x/..%5c..%5cadmin", "//evil/x"],
)
def test_a_path_never_leaves_the_base_url(ways: Ocx, chat_server: ChatServer, path: str) -> None:
    given = {"OCX_BASE_URL": chat_server.base_url}
    ways("api", "GET", path, env=given).has(2)
    get = (
        "import http.client,os,sys,urllib.parse as u\n"
        "b=u.urlsplit(os.environ['OCX_BASE_URL']);c=http.client.HTTPConnection(b.netloc)\n"
        "c.request('GET',b.path+'/'+sys.argv[1],headers={'Authorization':'Bearer '+"
        "os.environ['OCX_API_KEY']});r=c.getresponse();print(r.status)\n"
    )
    words = ("serve", "--record", "t.jsonl", "--", sys.executable, "-c", get, path)
    run = ways(*words, env=given).has(0)
    assert run.text.strip() in {"400", "404"}
    assert chat_server.requests == []


NETWORK = {"socket", "http.client", "urllib.request", "asyncio", "httpx", "httpcore", "aiohttp"}
CONNECTS = {
    "create_connection", "open_connection", "urlopen", "HTTPConnection", "HTTPSConnection",
    "sock_connect", "open_unix_connection", "create_datagram_endpoint", "AsyncClient", "Client",
    "ClientSession",
}  # fmt: skip
MAY_CONNECT = {
    "api/client.py",
    "api/httpx_transport.py",
    "api/httpcore_backend.py",
    "api/async_client.py",
    "api/aiohttp_session.py",
}


def test_nothing_but_the_two_transports_opens_a_connection() -> None:
    root = Path(ocx.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name in NETWORK
        }
        for node in ast.walk(tree):
            opens = isinstance(node, ast.Attribute) and node.attr in CONNECTS | {"connect"}
            if opens and ast.unparse(node.value).split(".")[0] in names:  # type: ignore[attr-defined]
                found.add(str(path.relative_to(root)))
    assert found <= MAY_CONNECT

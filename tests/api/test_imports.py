"""What importing the API costs: the parts that need no HTTP import none of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

import ocx.api
from ocx.api import Client, Endpoint, Stream, proxy, tls_context
from ocx.api.client import Client as RealClient
from tests.support import answers
from tests.support.chat_server import ChatServer
from tests.support.raw_server import CERTIFICATE, RawServer


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


PURE = (
    "api", "api.balance", "api.completion", "api.error_response",
    "api.http", "api.proxy", "api.retry", "api.sse", "api.stream_state",
    "api.types", "api.urls",
)  # fmt: skip


def test_only_the_client_imports_httpx() -> None:
    imports = "; ".join(f"import ocx.{name}" for name in PURE)
    heavy = "{'httpx', 'httpcore', 'h11', 'ssl'}"
    assert run(f"{imports}; import sys; print({heavy} & set(sys.modules))") == "set()"


def test_httpx_comes_without_its_own_command_line() -> None:
    """httpx's CLI brings click, pygments and rich wherever those are installed."""
    code = """
import sys
from ocx.api import Client
print(sorted({"httpx._main", "click", "pygments", "rich", "rich_click"} & set(sys.modules)))
import httpx
print(callable(httpx.main))
"""
    assert run(code).splitlines() == ["[]", "True"]


def test_a_program_that_has_httpx_keeps_it() -> None:
    """As a library we change nothing that was there before."""
    code = """
import sys, types
sys.modules["httpx._main"] = main = types.ModuleType("httpx._main")
main.main = print
from ocx.api import Client
print(sys.modules["httpx._main"] is main)
"""
    assert run(code) == "True"


def test_the_librarys_names() -> None:
    assert (Client, ocx.api.Client) == (RealClient, RealClient)
    assert Stream.__module__ == "ocx.api.stream"
    assert set(ocx.api.__all__) <= {*dir(ocx.api), "Answer", "Client", "Stream", "tls_context"}
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        ocx.api.Nothing  # noqa: B018
    assert tls_context is proxy.tls_context


def test_plain_http_loads_no_certificates(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take 20 ms, and a local server needs none."""

    def load(*_: object) -> None:
        raise AssertionError("certificates were loaded")

    monkeypatch.setattr("ocx.api.proxy.tls_context", load)
    with Client(Endpoint(chat_server.base_url)) as client:
        assert client.models().status == 200


def test_many_clients_share_one_tls_context(
    raw_server: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = raw_server(tls=True)
    server.answer(answers.answer(answers.models("a")))
    tls = tls_context(str(CERTIFICATE))
    monkeypatch.delattr("ocx.api.proxy.tls_context")
    for _ in range(2):
        with Client(Endpoint(server.url, retries=0), tls=tls) as client:
            assert client.models().status == 200

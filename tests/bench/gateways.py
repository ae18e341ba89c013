"""Gateways on the same upstream, each in a process of its own: ours, Portkey's and LiteLLM's."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from tests.bench.free_server import free_port, wait_for
from tests.bench.load import Request
from tests.bench.tools import PEERS, find

KEY = "sk-live-local-full"
"""The fixed key of `ocx serve --ephemeral`."""
_BODY = b"""{"model": "gpt-4o", "messages": [{"role": "user", "content": "What is new?"}]}"""
_ECHOED = _BODY.replace(b"gpt-4o", b"gpt-4")
_OCX = (sys.executable, "-m", "ocx", "serve")
_SERVE = """
grant = 1000000
rpm = 10000000
concurrency = 10000
[upstreams.free]
base_url = "{url}"
[models.gpt-4o]
route = "forward:free"
prompt_price = 5
completion_price = 18
"""
_LITELLM = """
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}", api_key: none}}
"""
_PORTKEY = PEERS / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"


@dataclass(frozen=True)
class Gateway:
    """A running gateway, and the request that it forwards."""

    name: str
    pid: int
    request: Request

    def echoed(self) -> Request:
        """The same request for a model that ours answers by itself."""
        data = self.request.data.replace(_BODY, _ECHOED)
        length = b"content-length: %d"
        return Request(self.request.port, data.replace(length % len(_BODY), length % len(_ECHOED)))

    def cpu(self) -> float:
        """Seconds of user and system time until now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def ours(folder: Path, upstream: str, *, memory: bool = False) -> Iterator[Gateway]:
    """`ocx serve`; its ledger is checked at the end."""
    env = {**os.environ, "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    config = folder / "serve.toml"
    config.write_text(_SERVE.format(url=upstream))
    given = ("--config", str(config))
    key = KEY
    if not memory:
        for words in (("grant", "1000000"), ("keys", "add", "bench")):
            command = [*_OCX, *words]
            done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
            key = done.stdout.strip()
    name = "ocx serve --ephemeral" if memory else "ocx serve"
    words = [*_OCX, *given, *(["--ephemeral"] if memory else [])]
    with _running(name, words, folder, "/api/v1", {"authorization": f"Bearer {key}"}, env) as made:
        yield made
    if not memory:
        subprocess.run([*_OCX, "check"], env=env, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def portkey(folder: Path, upstream: str) -> Iterator[Gateway | None]:
    node = which("node")
    if node is None or not _PORTKEY.exists():
        yield None
        return
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": upstream}
    headers |= {"authorization": "Bearer none"}
    words = [node, str(_PORTKEY), "--headless"]
    with _running("Portkey", words, folder, "/v1", headers, os.environ) as made:
        yield made


@contextmanager
def litellm(folder: Path, upstream: str) -> Iterator[Gateway | None]:
    program = find("litellm")
    if program is None:
        yield None
        return
    config = folder / "litellm.yaml"
    config.write_text(_LITELLM.format(url=upstream))
    words = [program, "--config", str(config), "--host", "127.0.0.1"]
    key = f"sk-{secrets.token_hex(32)}"  # it takes no short one
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": key}
    headers = {"authorization": f"Bearer {key}"}
    with _running("LiteLLM", words, folder, "/v1", headers, env) as made:
        yield made


def post(url: str, headers: dict[str, str], body: bytes = _BODY) -> Request:
    return Request.post(f"{url}/chat/completions", body, headers)


@contextmanager
def _running(
    name: str,
    words: Sequence[str],
    folder: Path,
    path: str,
    headers: dict[str, str],
    env: Mapping[str, str],
) -> Iterator[Gateway]:
    port = free_port()
    flag = f"--port={port}" if name == "Portkey" else "--port"
    more = [flag] if name == "Portkey" else [flag, str(port)]
    with (folder / f"{name}.log").open("wb") as log:
        server = subprocess.Popen(
            [*words, *more], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            wait_for(port, server)
            yield Gateway(name, server.pid, post(f"http://127.0.0.1:{port}{path}", headers))
        finally:
            server.terminate()
            server.wait()

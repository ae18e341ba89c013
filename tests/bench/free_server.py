"""The server that costs nothing: one fixed answer to every POST. nginx, else `free_server.c`."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SOURCE = Path(__file__).with_name("free_server.c")
_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path {folder}/body; client_body_buffer_size 1m;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{answer}'; }} }}
}}
"""


@contextmanager
def running() -> Iterator[tuple[str, str]]:
    """What it is, and its base URL.

    Raises:
        RuntimeError: neither nginx nor a C compiler is installed.
    """
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    compiler = shutil.which("cc")
    with tempfile.TemporaryDirectory() as folder:
        if nginx:
            with _nginx(nginx, Path(folder)) as port:
                yield "nginx", f"http://127.0.0.1:{port}/v1"
        elif compiler:
            with _compiled(compiler, Path(folder)) as port:
                yield "free_server.c", f"http://127.0.0.1:{port}/v1"
        else:
            raise RuntimeError("neither nginx nor cc is installed")


@contextmanager
def _compiled(compiler: str, folder: Path) -> Iterator[int]:
    program = folder / "free_server"
    subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-o", str(program), str(_SOURCE)], check=True)
    server = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.communicate()


@contextmanager
def _nginx(program: str, folder: Path) -> Iterator[int]:
    port = free_port()
    source = _SOURCE.read_text()
    body = source.partition("BODY[] =")[2].partition('}}";')[0] + '}}"'
    answer = "".join(re.findall(r'^ +"(.*)"', body, re.MULTILINE)).replace('\\"', '"')
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, answer=answer))
    server = subprocess.Popen([program, "-p", str(folder), "-c", str(config)])
    try:
        wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, server: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Return once somebody listens. Raises RuntimeError if the server ends, or never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{server.args!r} does not listen")

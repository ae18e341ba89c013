"""A tiny HTTP server on loopback that keeps the requests it got and answers like the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

ANSWER = "Hello, 世界!"


class Seen(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Recorder(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[Seen] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.base}/api/v1/chat/completions"


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(Seen(self.path, headers, body))
        if self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", f"{self.server.base}/elsewhere")
            self.end_headers()
            return
        streams = json.loads(body).get("stream")
        self._send(_stream() if streams else _whole(), streams)

    def do_GET(self) -> None:
        self.server.seen.append(Seen(self.path, dict(self.headers), b""))
        self._send(_whole(), False)

    def _send(self, data: bytes, streams: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if streams else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


def _whole() -> bytes:
    message = {"role": "assistant", "content": ANSWER}
    return json.dumps({"choices": [{"index": 0, "message": message}]}).encode()


def _stream() -> bytes:
    chunks = [{"choices": [{"index": 0, "delta": {"content": c}}]} for c in ANSWER]
    chunks += [{"choices": [{"delta": {}, "finish_reason": "stop"}]}, {"choices": []}]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return ("".join(lines) + "data: [DONE]\n\n").encode()


@contextmanager
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

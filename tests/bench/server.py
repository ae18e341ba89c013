"""A server process for the bench: `deltas-N` as model streams N deltas, `joined-N` in few chunks.

`blocks-N` streams 2,000 lines of code in blocks of N lines, a line each 2 ms, as a model types.

A process of its own, so that its work is nobody's CPU; raw sockets, so that it is no bottleneck.
Prints its port and serves until stdin ends.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from functools import cache

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
)
JOINED = 64 * 1024
"""About what a server that does not flush each delta puts into one chunk."""
LINES, BETWEEN = 2_000, 0.002


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(delta: dict[str, str], finish: str | None = None) -> bytes:
    document = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "deepseek-chat",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


@cache
def answer(count: int, joined: bool) -> bytes:
    events = [event({"content": f" word{number}"}) for number in range(count)]
    events += [event({}, "stop"), b"data: [DONE]\n\n"]
    if joined:
        whole = b"".join(events)
        events = [whole[start : start + JOINED] for start in range(0, len(whole), JOINED)]
    return HEAD + b"".join(map(chunk, events)) + b"0\r\n\r\n"


def typed(connection: socket.socket, block: int) -> None:
    connection.sendall(HEAD)
    for number in range(LINES):
        first = "```python\n" if number % block == 0 else ""
        last = "```\n\n" if number % block == block - 1 else ""
        text = f"{first}value = compute({number}, 'x')\n{last}"
        connection.sendall(chunk(event({"content": text})))
        time.sleep(BETWEEN)
    connection.sendall(chunk(event({}, "stop") + b"data: [DONE]\n\n") + b"0\r\n\r\n")


def serve(connection: socket.socket) -> None:
    with connection:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += connection.recv(65536)
        form, _, count = json.loads(body)["model"].partition("-")
        try:
            if form == "blocks":
                typed(connection, int(count))
            else:
                connection.sendall(answer(int(count), form == "joined"))
        except OSError:  # the client did not want all of it
            return


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()

"""The bytes of HTTP answers, as OpenCodex and what stands before it send them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

JSON = "application/json"
EVENTS = "text/event-stream"
DONE = "[DONE]"
_ENVELOPE = {"id": "chatcmpl-test", "created": 1700000000, "model": "deepseek-chat"}


def head(status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{k}: {v}" for k, v in (headers or {}).items())]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def answer(
    body: bytes | str | dict[str, Any] | list[Any] = b"",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = JSON,
) -> bytes:
    """A whole answer with its length; a dict or a list becomes JSON."""
    if isinstance(body, dict | list):
        body = json.dumps(body, separators=(",", ":"))
    data = body.encode() if isinstance(body, str) else body
    fixed = {"content-type": content_type, "content-length": str(len(data))}
    return head(status, {**fixed, **(headers or {})}) + data


def error(
    status: int, code: str | None = None, message: str = "it went wrong", **headers: str
) -> bytes:
    """An error in the documented status and OpenAI's shape; `retry_after=` etc. are headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"error": {"message": message, "type": "test_error", "param": None, "code": code}}
    return answer(body, status, named)


def piece(data: bytes) -> bytes:
    """One chunk of `Transfer-Encoding: chunked`."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


LAST_PIECE = b"0\r\n\r\n"
STREAM_HEAD = head(200, {"content-type": EVENTS, "transfer-encoding": "chunked"})


def event(data: str | dict[str, Any]) -> bytes:
    """One server-sent event, alone in its HTTP chunk."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    return piece(f"data: {text}\n\n".encode())


def chunk(content: str | None = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chat.completion.chunk with one choice; `delta` are further fields of it."""
    fields = delta if content is None else {"content": content, **delta}
    choice = {"index": 0, "delta": fields, "finish_reason": finish}
    return {**_ENVELOPE, "object": "chat.completion.chunk", "choices": [choice]}


def delta(content: str) -> bytes:
    return event(chunk(content))


def finish(reason: str = "stop") -> bytes:
    return event(chunk(finish=reason))


def usage(prompt: int = 20, completion: int = 10) -> bytes:
    """The usage chunk, which has no choices."""
    envelope = {**_ENVELOPE, "object": "chat.completion.chunk"}
    return event({**envelope, "choices": [], "usage": tokens(prompt, completion)})


def tokens(prompt: int = 20, completion: int = 10) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def stream(*contents: str, reason: str = "stop") -> bytes:
    """A whole streamed answer, one delta a content."""
    deltas = b"".join(delta(content) for content in contents)
    return STREAM_HEAD + deltas + finish(reason) + event(DONE) + LAST_PIECE


def completion(content: str | None, reason: str = "stop") -> dict[str, Any]:
    """The chat.completion document of an answer that is not streamed."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {**_ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": tokens()}


def models(*ids: str) -> dict[str, Any]:
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in ids]
    return {"object": "list", "data": data}

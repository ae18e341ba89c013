"""From a stream's chunks to one completion, and back: a recording serves both ways of asking."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_HEAD = ("id", "created", "model")


def fold(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One `chat.completion` with the text, reasoning and tool calls of all `chunks`."""
    head: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: dict[int, dict[str, Any]] = {}
    finish, usage = None, None
    for chunk in chunks:
        head = head or {name: chunk[name] for name in _HEAD if name in chunk}
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            _add(message, calls, choice.get("delta") or {})
            finish = choice.get("finish_reason") or finish
    if calls:
        message["tool_calls"] = [calls[at] for at in sorted(calls)]
    choice = {"index": 0, "message": message, "finish_reason": finish}
    document = {**head, "object": "chat.completion", "choices": [choice]}
    return document if usage is None else {**document, "usage": usage}


def _add(message: dict[str, Any], calls: dict[int, dict[str, Any]], delta: dict[str, Any]) -> None:
    for name in ("content", "reasoning_content", "reasoning"):
        if isinstance(delta.get(name), str):
            message[name] = (message.get(name) or "") + delta[name]
    for part in delta.get("tool_calls") or ():
        call = calls.setdefault(part.get("index", 0), {"type": "function", "function": {}})
        if part.get("id"):
            call["id"] = part["id"]
        for name, value in (part.get("function") or {}).items():
            call["function"][name] = call["function"].get(name, "") + (value or "")


def unfold(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks that fold to `document`: the whole message, the finish, the usage."""
    head: dict[str, Any] = {name: document[name] for name in _HEAD if name in document}
    head["object"] = "chat.completion.chunk"
    choice = document["choices"][0]
    delta = dict(choice["message"])
    if delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": at, **c} for at, c in enumerate(delta["tool_calls"])]
    finish = choice.get("finish_reason")
    chunks = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
    ]
    if document.get("usage"):
        chunks.append({**head, "choices": [], "usage": document["usage"]})
    return chunks

"""A server for batches: it answers each prompt by itself, counts who asked, and can misbehave."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.raw_server import Request

Behave = Callable[[str, int], Any]
"""From a prompt and the number of times it was asked, a script; None is a good answer."""


def good(prompt: str, **usage: Any) -> bytes:
    """The prompt in capitals."""
    document = answers.completion(prompt.upper())
    document["usage"] |= usage
    return answers.answer(document)


class RowServer(ChatServer):
    """Attributes:
    asked: how often each prompt came.
    """

    def __init__(self, behave: Behave = lambda *_: None) -> None:
        self.behave = behave
        self.asked: Counter[str] = Counter()
        self._counting = threading.Lock()
        super().__init__()

    def prompts(self) -> list[str]:
        """Every prompt in the order in which they came."""
        return [body["messages"][-1]["content"] for body in self.chats()]

    def _next_script(self, request: Request) -> Any:
        if not request.target.endswith(CHAT):
            return super()._next_script(request)
        prompt = prompt_of(request)
        with self._counting:
            self.asked[prompt] += 1
            times = self.asked[prompt]
        script = self.behave(prompt, times)
        if script is None:
            script = good(prompt)
        return [script] if isinstance(script, bytes) else script


def prompt_of(request: Request) -> str:
    """The last message of a chat."""
    text: str = json.loads(request.body)["messages"][-1]["content"]
    return text


def write_rows(path: Path, count: int) -> None:
    """JSON Lines of the prompts `row 0`, `row 1`, …, with the ids r0, r1, …"""
    rows = ({"id": f"r{number}", "prompt": f"row {number}"} for number in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The complete lines of an output."""
    return [json.loads(line) for line in path.read_bytes().splitlines(True) if line.endswith(b"\n")]


def text_of(row: dict[str, Any]) -> str | None:
    """The answer in an output row; None if it failed."""
    if row["ocx"]["class"] != "ok":
        return None
    text: str = row["response"]["body"]["choices"][0]["message"]["content"]
    return text

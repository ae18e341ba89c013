"""An OpenCodex that does what its documentation says, on top of the raw server."""

from __future__ import annotations

import json
from typing import Any

from tests.support import answers
from tests.support.raw_server import RawServer, Request

PATH = "/api/v1"
CHAT, MODELS, BALANCE = "/chat/completions", "/models", "/balance"


class ChatServer(RawServer):
    """Answers chat with `Hello!` in two deltas, models with two ids, balance with 499.5 credits."""

    def __init__(self, host: str = "127.0.0.1", *, tls: bool = False) -> None:
        super().__init__(host, tls=tls)
        self.base_url = self.url + PATH
        self.answer(answers.stream("Hello", "!"), path=CHAT)
        self.answer(answers.answer(answers.models("deepseek-chat", "gpt-4o")), path=MODELS)
        self.answer(answers.answer({"balance": 499.5}), path=BALANCE)

    def answer_all(self, *scripts: Any) -> None:
        """The same for every path."""
        self._routes.clear()
        self.answer(*scripts)

    def body(self, request: Request | None = None) -> Any:
        """The JSON that the last (or that) request carried."""
        return json.loads((request or self.requests[-1]).body)

    def chats(self) -> list[Any]:
        """The bodies of all chat requests."""
        return [self.body(each) for each in self.requests if each.target.endswith(CHAT)]

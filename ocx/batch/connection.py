"""One worker's connection: a row in, its outcome out."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from ocx.answer.cost import cost_in_answer
from ocx.api.balance import parse_balance
from ocx.api.client import Client
from ocx.api.completion import CutAnswerError
from ocx.api.types import Endpoint, Reply
from ocx.batch.result import Answer, Failure, Outcome
from ocx.batch.rows.row import CHAT_PATH, Row
from ocx.errors import (
    AuthError,
    DeadlineError,
    InvalidAnswerError,
    NetworkError,
    OcxError,
    ServerError,
)

Check = Callable[[Row, str], str]
"""What is delivered of an answer's text. Raises InvalidAnswerError."""


class Connection(Protocol):
    """What a worker needs of the network; never used by two threads but for `close`."""

    def send(self, row: Row) -> Outcome:
        """Send the row once, without retries."""
        ...

    def probe(self) -> bool:
        """Whether the server answers at all, by a request that costs nothing."""
        ...

    def balance(self) -> Decimal:
        """Raises: OcxError if it cannot be read for sure."""
        ...

    def close(self) -> None:
        """End what is running; from any thread."""
        ...


class ApiConnection:
    """On a client of the API; `tls` is one context for all workers."""

    def __init__(
        self,
        endpoint: Endpoint,
        check: Check | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        balance_path: str | None = None,
        balance_scale: Decimal | None = None,
    ) -> None:
        self._client = Client(endpoint, tls=tls)
        self._check = check
        self._balance_path = balance_path
        self._balance_scale = balance_scale

    def send(self, row: Row) -> Outcome:
        try:
            if row.path == CHAT_PATH:
                reply = self._client.chat(row.body)
                text = message_text(reply.json)
            else:
                content = json.dumps(row.body, ensure_ascii=False, separators=(",", ":")).encode()
                reply = self._client.request("POST", row.path, content=content)
                text = ""
        except OcxError as error:
            return _failure(error)
        credits, source = _cost(reply.json)
        try:
            text = self._check(row, text) if self._check else text
        except InvalidAnswerError as error:
            return Failure(error, reply.headers, reply.json, credits=credits)
        return Answer(
            text, reply.json, reply.status, reply.request_id, reply.headers, credits, source
        )

    def probe(self) -> bool:
        try:
            self._client.models()
        except (NetworkError, DeadlineError):
            return False
        except ServerError as error:
            return (error.status or 0) < 500
        except AuthError:
            return True
        except OcxError:
            return True  # refused, but by somebody who is there
        return True

    def balance(self) -> Decimal:
        reply = self._client.balance()
        found = parse_balance(reply, path=self._balance_path, scale=self._balance_scale)
        if found.unlimited:
            return Decimal("Infinity")
        if found.amount is None or found.confidence == "guessed":
            raise ServerError(
                "the balance cannot be told for sure, so no budget can be kept",
                hint="`ocx balance --raw` shows the answer; set balance_path to name the number",
            )
        return found.amount

    def close(self) -> None:
        self._client.close()


def message_text(document: Any) -> str:
    """The text of the first choice; empty if it has none."""
    try:
        content = document["choices"][0]["message"].get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        return ""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _cost(document: Any) -> tuple[Decimal | None, str]:
    cost = cost_in_answer(document if isinstance(document, Mapping) else None)
    return (None, "unknown") if cost is None else (cost.credits, cost.source)


def _failure(error: OcxError) -> Failure:
    if isinstance(error, CutAnswerError):
        reply: Reply = error.reply
        return Failure(error, reply.headers, reply.json, credits=_cost(reply.json)[0])
    body = _document(error.body) if error.body is not None else None
    return Failure(error, error.headers, body, error.sent)


def _document(body: bytes) -> Any:
    """A refusal as JSON, else as text."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")

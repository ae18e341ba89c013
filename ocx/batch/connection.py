"""One worker's connection: a row in, its outcome out."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from ocx.answer.cost import Cost, cost_in_answer
from ocx.api.answer import Answer as ApiAnswer
from ocx.api.balance import parse_balance
from ocx.api.client import Client
from ocx.api.completion import RefusedError, document_of
from ocx.api.error_response import parse
from ocx.api.error_words import decoded
from ocx.api.message import text_of
from ocx.api.tls import tls_context
from ocx.api.types import Endpoint
from ocx.batch.expect import check_expectation
from ocx.batch.output.verdict import answer_fault
from ocx.batch.result import Answer, Failure, Outcome
from ocx.batch.rows.row import CHAT_PATH, Row
from ocx.call.exchange import Body, Exchange
from ocx.call.options import Checks
from ocx.errors import (
    AuthError,
    DeadlineError,
    NetworkError,
    OcxError,
    ServerError,
)

if TYPE_CHECKING:
    from ocx.answer.schema import Schema  # jsonschema, only for --schema


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
    """On a client of the API.

    Args:
        endpoint: its `retries` are tries below those of the run: 0.
        checks: what every answer must be; `schema` is the one they name, read.
        tls: one context for all workers.
        in_words: what all workers know of models that take no response_format.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        checks: Checks | None = None,
        schema: Schema | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        in_words: set[str] | None = None,
        balance_path: str | None = None,
        balance_scale: Decimal | None = None,
    ) -> None:
        self._client = Client(endpoint, tls=tls)
        self._heard = _Requests()
        self._exchange = Exchange(
            self._client,
            checks or Checks(),
            schema,
            recorder=self._heard,
            stream=False,
            in_words=set() if in_words is None else in_words,
        )
        self._format = schema.response_format() if schema is not None else None
        self._balance_path = balance_path
        self._balance_scale = balance_scale

    def send(self, row: Row) -> Outcome:
        try:
            return self._ask(row) if row.path == CHAT_PATH else self._post(row)
        except OcxError as error:
            return _refused(error)

    def _ask(self, row: Row) -> Outcome:
        heard = self._heard
        heard.clear()
        body = dict(row.body)
        if self._format is not None and body.get("response_format") == self._format:
            del body["response_format"]  # the exchange adds it, or asks in words instead
        try:
            text = self._text_of(body)
            if row.expect is not None:
                check_expectation(row.expect, text)
        except OcxError as error:
            return heard.failure(error)
        return heard.answer(text)

    def _text_of(self, body: Body) -> str:
        """The answer's text; a refusal of the model is one, unless its text is checked."""
        try:
            result = self._exchange.send(body)
        except RefusedError as refused:
            fault = answer_fault(refused.reply.json)
            if fault is not None or self._exchange.checks.need_text:
                raise
            message = refused.reply.json["choices"][0]["message"]
            return text_of(message["refusal"])
        fault = answer_fault(result.answer.fields)
        if fault is not None:
            raise fault
        return result.text

    def _post(self, row: Row) -> Outcome:
        content = json.dumps(row.body, ensure_ascii=False, separators=(",", ":")).encode()
        reply = self._client.request("POST", row.path, content=content)
        cost = _cost(document_of(reply))
        return Answer(
            "", reply.json, reply.status, reply.request_id, reply.headers, cost.credits, cost.source
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


def connector(
    endpoint: Endpoint,
    checks: Checks,
    schema: Schema | None = None,
    *,
    balance_path: str | None = None,
    balance_scale: Decimal | None = None,
) -> Callable[[], Connection]:
    """What makes each worker its connection: a client each, one TLS context for all of them."""
    once = replace(endpoint, retries=0)
    https = endpoint.base_url.lower().startswith("https:")
    tls = tls_context(endpoint.ca_bundle) if https else None
    in_words: set[str] = set()

    def connect() -> Connection:
        return ApiConnection(
            once,
            checks,
            schema,
            tls=tls,
            in_words=in_words,
            balance_path=balance_path,
            balance_scale=balance_scale,
        )

    return connect


class _Requests:
    """Hears of each request that was sent for a row: those that ask again count and cost too."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._last: ApiAnswer | None = None
        self._count = 0
        self._costs: list[Cost] = []

    def record(
        self,
        body: Body,  # noqa: ARG002 - what a recorder is told
        started: float,  # noqa: ARG002
        answer: ApiAnswer,
        cost: Cost | None,  # noqa: ARG002
        error: BaseException | None = None,
    ) -> None:
        self._last = answer
        self._count += 1
        if error is None or answer.fields:  # else refused, and nothing was charged
            self._costs.append(_cost(answer.fields))

    def answer(self, text: str) -> Answer:
        last = self._last or ApiAnswer()
        credits = self._credits()
        return Answer(
            text,
            last.fields,
            request_id=last.request_id,
            headers=last.headers,
            credits=credits,
            credits_source="unknown" if credits is None else "response",
            requests=self._count,
        )

    def failure(self, error: OcxError) -> Failure:
        last = self._last
        if last is None or not last.fields:
            return _refused(error, self._credits(), self._count)
        return Failure(
            error, last.headers, last.fields, credits=self._credits(), requests=self._count
        )

    def _credits(self) -> Decimal | None:
        """Of all requests together; None if one of them does not tell, or there is none."""
        known = [cost.credits for cost in self._costs if cost.credits is not None]
        if not known or len(known) < len(self._costs):
            return None
        return sum(known, Decimal(0))


def _cost(document: Any) -> Cost:
    found = cost_in_answer(document if isinstance(document, Mapping) else None)
    return found or Cost(None, "unknown")


def _refused(error: OcxError, credits: Decimal | None = None, requests: int = 1) -> Failure:
    """A failure without an answer: with the server's own words, if it had any."""
    body = None if error.body is None else _document(error.body, error.headers)
    return Failure(error, error.headers, body, error.sent, credits, requests)


def _document(body: bytes, headers: Mapping[str, str]) -> Any:
    """A refusal as JSON, else as text; whatever its encoding."""
    content_type = headers.get("content-type", "")
    found = parse(body, content_type)
    return decoded(body, content_type) if found is None else found

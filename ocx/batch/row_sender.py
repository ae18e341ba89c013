"""The network of a run: a row in, its outcome out; many at once, on one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ocx.api.async_client import AsyncClient
from ocx.api.balance import parse_balance
from ocx.api.completion import document_of
from ocx.api.error_response import parse
from ocx.api.http import decoded, encode
from ocx.api.message import text_of
from ocx.api.models import model_ids
from ocx.api.prices import cost_in_answer
from ocx.api.retry import backoff
from ocx.api.types import Endpoint, Reply
from ocx.batch.batch_row import answer_fault, fault_of_another
from ocx.batch.control.failures import policy_for
from ocx.batch.row import CHAT_PATH, Outcome, Row, RowAnswer, RowFailure, check_expectation
from ocx.chat.credits import check_known
from ocx.chat.exchange import NOTHING, Exchange, attempts, check_answer, fetched
from ocx.chat.options import AnswerChecks
from ocx.errors import DeadlineError, NetworkError, OcxError, RejectedError, ServerError
from ocx.secret import mask_keys
from ocx.text import map_texts

if TYPE_CHECKING:
    from ocx.chat.schema import Schema  # jsonschema, only for --schema
    from ocx.keys.client import Dated

_MINUTE = 60.0


@dataclass
class RowSender:
    """Sends rows over a pool of connections; asks for the balance and the models, too.

    Attributes:
        checks: what every answer must be; `schema` is the one they name, read.
        readings: where balances go that were read.
    """

    endpoint: Endpoint
    checks: AnswerChecks = field(default_factory=AnswerChecks)
    schema: Schema | None = None
    balance_path: str | None = None
    balance_scale: Decimal | None = None
    readings: list[Dated] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._client = AsyncClient(self.endpoint)
        self._in_words: set[str] = set()
        self._format = self.schema.response_format() if self.schema is not None else None

    async def send(self, row: Row) -> Outcome:
        """Send the row once, without retries."""
        exchanges: list[Exchange] = []
        try:
            if row.path != CHAT_PATH:
                return await self._post(row)
            text, raw = await self._valid_text(row, exchanges)
            if row.expect is not None:
                check_expectation(row.expect, text)
        except OcxError as error:
            return self._failure(error, exchanges)
        answer = exchanges[-1].answer
        return RowAnswer(
            text,
            answer.fields,
            request_id=answer.request_id,
            headers=answer.headers,
            credits=_credits(exchanges),
            requests=len(exchanges),
            # Calls get ids where the server gave none, so their document may not be what came.
            raw=None if answer.tool_calls else raw,
        )

    def _failure(self, error: OcxError, exchanges: Sequence[Exchange]) -> RowFailure:
        """With the answer that came, else with the server's own words, if it had any.

        No key that the server repeats stands in an output.
        """
        answer, sent = exchanges[-1].answer if exchanges else NOTHING, True
        headers: Mapping[str, str] = answer.headers
        body: Any = answer.fields
        if not body:
            headers, sent = error.headers, error.sent
            body = None if error.body is None else _document(error.body, headers)
        error.message = mask_keys(error.message, self.endpoint.secrets)
        body = map_texts(body, lambda text: mask_keys(text, self.endpoint.secrets))
        return RowFailure(error, headers, body, sent, _credits(exchanges), max(1, len(exchanges)))

    async def _valid_text(self, row: Row, exchanges: list[Exchange]) -> tuple[str, bytes]:
        """With the body that it came in; the requests that it took are added to `exchanges`."""
        body = dict(row.body)
        if self._format is not None and body.get("response_format") == self._format:
            del body["response_format"]  # added again, or asked for in words instead
        steps = attempts(body, self.checks, self.schema, self._in_words)
        exchanges.append(next(steps))
        while True:
            try:
                return await self._text(exchanges[-1])
            except OcxError as error:
                exchanges.append(steps.throw(error))

    async def _text(self, exchange: Exchange) -> tuple[str, bytes]:
        """The answer's text; a refusal of the model is one, unless its text is checked."""
        try:
            reply = await self._client.chat(exchange.body)
        except OcxError as unfit:
            if unfit.reply is None:
                raise
            reply, exchange.answer = unfit.reply, fetched(unfit.reply)
            refusal = isinstance(unfit, RejectedError) and not self.checks.need_text
            if not refusal or answer_fault(reply.json) is not None:
                raise
            return text_of(reply.json["choices"][0]["message"]["refusal"]), reply.body
        exchange.answer = answer = fetched(reply)
        # The client has looked at all else that answer_fault looks at.
        if answer.finish_reason is None and (fault := answer_fault(answer.fields)) is not None:
            raise fault
        return check_answer(self.checks, self.schema, answer), reply.body

    async def _post(self, row: Row) -> RowAnswer:
        reply = await self._client.request("POST", row.path, content=encode(row.body))
        if (fault := fault_of_another(reply.json)) is not None:
            fault.body, fault.status = reply.body, reply.status
            raise fault
        cost = _cost(document_of(reply))
        return RowAnswer("", reply.json, reply.status, reply.request_id, reply.headers, cost)

    async def probe(self) -> bool:
        """Whether the server answers at all, by a request that costs nothing."""
        try:
            await self._client.models()
        except (NetworkError, DeadlineError):
            return False
        except ServerError as error:
            # Who does not know this path is there, too.
            return (error.status or 0) < 500 or error.status == 501
        except OcxError:
            return True  # refused, but by somebody who is there
        return True

    async def model_ids(self) -> list[str]:
        """Raises: OcxError if they cannot be read."""
        return model_ids((await self._client.models()).json)

    async def balance(self) -> Decimal:
        """Raises: OcxError if it cannot be read for sure."""
        reply = await self._read_balance()
        found = parse_balance(reply, path=self.balance_path, scale=self.balance_scale)
        # For the history: the first, the last, and one a minute between them.
        readings = self.readings
        if len(readings) > 1 and readings[-1][0] - readings[-2][0] < _MINUTE:
            readings.pop()
        readings.append((time.time(), found))
        check_known(found, accept_guess=False)
        return Decimal("Infinity") if found.amount is None else found.amount

    async def _read_balance(self) -> Reply:
        """One lost answer ends no run."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._client.balance()
            except OcxError as error:
                wait = backoff(attempt, error.retry_after)
                again = policy_for(error, sent=error.sent).again
                if attempt > self.endpoint.retries or wait > _MINUTE or not again:
                    raise
            await asyncio.sleep(wait)

    async def aclose(self) -> None:
        """End what is running."""
        await self._client.close()


def _credits(exchanges: Sequence[Exchange]) -> Decimal | None:
    """Of all requests that were answered; None if one of them does not tell, or there is none."""
    costs = [_cost(one.answer.fields) for one in exchanges if one.answer is not NOTHING]
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(costs) else None


def _cost(document: Any) -> Decimal | None:
    found = cost_in_answer(document if isinstance(document, Mapping) else None)
    return None if found is None else found.credits


def _document(body: bytes, headers: Mapping[str, str]) -> Any:
    """A refusal as JSON, else as text; whatever its encoding."""
    content_type = headers.get("content-type", "")
    found = parse(body, content_type)
    return decoded(body, content_type) if found is None else found

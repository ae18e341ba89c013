"""One call through the API: sent, checked, asked for again if it is invalid, its cost known.

Nothing here prints or knows a terminal: what hears of the answer is handed in. `ocx chat`, its
session and programs of one's own make their calls through it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ocx.api.answer import Answer, ending_of, joined, streamed_answer, whole_answer
from ocx.api.types import Delta, Reply
from ocx.chat.options import AnswerChecks
from ocx.chat.think_and_fences import Thinking, extract, without_think
from ocx.errors import IncompleteError, InvalidAnswerError, OcxError, RejectedError
from ocx.record import record
from ocx.text import one_line

if TYPE_CHECKING:
    from ocx.api import Client, Stream
    from ocx.api.prices import Cost
    from ocx.chat.credits import Credits
    from ocx.chat.schema import Schema

log = logging.getLogger("ocx.chat")

Body = dict[str, Any]
CUT_AT_LIMIT = "the answer was cut off at the token limit"
NOTHING = Answer()


@dataclass
class Exchange:
    """One request of a call, and what came of it: filled by who sends it.

    Attributes:
        body: without `stream`.
        started: seconds since the epoch.
        answer: what arrived.
        text: the answer's, or what the checks made of it: the JSON, the code block.
        cost: None for a call without `Credits`.
        error: what ended it; None if all went well.
    """

    body: Body
    started: float = 0
    answer: Answer = NOTHING
    text: str = ""
    cost: Cost | None = None
    error: BaseException | None = None


def attempts(
    body: Body, checks: AnswerChecks, schema: Schema | None, in_words: set[str]
) -> Generator[Exchange]:
    """The requests that it takes to get a valid answer: throw each one's error into it.

    Nothing is sent here: a call that waits and one on an event loop share it.
    An error that is final comes out again; an answer that is valid is the end.
    """
    if schema is None:
        yield Exchange(body)
        return
    model = str(body.get("model"))
    if model not in in_words or "response_format" in body:
        try:
            yield from _until_valid(schema.in_format(body), checks)
            return
        except RejectedError as error:
            if "response_format" in body or not refuses_format(error):
                raise
            log.warning("the server refuses response_format; asking in the system message")
            in_words.add(model)
    yield from _until_valid(schema.in_words(body), checks)


def _until_valid(body: Body, checks: AnswerChecks) -> Generator[Exchange]:
    for left in range(checks.schema_retries, -1, -1):
        exchange = Exchange(body)
        try:
            yield exchange
            return
        except InvalidAnswerError as error:
            if not left:
                raise
            log.warning("%s; asking again", one_line(error.message))
            wrong = f"That was not valid: {error.message}."
            turns = [
                {"role": "assistant", "content": exchange.answer.text},
                {"role": "user", "content": f"{wrong} Answer again, with the corrected JSON only."},
            ]
            body = {**body, "messages": [*body["messages"], *turns]}


def refuses_format(error: OcxError) -> bool:
    """Whether it is response_format, or the schema in it, that the server does not take."""
    from ocx.api.error_words import names_field  # only if there is an error

    return names_field(error, r"(?i)response.?format|schema|structured.?output|grammar")


def fetched(reply: Reply, *, split_think: bool = True) -> Answer:
    """The answer in a chat.completion that came whole, its thinking apart."""
    answer = whole_answer(reply)
    return without_think(answer) if split_think else answer


def check_answer(checks: AnswerChecks, schema: Schema | None, answer: Answer) -> str:
    """What the checks make of an answer. Raises InvalidAnswerError, IncompleteError."""
    if checks.fail_on_length and was_cut(answer):
        raise IncompleteError(CUT_AT_LIMIT, hint="raise --max-tokens", rerun_helps=False)
    if checks.need_text and not answer.text and answer.tool_calls:
        hint = "leave out --tools, or -x and --schema"
        raise InvalidAnswerError("the answer is tool calls, not a text", hint=hint)
    if schema is not None:
        return schema.check(answer.text)
    if not checks.extracts:
        return answer.text
    return extract(answer.text, last=checks.extract_last)


def was_cut(answer: Answer) -> bool:
    """Whether the token limit ended the answer."""
    return answer.finish_reason is not None and ending_of(answer.finish_reason) == "length"


class DeltaSink:
    """Hears of one request's answer: `write` for each piece, then `finish`, also if it broke off.

    An answer that comes whole is one piece. This one does nothing with it.
    """

    def write(self, deltas: Sequence[Delta]) -> None: ...

    def finish(self, answer: Answer, *, complete: bool) -> None: ...

    def deliver(self, text: str) -> None:
        """Take what the checks made of an answer."""


class Recorder(Protocol):
    def record(self, exchange: Exchange) -> None:
        """Keep a request that ended, however it ended; its answer holds the text."""


@record
class ChatRunner:
    """How calls are made over one client.

    Attributes:
        schema: that of `checks.schema`, read.
        credits: limits and costs; None neither looks at the balance nor tells a cost.
        stream: ask for the answer piece by piece.
        keep_text: put a stream's text into the answer. Checks and a recorder need it anyway.
        in_words: models whose server refuses response_format: the schema is in the system message.
        uncounted: models whose server refuses stream_options: the tokens are not known.
        fallbacks: models that are asked in turn if the body's cannot answer.
        split_think: tell a `<think>` block at the beginning of the text apart, as reasoning.
    """

    client: Client
    checks: AnswerChecks = field(default_factory=AnswerChecks)
    schema: Schema | None = None
    credits: Credits | None = None
    recorder: Recorder | None = None
    stream: bool = True
    keep_text: bool = True
    split_think: bool = True
    fallbacks: Sequence[str] = ()
    in_words: set[str] = field(default_factory=set)
    uncounted: set[str] = field(default_factory=set)

    def send(self, body: Body, sink: DeltaSink | None = None) -> Exchange:
        """Make a call with the body of POST /chat/completions, without `stream`.

        Raises:
            InvalidAnswerError: the answer fails its checks, and no retry is left.
            IncompleteError: it broke off, or the token limit cut it and that is to fail.
            BelowError: fewer credits are left than the limit; nothing was sent.
            OcxError: every error of `ocx.api.Client`.
        """
        sink = DeltaSink() if sink is None else sink
        if self.credits is not None:
            self.credits.begin(self.client)
        with self.client.one_deadline() if self.fallbacks else nullcontext():
            while True:
                try:
                    return self._valid(body, sink)
                except OcxError as error:
                    model = self._model_after(body, error)
                    if model is None:
                        raise
                    log.warning("%s: %s; asking %s", body["model"], one_line(error.message), model)
                    body = {**body, "model": model}

    def _model_after(self, body: Body, error: OcxError) -> str | None:
        """The model to ask next; None if the error is the end."""
        if not self.fallbacks:
            return None
        from ocx.api.retry import next_model  # only where a call may fall back

        return next_model(str(body.get("model")), self.fallbacks, error)

    def _valid(self, body: Body, sink: DeltaSink) -> Exchange:
        """One model's answer that satisfies the checks."""
        steps = attempts(body, self.checks, self.schema, self.in_words)
        exchange = next(steps)
        while True:
            try:
                self._make(exchange, sink)
                return exchange
            except OcxError as error:
                exchange = steps.throw(error)

    def _make(self, exchange: Exchange, sink: DeltaSink) -> None:
        """Send one request and hear the answer; it is recorded whether or not it ends well."""
        exchange.started, clock = time.time(), time.monotonic()
        try:
            (self._stream if self.stream else self._fetch)(exchange, sink)
            exchange.text = check_answer(self.checks, self.schema, exchange.answer)
            if self.checks.need_text:
                sink.deliver(exchange.text)
            if self.credits is not None:
                exchange.cost = self.credits.end(self.client, exchange.answer.fields)
        except BaseException as error:
            if exchange.answer is NOTHING:
                exchange.answer = Answer(seconds=time.monotonic() - clock)
            exchange.error = error
            if self.credits is not None:
                exchange.cost = self.credits.lost(exchange.answer.fields)
            raise
        finally:
            if self.recorder is not None:
                self.recorder.record(exchange)

    def _stream(self, exchange: Exchange, sink: DeltaSink) -> None:
        text: list[str] = []
        reasoning: list[str] = []

        def keep(deltas: Sequence[Delta]) -> None:
            text.extend([delta.text for delta in deltas])
            reasoning.extend([delta.reasoning for delta in deltas if delta.reasoning])
            sink.write(deltas)

        # Text is kept only for whoever wants it: memory must not grow.
        keeps = self.keep_text or self.recorder or self.checks.need_text
        hear: Callable[[Sequence[Delta]], object] = keep if keeps else sink.write
        thinking = Thinking(hear) if self.split_think else None
        take = thinking.take if thinking else hear
        complete = given_up = False
        with self._opened(exchange) as stream:
            try:
                for deltas in stream:
                    take(deltas)
                complete = True
            except OcxError as error:
                # Another model is asked: this answer is nothing to the sink, which waits for that.
                given_up = self._model_after(exchange.body, error) is not None
                raise
            finally:
                if thinking:
                    thinking.end()
                answer = streamed_answer(stream, joined(text), joined(reasoning))
                exchange.answer = thinking.of(answer) if thinking else answer
                if not given_up:
                    sink.finish(exchange.answer, complete=complete)

    def _opened(self, exchange: Exchange) -> Stream:
        """The answer as it begins; without stream_options where the server refuses them."""
        model = str(exchange.body.get("model"))
        while True:
            if model in self.uncounted:
                exchange.body = {k: v for k, v in exchange.body.items() if k != "stream_options"}
            try:
                return self.client.stream(exchange.body)
            except RejectedError as error:
                from ocx.api.error_words import names_field

                given = "stream_options" in exchange.body
                if not given or not names_field(error, "stream_options"):
                    raise
                log.warning("the server refuses stream_options; asking without, tokens are unknown")
                self.uncounted.add(model)

    def _fetch(self, exchange: Exchange, sink: DeltaSink) -> None:
        unfit: OcxError | None = None
        try:
            reply = self.client.chat(exchange.body)
        except OcxError as error:
            if error.reply is None:
                raise
            reply, unfit = error.reply, error
        exchange.answer = answer = fetched(reply, split_think=self.split_think)
        if unfit is None or self._model_after(exchange.body, unfit) is None:
            sink.write([Delta(answer.text, answer.reasoning, "", answer.finish_reason)])
            sink.finish(answer, complete=unfit is None)
        if unfit is not None:
            raise unfit

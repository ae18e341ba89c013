"""One call through the API: sent, checked, asked for again if it is invalid, its cost known.

Nothing here prints or knows a terminal: what hears of the answer is handed in. `ocx chat`, its
session and programs of one's own make their calls through it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ocx.api.answer import Answer, joined, streamed_answer, whole_answer
from ocx.api.types import Delta, Reply
from ocx.chat.attempts import NOTHING, Body, Trip, attempts, check_answer, fetched
from ocx.chat.options import AnswerChecks
from ocx.chat.think import Thinking
from ocx.errors import OcxError, RejectedError
from ocx.text import one_line

if TYPE_CHECKING:
    from ocx.api import Client, Stream
    from ocx.api.usage import Cost
    from ocx.chat.credits import Credits
    from ocx.chat.schema import Schema

log = logging.getLogger("ocx.chat")


class DeltaSink(Protocol):
    """Hears of one request's answer: `write` for each piece, then `finish`, also if it broke off.

    An answer that comes whole is one piece.
    """

    def write(self, deltas: Sequence[Delta]) -> None: ...

    def finish(self, answer: Answer, *, complete: bool) -> None: ...

    def deliver(self, text: str) -> None:
        """Take what was made of an answer that is not delivered piece by piece (`Checks`)."""


class Recorder(Protocol):
    """Hears of each request that ended, however it ended."""

    def record(
        self,
        body: Body,
        started: float,
        answer: Answer,
        cost: Cost | None,
        error: BaseException | None = None,
    ) -> None:
        """Keep a request.

        Args:
            body: without `stream`.
            started: seconds since the epoch.
            answer: what arrived, with its text.
            cost: None if the call has no `Credits`.
            error: what ended it; None if all went well.
        """


class Result(NamedTuple):
    """What a call brought.

    Attributes:
        text: the answer's, or what the checks made of it: the JSON, the code block.
        cost: None for a call without `Credits`.
    """

    answer: Answer
    text: str
    cost: Cost | None


@dataclass(frozen=True)
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

    def send(self, body: Body, sink: DeltaSink | None = None) -> Result:
        """Make a call with the body of POST /chat/completions, without `stream`.

        Raises:
            InvalidAnswerError: the answer fails its checks, and no retry is left.
            IncompleteError: it broke off, or the token limit cut it and that is to fail.
            BelowError: fewer credits are left than the limit; nothing was sent.
            OcxError: every error of `ocx.api.Client`.
        """
        if self.credits is not None:
            self.credits.begin(self.client)
        if not self.fallbacks:
            return self._asked(body, sink)
        with self.client.one_deadline():
            return self._asked_in_turn(body, sink)

    def _asked_in_turn(self, body: Body, sink: DeltaSink | None) -> Result:
        """The answer of the first model that gives one."""
        while True:
            try:
                return self._asked(body, sink)
            except OcxError as error:
                model = self.model_after(body, error)
                if model is None:
                    raise
                log.warning("%s: %s; asking %s", body["model"], one_line(error.message), model)
                body = {**body, "model": model}

    def model_after(self, body: Body, error: OcxError) -> str | None:
        """The model to ask next, None to give up."""
        if not self.fallbacks:
            return None
        from ocx.api.retry import next_model  # only where a call may fall back

        return next_model(str(body.get("model")), self.fallbacks, error)

    def _asked(self, body: Body, sink: DeltaSink | None) -> Result:
        """One model's answer."""
        steps = attempts(body, self.checks, self.schema, self.in_words)
        attempt = next(steps)
        while True:
            try:
                return _Attempt(self, attempt, sink).make()
            except OcxError as error:
                attempt = steps.throw(error)


class _Attempt:
    """One request and its answer."""

    def __init__(self, exchange: ChatRunner, attempt: Trip, sink: DeltaSink | None) -> None:
        self._attempt = attempt
        self._exchange = exchange
        self._body = attempt.body
        self._sink = sink

    @property
    def answer(self) -> Answer:
        return self._attempt.answer

    @answer.setter
    def answer(self, answer: Answer) -> None:
        self._attempt.answer = answer

    def make(self) -> Result:
        """Send it; it is recorded whether or not it ends well."""
        exchange, credits = self._exchange, self._exchange.credits
        started, clock = time.time(), time.monotonic()
        try:
            (self._stream if exchange.stream else self._fetch)()
            text = self._check()
        except BaseException as error:
            if self.answer is NOTHING:
                self.answer = Answer(seconds=time.monotonic() - clock)
            lost = credits.lost(self.answer.fields) if credits else None
            self._record(started, lost, error)
            raise
        cost = credits.end(exchange.client, self.answer.fields) if credits else None
        self._record(started, cost)
        return Result(self.answer, text, cost)

    def _stream(self) -> None:
        text: list[str] = []
        reasoning: list[str] = []
        keep = self._keeper(text, reasoning)
        thinking = Thinking(keep) if self._exchange.split_think else None
        hear = thinking.take if thinking else keep
        complete = given_up = False
        with self._opened() as stream:
            try:
                for deltas in stream:
                    hear(deltas)
                complete = True
            except OcxError as error:
                given_up = self._gives_up(error)
                raise
            finally:
                if thinking:
                    thinking.end()
                answer = streamed_answer(stream, joined(text), joined(reasoning))
                self.answer = thinking.of(answer) if thinking else answer
                if self._sink is not None and not given_up:
                    self._sink.finish(self.answer, complete=complete)

    def _gives_up(self, error: OcxError) -> bool:
        """Whether this answer is nothing: another model is asked, and the sink waits for it."""
        return self._exchange.model_after(self._body, error) is not None

    def _opened(self) -> Stream:
        """The answer as it begins; without stream_options where the server refuses them."""
        client, model = self._exchange.client, str(self._body.get("model"))
        if model in self._exchange.uncounted:
            self._body = _uncounted(self._body)
        try:
            return client.stream(self._body)
        except RejectedError as error:
            from ocx.api.error_words import names_field

            if "stream_options" not in self._body or not names_field(error, "stream_options"):
                raise
            log.warning("the server refuses stream_options; asking without, tokens are unknown")
            self._exchange.uncounted.add(model)
            self._body = _uncounted(self._body)
            return client.stream(self._body)

    def _keeper(self, text: list[str], reasoning: list[str]) -> Callable[[Sequence[Delta]], object]:
        """What takes the deltas. Text is kept only for whoever wants it: memory must not grow."""
        exchange = self._exchange
        write = self._sink.write if self._sink is not None else lambda _: None
        if not (exchange.keep_text or exchange.recorder or exchange.checks.need_text):
            return write

        def keep(deltas: Sequence[Delta]) -> None:
            text.extend([delta.text for delta in deltas])
            reasoning.extend([delta.reasoning for delta in deltas if delta.reasoning])
            write(deltas)

        return keep

    def _fetch(self) -> None:
        try:
            reply = self._exchange.client.chat(self._body)
        except OcxError as unfit:
            if unfit.reply is not None and self._gives_up(unfit):
                self.answer = whole_answer(unfit.reply)
            elif unfit.reply is not None:
                self._fetched(unfit.reply, complete=False)
            raise
        self._fetched(reply, complete=True)

    def _fetched(self, reply: Reply, *, complete: bool) -> None:
        self.answer = answer = fetched(reply, split_think=self._exchange.split_think)
        if self._sink is not None:
            self._sink.write([Delta(answer.text, answer.reasoning, "", answer.finish_reason)])
            self._sink.finish(answer, complete=complete)

    def _check(self) -> str:
        exchange = self._exchange
        text = check_answer(exchange.checks, exchange.schema, self.answer)
        if self._sink is not None and exchange.checks.need_text:
            self._sink.deliver(text)
        return text

    def _record(
        self, started: float, cost: Cost | None, error: BaseException | None = None
    ) -> None:
        if self._exchange.recorder is not None:
            self._exchange.recorder.record(self._body, started, self.answer, cost, error)


def _uncounted(body: Body) -> Body:
    return {name: value for name, value in body.items() if name != "stream_options"}

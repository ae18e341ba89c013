"""A call in depth: kept, continued, checked, its credits told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ocx.answer.cost import Cost, unknown
from ocx.call.credits import Spending
from ocx.call.delivery import Form, deliver, opened, writer_for
from ocx.call.depth import Depth
from ocx.call.recorder import Chronicle, chronicle
from ocx.call.request import Request
from ocx.call.transcript import Transcript
from ocx.errors import InvalidAnswerError, RejectedError
from ocx.output.output_file import Target
from ocx.output.usage import cost_line
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.answer.schema import Schema
    from ocx.api import Client

Body = dict[str, Any]


def converse(run: Runtime, request: Request, form: Form, depth: Depth) -> None:
    """Send the request, in its conversation, and deliver what was asked for.

    Raises: every error of the API's client; InvalidAnswerError, BelowError, HistoryError.
    """
    schema = read_schema_flag(run, depth)
    spending = Spending(request.settings, cost=depth.cost, minimum=depth.min_balance)
    with chronicle(run, request.settings, depth) as kept, kept.turn() as (previous, model):
        body = continued(request, previous, model).body(previous)
        from ocx.client import open_client  # httpx, only if something is sent

        with opened(run, form) as target, open_client(run, request.settings) as client:
            spending.begin(client)
            exchange = Exchange(run, client, form, depth, kept, spending)
            if schema is not None:
                exchange.checked(body, schema, target)
            else:
                exchange.send(body, target)


def preview_body(run: Runtime, request: Request, depth: Depth) -> Body:
    """The body that `converse` would send; nothing is kept or locked."""
    schema = read_schema_flag(run, depth)
    if depth.continues:
        with chronicle(run, request.settings, depth) as kept, kept.turn() as (previous, model):
            body = continued(request, previous, model).body(previous)
    else:
        body = request.body()
    return with_format(body, schema) if schema is not None else body


def continued(request: Request, previous: list[Any], model: str | None) -> Request:
    """A conversation goes on with its model, unless the call names one."""
    if not previous or model is None or request.model_given:
        return request
    return request.with_model(model)


def read_schema_flag(run: Runtime, depth: Depth) -> Schema | None:
    """Raises: UsageError."""
    if depth.schema is None:
        return None
    from ocx.answer.schema import read_schema  # jsonschema, only for --schema

    return read_schema(depth.schema, run.terminal.read_stdin)


def with_format(body: Body, schema: Schema) -> Body:
    """A response_format given by -O stays."""
    return {"response_format": schema.response_format(), **body}


class Exchange:
    """One request and its answer, as often as it takes to get a valid one."""

    def __init__(
        self,
        run: Runtime,
        client: Client,
        form: Form,
        depth: Depth,
        kept: Chronicle,
        spending: Spending,
    ) -> None:
        self._run = run
        self._client = client
        self._form = replace(form, held=form.held or depth.extracts or depth.schema is not None)
        self._depth = depth
        self._kept = kept
        self._spending = spending
        self.text = ""
        self.usage: Mapping[str, Any] | None = None

    def send(self, body: Body, target: Target) -> Transcript:
        """Deliver the answer, or what is extracted from it."""
        return self._once(body, target, self._extracted)

    def checked(self, body: Body, schema: Schema, target: Target) -> None:
        """Deliver JSON that satisfies `schema`; the server is told in the way that it takes."""
        try:
            self._with_retries(with_format(body, schema), schema, target)
        except RejectedError as error:
            from ocx.answer.schema import refuses_response_format, with_instruction

            if not refuses_response_format(error) or "response_format" in body:
                raise
            self._run.note("the server refuses response_format; asking in the system message")
            messages = with_instruction(body["messages"], schema.instruction())
            self._with_retries({**body, "messages": messages}, schema, target)

    def _with_retries(self, body: Body, schema: Schema, target: Target) -> None:
        from ocx.answer.schema import feedback

        for left in range(self._depth.schema_retries, -1, -1):
            try:
                self._once(body, target, schema.check)
                return
            except InvalidAnswerError as error:
                if not left:
                    raise
                self._run.note(f"{error.message}; asking again")
                turns = [
                    {"role": "assistant", "content": self.text},
                    {"role": "user", "content": feedback(error)},
                ]
                body = {**body, "messages": [*body["messages"], *turns]}

    def _once(self, body: Body, target: Target, make: Callable[[str], str]) -> Transcript:
        """One request; it is kept whether or not it ends well."""
        kept = Transcript()
        try:
            deliver(self._run, self._client, body, self._form, target, kept)
            self.text, self.usage = kept.text, kept.usage
            if self._form.held:
                self._print(make(self.text), target)
        except BaseException as error:
            self._kept.record(body, kept, self._lost_cost(kept), error)
            raise
        cost = self._spending.end(self._client, kept.fields)
        self._kept.record(body, kept, cost)
        if self._depth.cost and not self._run.quiet:
            self._run.terminal.message(cost_line(cost))
        return kept

    def _extracted(self, text: str) -> str:
        from ocx.answer.extract import extract  # markdown-it, only for -x

        return extract(text, last=self._depth.extract_last)

    def _print(self, text: str, target: Target) -> None:
        # Code is code: rendering it as Markdown would change it.
        form = replace(self._form, held=False, render=False)
        writer = writer_for(self._run, form, target)
        if text:
            writer.write(text)
        writer.finish(complete=True)

    @staticmethod
    def _lost_cost(kept: Transcript) -> Cost:
        from ocx.answer.cost import cost_in_answer

        return cost_in_answer(kept.fields) or unknown("the call did not end well")

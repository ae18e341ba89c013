"""Which requests it takes to get a valid answer, and what makes one valid; nothing is sent here.

A generator of requests, so that a call which waits and one on an event loop share it.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocx.api.answer import Answer, ending_of, whole_answer
from ocx.api.types import Reply
from ocx.chat.options import AnswerChecks
from ocx.chat.think import without_think
from ocx.errors import IncompleteError, InvalidAnswerError, OcxError, RejectedError
from ocx.text import one_line

if TYPE_CHECKING:
    from ocx.api.usage import Cost
    from ocx.chat.schema import Schema

log = logging.getLogger("ocx.chat")

Body = dict[str, Any]
CUT_AT_LIMIT = "the answer was cut off at the token limit"
NOTHING = Answer()


@dataclass
class Trip:
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
) -> Generator[Trip]:
    """The requests that it takes to get a valid answer: throw each one's error into it.

    An error that is final comes out again; an answer that is valid is the end.
    """
    if schema is None:
        yield Trip(body)
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


def _until_valid(body: Body, checks: AnswerChecks) -> Generator[Trip]:
    for left in range(checks.schema_retries, -1, -1):
        trip = Trip(body)
        try:
            yield trip
            return
        except InvalidAnswerError as error:
            if not left:
                raise
            log.warning("%s; asking again", one_line(error.message))
            wrong = f"That was not valid: {error.message}."
            turns = [
                {"role": "assistant", "content": trip.answer.text},
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
        raise InvalidAnswerError(
            "the answer is tool calls, not a text",
            hint="leave out --tools, or -x and --schema",
        )
    if schema is not None:
        return schema.check(answer.text)
    if not checks.extracts:
        return answer.text
    from ocx.chat.extract import extract  # markdown-it, only for -x

    return extract(answer.text, last=checks.extract_last)


def was_cut(answer: Answer) -> bool:
    """Whether the token limit ended the answer."""
    return answer.finish_reason is not None and ending_of(answer.finish_reason) == "length"

"""An answer as a sequence of parts: what echo, scripts, faults and upstreams all produce.

A token of a built-in answer is one wide character, else a word: what is between two spaces. It
carries the space after it, so that all tokens, joined, are the text, and each is one chunk.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ocx.serve.openai_format import Usage
from ocx.serve.request import ChatRequest
from ocx.typography import are_one, is_wide

_WORD = re.compile(r"(?:\A\s+)?\S+\s*|\s+")
# In JSON, punctuation parts words, too.
JSON_WORD = re.compile(r"\w+\W*|\W+")


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a built-in answer: exactly one streamed chunk, of this field of the message."""

    text: str
    kind: str = "content"


@dataclass(frozen=True, slots=True)
class CallToken(Token):
    """A fragment of a tool call: the first has an id and a name, the others arguments."""

    kind: str = "tool_calls"
    index: int = 0
    id: str | None = None
    name: str | None = None

    def fragment(self) -> dict[str, Any]:
        """The element of `tool_calls` in a chunk."""
        if self.id is None:
            return {"index": self.index, "function": {"arguments": self.text}}
        return {"index": self.index, **self.call(self.text)}

    def call(self, arguments: str) -> dict[str, Any]:
        """The call that the first fragment begins."""
        function = {"name": self.name, "arguments": arguments}
        return {"id": self.id, "type": "function", "function": function}


class Finish(NamedTuple):
    """The answer is complete; only `RawBytes` and `ForwardedEvent` may follow."""

    reason: str


class RawBytes(NamedTuple):
    """Bytes that are not a valid event; without streaming, the body is cut short instead.

    None at all: send the status now, before any token.
    """

    data: bytes


class ForwardedEvent(NamedTuple):
    """An event of an upstream, passed on as it came.

    `text_bytes` is how many bytes of answer are in it: they are charged if the upstream sends no
    usage. `finish` is its finish_reason, which is no end if it means a failure. `hidden` events
    are not passed on: a usage that the client did not ask for, and the upstream's own `[DONE]`.
    """

    data: str
    text_bytes: int = 0
    finish: str | None = None
    usage: Usage | None = None
    hidden: bool = False


class ForwardedDocument(NamedTuple):
    """An upstream's answer without streaming: the body as it came.

    `whole` is false if the upstream ended it in a failure, or does not say that it ended.
    """

    body: bytes
    text_bytes: int
    usage: Usage | None
    whole: bool = True


Part = Token | Finish | RawBytes | ForwardedEvent | ForwardedDocument
Parts = AsyncGenerator[Part, None]


class Cut(Exception):
    """Break the connection here, in the middle of the answer."""


@dataclass(frozen=True)
class AnswerStream:
    """The parts of an answer, not yet begun, and how to send them; the defaults are correct.

    Attributes:
        done: end a stream with `[DONE]`.
        usage: report the usage.
        split: send every byte alone, cutting characters and line ends.
        asked: set while an upstream works on the answer, which costs its prompt from then on.
    """

    parts: Parts
    done: bool = True
    usage: bool = True
    split: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)


class AnswerSource(ABC):
    """What answers requests for a model.

    Attributes:
        is_local: the answer costs nothing, so that a fault may replace parts of it.
        fault: what its requests meet if they name no other.
    """

    is_local = True
    fault: str | None = None

    def check(self, request: ChatRequest) -> None:
        """Look whether the source can take the request; before credits, so without any work.

        Raises:
            ApiError: 400, naming the parameter.
        """
        request.check_built_in()

    @abstractmethod
    def answer(self, request: ChatRequest) -> AnswerStream:
        """Return the answer, not yet begun.

        Raises:
            ApiError: the source refuses the request.
        """

    async def close(self) -> None:  # noqa: B027 - few have anything to close
        """Close the connections to an upstream."""


def text_tokens(text: str, pattern: re.Pattern[str] = _WORD) -> Iterator[str]:
    """The tokens, one by one: of a long text only those that are sent are made.

    A space at the start of the text belongs to the first.
    """
    for match in pattern.finditer(text):
        word = match.group()
        if word.isascii():
            yield word
        else:
            yield from _at_wide_characters(word)


def _at_wide_characters(word: str) -> Iterator[str]:
    first = len(word) - len(word.lstrip())
    start, was_wide = 0, False
    for place in range(first, len(word)):
        character = word[place]
        if character.isspace() or (place > first and are_one(word[place - 1], character)):
            continue
        wide = is_wide(character)
        if place > first and (wide or was_wide):
            yield word[start:place]
            start = place
        was_wide = wide
    yield word[start:]

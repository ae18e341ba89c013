"""An answer of the model as one value, whichever way it came and however far it got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ocx.api.finish import reason_of
from ocx.api.message import calls_of, media_of, readable_calls, reasoning_of, text_of
from ocx.api.surrogates import SurrogateJoiner
from ocx.record import record

if TYPE_CHECKING:
    from ocx.api.stream import Stream
    from ocx.api.types import Reply


_PLAIN = frozenset({"role", "content"})


@record
class Answer:
    """A whole answer, or what arrived of one that broke off.

    Attributes:
        text, reasoning: "" if the caller did not ask for a stream's text to be kept.
        tool_calls: each with an id and its arguments as a text; without the index of a stream.
        usage, finish_reason, model, request_id: as the API sent them; None if it did not.
        attempts: how many requests were sent.
        seconds: from the call to the end; `first_token_seconds` to the first text of a stream.
        fields: the chat.completion if it came whole, else the fields of it that were kept.
        headers: of an answer that came whole, names in lower case.
        media: how many images, sounds and videos came, by kind; they are in no text.
        late_think: a `</think>` came after text that was not known to be reasoning.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: Sequence[Any] = ()
    usage: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    model: str | None = None
    request_id: str | None = None
    attempts: int = 1
    seconds: float = 0
    first_token_seconds: float | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    media: Mapping[str, int] = field(default_factory=dict)
    late_think: bool = False


def whole_answer(reply: Reply) -> Answer:
    """The answer in a chat.completion that came whole."""
    document = reply.json
    choice = document["choices"][0]
    message = choice["message"]
    content = message.get("content")
    plain = message.keys() == _PLAIN and type(content) is str  # as nearly every answer is
    return Answer(
        content if plain and content.isascii() else joined([text_of(content)]),
        "" if plain else joined([reasoning_of(message)]),
        () if plain else readable_calls(calls_of(message)),
        _of_type(document.get("usage"), Mapping),
        _of_type(choice.get("finish_reason"), str) and reason_of(choice),
        _of_type(document.get("model"), str),
        reply.request_id,
        reply.attempts,
        reply.seconds,
        None,
        document,
        reply.headers,
        {} if plain else media_of(message),
        False,
    )


def streamed_answer(stream: Stream, text: str = "", reasoning: str = "") -> Answer:
    """The answer that `stream` has brought so far; it keeps no text, so the caller gives it."""
    return Answer(
        text,
        reasoning,
        readable_calls(stream.tool_calls),
        stream.usage,
        stream.finish_reason,
        stream.model,
        stream.request_id,
        stream.attempts,
        stream.seconds,
        stream.first_token_seconds,
        {"usage": stream.usage},
        media=stream.media,
    )


def joined(pieces: Sequence[str]) -> str:
    """The text of all `pieces`, every surrogate pair joined."""
    joiner = SurrogateJoiner()
    return joiner.feed("".join(pieces)) + joiner.end()


def _of_type(value: Any, kind: type) -> Any:
    return value if isinstance(value, kind) else None

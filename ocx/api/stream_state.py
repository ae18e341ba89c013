"""The chunks of a streamed answer: what each adds, and what is known after it; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ocx.api.answer import fault_of, is_whole, later, reason_of, reason_of_whole
from ocx.api.chunk_template import ChunkTemplate, template_of
from ocx.api.error_response import excerpt, from_document, incomplete
from ocx.api.message import (
    add_calls,
    add_function_call,
    calls_of,
    index_of,
    media_of,
    new_text,
    reasoning_of,
    spoken,
    text_of,
)
from ocx.api.sse import is_done
from ocx.api.types import Delta
from ocx.errors import OcxError, ServerError
from ocx.secret import Secret

_decode = json.JSONDecoder().raw_decode
_PLAIN = {"role", "content"}
_TEMPLATES = 8  # a stream whose other fields change all the time gets no more


class NotJsonError(ServerError):
    """An event of the stream is not JSON: garbage, or half of an event that was cut."""


class StreamState:
    """What is known about an answer while it comes; holds no text.

    Attributes:
        finish_reason: of the first choice, once seen; a failure is not taken back.
        usage: the last that was not null.
        content_seen: a piece of text has arrived.
        done: `[DONE]` has arrived.
        tool_calls: the fragments of the first choice, joined.
        refusal: why the model does not answer (OpenAI's `refusal`), as far as it has come.
        media: how many images, sounds and videos have come, by kind.
    """

    def __init__(
        self, headers: Mapping[str, str] | None = None, keys: Sequence[Secret] = ()
    ) -> None:
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.model: str | None = None
        self.content_seen = False
        self.done = False
        self.tool_calls: list[dict[str, Any]] = []
        self.refusal = ""
        self.media: dict[str, int] = {}
        self._headers = headers or {}
        self.keys = keys
        self._end = "the stream ended"
        self._others: dict[int, str | None] = {}  # the reasons of the choices after the first
        self._said: set[str] = set()  # fields that deltas have filled, the content apart
        self._by_message = False  # the text has come in messages, and in no delta
        self._messages = ""  # the text of those
        self._failure: OcxError | None = None
        self._template: ChunkTemplate | None = None
        self._templates_left = _TEMPLATES

    def read(self, data: str) -> Delta | None:
        """The delta of one event; None for `[DONE]` and for an event without data.

        Raises:
            OcxError: the event is an error, or is not JSON.
        """
        if self._template is not None:
            text = self._template.content(data)
            if text is not None:
                self.content_seen = self.content_seen or text != ""
                return Delta(text, "", data, None)
        return self._parsed(data)

    def whole(self, document: Mapping[str, Any], data: str) -> Delta:
        """The one delta of an answer that came as a single JSON document.

        Raises:
            OcxError: the document is an error, or no answer.
        """
        self._raise_reported(document)
        check_completion(document)
        self._note(document)
        self._end = "it came"
        choice, *others = document["choices"]
        more = [each for each in others if isinstance(each, dict)]
        self._others = {at: reason_of_whole(each) for at, each in enumerate(more, 1)}
        message = choice["message"]
        self.finish_reason = reason_of_whole(choice)
        self.tool_calls = calls_of(message)
        self.refusal = text_of(message.get("refusal"))
        self.media = media_of(message)
        text = text_of(message.get("content"))
        self.content_seen = self.content_seen or bool(text)
        self._note_failure(choice)
        return Delta(text, reasoning_of(message), data, self.finish_reason)

    @property
    def finished(self) -> bool:
        """Whether every choice has said why it ended."""
        return self.finish_reason is not None and None not in self._others.values()

    def verdict(self) -> OcxError | None:
        """The error that the end of the stream means; None if the answer is whole."""
        if self._failure is not None:
            return self.broken(self._failure)
        others = (reason for reason in self._others.values() if not is_whole(reason))
        reason = next(others, self.finish_reason) if self.finish_reason else None
        return fault_of(
            reason,
            has_text=self.content_seen,
            calls=self.tool_calls,
            refusal=self.refusal,
            end="[DONE] came" if self.done else self._end,
        )

    def broken(self, error: OcxError) -> OcxError:
        """`error` itself before any content, else the same as an IncompleteError."""
        return incomplete(error) if self.content_seen else error

    def _parsed(self, data: str) -> Delta | None:
        try:
            chunk, end = _decode(data)
        except (ValueError, RecursionError):
            return self._not_json(data)
        if end != len(data):
            chunk = self._strict(data)
        try:
            choice = chunk["choices"][0]
            delta = choice["delta"]
            content = delta.get("content")
        except (KeyError, IndexError, TypeError, AttributeError):
            return self._unusual(chunk, data)
        self._note(chunk)
        if len(chunk["choices"]) > 1 or choice.get("index") or "message" in choice:
            return self._several(chunk["choices"], data)
        reason = reason_of(choice)
        if reason is not None:
            self.finish_reason = later(self.finish_reason, reason)
            self._note_failure(choice)
        plain = delta.keys() <= _PLAIN
        if not plain or content.__class__ is list:
            self._more(delta)
        text = text_of(content)
        delta_read = Delta(text, reasoning_of(delta), data, reason)
        if text:
            self.content_seen, self._by_message = True, False
            if reason is None and self._templates_left and plain:
                self._learn(chunk, delta_read)
        return delta_read

    def _more(self, delta: Mapping[str, Any]) -> None:
        """Take what a delta holds besides text and reasoning."""
        self._said |= spoken(delta)
        if "tool_calls" in delta:
            add_calls(self.tool_calls, delta["tool_calls"])
        if "function_call" in delta:
            add_function_call(self.tool_calls, delta["function_call"])
        if "refusal" in delta:
            self.refusal += text_of(delta["refusal"])
        for kind, count in media_of(delta).items():
            # Audio comes in pieces.
            self.media[kind] = 1 if kind == "audio" else self.media.get(kind, 0) + count

    def _learn(self, chunk: Mapping[str, Any], delta: Delta) -> None:
        if not chunk.get("usage"):
            self._templates_left -= 1
            self._template = template_of(delta.data, delta.text)

    def _note(self, chunk: Mapping[str, Any]) -> None:
        usage = chunk.get("usage")
        if usage and isinstance(usage, dict):
            self.usage = usage
        if self.model is None:
            self.model = _text_or_none(chunk.get("model"))
        if "error" in chunk:
            self._raise_reported(chunk)

    def _unusual(self, chunk: Any, data: str) -> Delta | None:
        """A chunk without the usual `choices[0].delta`: usage, an error, or a whole message."""
        if isinstance(chunk, str) and is_done(chunk):
            self.done = True
            return None
        self._raise_reported(chunk)
        if not isinstance(chunk, dict):
            raise ServerError(f"the stream holds what is no chunk: {excerpt(data, self.keys)}")
        self._note(chunk)
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices and all(isinstance(c, dict) for c in choices):
            return self._several(choices, data)
        return Delta("", "", data, None)

    def _several(self, choices: list[Any], data: str) -> Delta:
        text = reasoning = ""
        reason: str | None = None
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            index, ended = index_of(choice, 0), reason_of(choice)
            if index:
                self._others[index] = later(self._others.get(index), ended)
                continue
            text, reasoning = self._said_in(choice)
            reason = ended
            self.finish_reason = later(self.finish_reason, ended)
            self._note_failure(choice)
        return Delta(text, reasoning, data, reason)

    def _said_in(self, choice: Mapping[str, Any]) -> tuple[str, str]:
        """Text and reasoning of a choice: its delta, and of its message what no delta has said.

        Some servers repeat the whole answer as a message at the end, or send nothing else.
        """
        text = reasoning = ""
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict) and delta:
            self._more(delta)
            text, reasoning = text_of(delta.get("content")), reasoning_of(delta)
            if text:
                self.content_seen, self._by_message = True, False
        if isinstance(message, dict):
            said = set(self._said)
            if self.content_seen and not self._by_message:
                said.add("content")
            new = {name: value for name, value in message.items() if name not in said}
            self._more(new)
            self._said = said - {"content"}
            ends = reason_of(choice) is not None
            more = new_text(self._messages, text_of(new.get("content")), ends=ends)
            if more:
                self._messages += more
                self.content_seen = self._by_message = True
            text, reasoning = text + more, reasoning + reasoning_of(new)
        return text, reasoning

    def _not_json(self, data: str) -> Delta | None:
        stripped = data.strip()
        if is_done(stripped):
            self.done = True
        if not stripped or self.done:
            return None
        if stripped != data:
            return self.read(stripped)
        raise NotJsonError(f"the stream holds what is not JSON: {excerpt(data, self.keys)}")

    def _strict(self, data: str) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise NotJsonError(
                f"the stream holds what is not JSON: {excerpt(data, self.keys)}"
            ) from None

    def _note_failure(self, choice: Mapping[str, Any]) -> None:
        """OpenRouter says in the choice what ended it."""
        if choice.get("error"):
            reported = {"error": choice["error"]}
            self._failure = from_document(reported, self._headers, keys=self.keys)

    def _raise_reported(self, document: Any) -> None:
        error = from_document(document, self._headers, keys=self.keys)
        if error is not None:
            raise error


def check_completion(document: Any) -> None:
    """Raise `ServerError` unless this is a chat completion with at least one message."""
    try:
        fine = isinstance(document["choices"][0]["message"], dict)
    except (TypeError, KeyError, IndexError):
        fine = False
    if not fine:
        raise ServerError("the answer is JSON, but not a chat completion")


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

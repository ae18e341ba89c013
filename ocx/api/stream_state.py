"""The chunks of a streamed answer: what each adds, and what is known after it; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ocx.api.answer import fault_of, is_whole, later, reason_of, reason_of_whole
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
from ocx.api.types import Delta, Headers, Secrets
from ocx.errors import OcxError, ServerError

_decode = json.JSONDecoder().raw_decode
_CONTENT = re.compile(r'"content"[ \t\r\n]*:[ \t\r\n]*')
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

    def __init__(self, headers: Headers | None = None, keys: Secrets = ()) -> None:
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.model: str | None = None
        self.content_seen = False
        self.done = False
        self.tool_calls: list[dict[str, Any]] = []
        self.refusal = ""
        self.media: dict[str, int] = {}
        self.keys = keys
        self._headers = headers or {}
        self._end = "the stream ended"
        self._others: dict[int, str | None] = {}  # the reasons of the choices after the first
        self._said: set[str] = set()  # fields that deltas have filled
        self._messages = ""  # the text of messages, where no delta has any
        self._failure: OcxError | None = None
        self._template = ("\n", "")  # a chunk before and after its content; no JSON begins so
        self._templates_left = _TEMPLATES

    def read(self, data: str) -> Delta | None:
        """The delta of one event; None for `[DONE]` and for an event without data.

        Raises:
            OcxError: the event is an error, or is not JSON.
        """
        before, after = self._template
        if data.startswith(before) and data.endswith(after):
            try:
                text, end = _decode(data, len(before))
            except (ValueError, RecursionError):
                text, end = None, -1
            if end == len(data) - len(after) and text.__class__ is str:
                self.content_seen = self.content_seen or text != ""
                return Delta(text, "", data, None)
        self.done = self.done or is_done(data)
        if is_done(data) or not data.strip():
            return None
        try:
            chunk = json.loads(data.strip())
        except (ValueError, RecursionError):
            if self.done:
                return None
            said = excerpt(data, self.keys)
            raise NotJsonError(f"the stream holds what is not JSON: {said}") from None
        self._note(chunk)
        if not isinstance(chunk, dict):
            raise ServerError(f"the stream holds what is no chunk: {excerpt(data, self.keys)}")
        text = reasoning = ""
        reason: str | None = None
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            ended = reason_of(choice)
            if index := index_of(choice, 0):
                self._others[index] = later(self._others.get(index), ended)
                continue
            text, reasoning = self._said_in(choice)
            reason = ended
            self._end_choice(choice, ended)
        if text and reason is None and self._templates_left and not chunk.get("usage"):
            self._learn(chunk, data)
        return Delta(text, reasoning, data, reason)

    def whole(self, document: Mapping[str, Any], data: str) -> Delta:
        """The one delta of an answer that came as a single JSON document.

        Raises:
            OcxError: the document is an error, or no answer.
        """
        self._note(document)
        try:
            choice, *others = document["choices"]
            message = choice["message"]
        except (TypeError, KeyError, ValueError):
            message = None
        if not isinstance(message, dict):
            raise ServerError("the answer is JSON, but not a chat completion")
        self._end = "it came"
        more = [each for each in others if isinstance(each, dict)]
        self._others = {at: reason_of_whole(each) for at, each in enumerate(more, 1)}
        self._end_choice(choice, reason_of_whole(choice))
        self.tool_calls = calls_of(message)
        self.refusal = text_of(message.get("refusal"))
        self.media = media_of(message)
        text = text_of(message.get("content"))
        self.content_seen = self.content_seen or bool(text)
        return Delta(text, reasoning_of(message), data, self.finish_reason)

    @property
    def finished(self) -> bool:
        """Whether every choice has said why it ended."""
        return self.finish_reason is not None and None not in self._others.values()

    def final_error(self) -> OcxError | None:
        """The error that the end of the stream means; None if the answer is whole."""
        if self._failure is not None:
            return self.as_incomplete(self._failure)
        others = (reason for reason in self._others.values() if not is_whole(reason))
        reason = next(others, self.finish_reason) if self.finish_reason else None
        return fault_of(
            reason,
            has_text=self.content_seen,
            calls=self.tool_calls,
            refusal=self.refusal,
            end="[DONE] came" if self.done else self._end,
        )

    def as_incomplete(self, error: OcxError) -> OcxError:
        """`error` itself before any content, else the same as an IncompleteError."""
        return incomplete(error) if self.content_seen else error

    def _note(self, document: Any) -> None:
        """Take what stands beside the choices; raises the error that the document reports."""
        error = from_document(document, self._headers, keys=self.keys)
        if isinstance(document, dict):
            usage = document.get("usage")
            if usage and isinstance(usage, dict):
                self.usage = usage
            if self.model is None and isinstance(model := document.get("model"), str):
                self.model = model or None
        if error is not None:
            raise error

    def _end_choice(self, choice: Mapping[str, Any], reason: str | None) -> None:
        self.finish_reason = later(self.finish_reason, reason)
        if choice.get("error"):  # OpenRouter says in the choice what ended it
            reported = {"error": choice["error"]}
            self._failure = from_document(reported, self._headers, keys=self.keys)

    def _learn(self, chunk: Mapping[str, Any], data: str) -> None:
        """Remember all but the content of a plain chunk: most servers repeat it in every one.

        Parsing them all would take twice the time.
        """
        choice, *others = chunk["choices"]
        found = _CONTENT.search(data)
        if found is None or others or choice.keys() & {"message", "error"}:
            return
        if not choice["delta"].keys() <= _PLAIN or not isinstance(choice["delta"]["content"], str):
            return
        self._templates_left -= 1
        try:
            _, end = _decode(data, found.end())
            # Another field may have that name. Only what changes with this value is the content.
            other = choice["delta"]["content"] + "."
            changed = json.loads(data[: found.end()] + json.dumps(other) + data[end:])
        except (ValueError, RecursionError):
            return
        if changed["choices"][0]["delta"].get("content") == other:
            self._template = data[: found.end()], data[end:]

    def _said_in(self, choice: Mapping[str, Any]) -> tuple[str, str]:
        """Text and reasoning of a choice: its delta, and of its message what no delta has said.

        Some servers repeat the whole answer as a message at the end, or send nothing else.
        """
        text = reasoning = ""
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict) and delta:
            content = delta.get("content")
            text, reasoning = text_of(content), reasoning_of(delta)
            if text:
                self._said.add("content")
            if not delta.keys() <= _PLAIN or isinstance(content, list):
                self._said |= spoken(delta)
                self._more(delta)
        if isinstance(message, dict):
            new = {name: value for name, value in message.items() if name not in self._said}
            self._more(new)
            ends = reason_of(choice) is not None
            more = new_text(self._messages, text_of(new.get("content")), ends=ends)
            self._messages += more
            text, reasoning = text + more, reasoning + reasoning_of(new)
        self.content_seen = self.content_seen or text != ""
        return text, reasoning

    def _more(self, delta: Mapping[str, Any]) -> None:
        """Take what a delta holds besides text and reasoning."""
        add_calls(self.tool_calls, delta.get("tool_calls"))
        add_function_call(self.tool_calls, delta.get("function_call"))
        self.refusal += text_of(delta.get("refusal"))
        for kind, count in media_of(delta).items():
            # Audio comes in pieces.
            self.media[kind] = 1 if kind == "audio" else self.media.get(kind, 0) + count

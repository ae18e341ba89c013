"""The chunks of a streamed answer: what each adds, and what is known after it; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ocx.api.chunk_template import ChunkTemplate, template_of
from ocx.api.error_response import excerpt, from_document, incomplete
from ocx.api.sse import DONE
from ocx.api.types import Delta
from ocx.errors import IncompleteError, OcxError, RejectedError, ServerError
from ocx.secret import Secret

_decode = json.JSONDecoder().raw_decode
_TEMPLATES = 8  # a stream whose other fields change all the time gets no more


class NotJsonError(ServerError):
    """An event of the stream is not JSON: garbage, or half of an event that was cut."""


class StreamState:
    """What is known about an answer while it comes; holds no text.

    Attributes:
        finish_reason: of the first choice, once seen.
        usage: the last that was not null.
        content_seen: a piece of text has arrived.
        done: `[DONE]` has arrived.
        tool_calls: the fragments of the first choice, joined by index.
        refusal: why the model does not answer (OpenAI's `refusal`), as far as it has come.
    """

    def __init__(self, headers: Mapping[str, str] | None = None, key: Secret | None = None) -> None:
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.model: str | None = None
        self.content_seen = False
        self.done = False
        self.tool_calls: list[dict[str, Any]] = []
        self.refusal = ""
        self._headers = headers or {}
        self._key = key
        self._unfinished: set[int] = set()
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
        choice = document["choices"][0]
        message = choice["message"]
        self.finish_reason = str(choice.get("finish_reason") or "stop")
        add_calls(self.tool_calls, message.get("tool_calls"))
        self.refusal = text_of(message.get("refusal"))
        text = text_of(message.get("content"))
        self.content_seen = self.content_seen or bool(text)
        return Delta(text, reasoning_of(message), data, self.finish_reason)

    @property
    def finished(self) -> bool:
        """Whether every choice has said why it ended."""
        return self.finish_reason is not None and not self._unfinished

    def verdict(self) -> OcxError | None:
        """The error that the end of the stream means; None if the answer is whole."""
        if not self.finished:
            end = "[DONE] came" if self.done else "the stream ended"
            if self.content_seen:
                return IncompleteError(
                    f"the answer broke off: {end} without a finish_reason",
                    hint="what arrived is incomplete; run it again for a whole answer",
                )
            return ServerError(f"no answer came: {end} without a finish_reason")
        if self.finish_reason == "content_filter":
            return filtered(self.content_seen)
        return refused(self.refusal) if self.refusal and not self.content_seen else None

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
        if len(chunk["choices"]) > 1 or choice.get("index"):
            return self._several(chunk["choices"], data)
        reason = choice.get("finish_reason")
        if reason is not None:
            self.finish_reason = reason = str(reason)
        if "tool_calls" in delta:
            add_calls(self.tool_calls, delta["tool_calls"])
        if "refusal" in delta:
            self.refusal += text_of(delta["refusal"])
        text = text_of(content)
        delta_read = Delta(text, reasoning_of(delta), data, reason)
        if text:
            self.content_seen = True
            if reason is None and self._templates_left and delta.keys() <= {"content", "role"}:
                self._learn(chunk, delta_read)
        return delta_read

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

    def _unusual(self, chunk: Any, data: str) -> Delta:
        """A chunk without the usual `choices[0].delta`: usage, an error, or a whole message."""
        if not isinstance(chunk, dict):
            raise ServerError(f"the stream holds what is no chunk: {excerpt(data)}")
        self._raise_reported(chunk)
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
            delta = choice.get("delta") or choice.get("message")
            delta = delta if isinstance(delta, dict) else {}
            index, ended = index_of(choice, 0), _text_or_none(choice.get("finish_reason"))
            if index:
                (self._unfinished.discard if ended else self._unfinished.add)(index)
                continue
            text, reasoning, reason = text_of(delta.get("content")), reasoning_of(delta), ended
            self.finish_reason = ended or self.finish_reason
            add_calls(self.tool_calls, delta.get("tool_calls"))
            self.refusal += text_of(delta.get("refusal"))
        self.content_seen = self.content_seen or bool(text)
        return Delta(text, reasoning, data, reason)

    def _not_json(self, data: str) -> Delta | None:
        stripped = data.strip()
        if stripped == DONE:
            self.done = True
        if not stripped or self.done:
            return None
        if stripped != data:
            return self.read(stripped)
        raise NotJsonError(f"the stream holds what is not JSON: {excerpt(data)}")

    def _strict(self, data: str) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise NotJsonError(f"the stream holds what is not JSON: {excerpt(data)}") from None

    def _raise_reported(self, document: Mapping[str, Any]) -> None:
        error = from_document(document, self._headers, key=self._key)
        if error is not None:
            raise error


def add_calls(calls: list[dict[str, Any]], fragments: Any) -> None:
    """Join fragments of tool calls, keyed by `index`, into `calls`.

    Names and ids come whole, once; arguments come in pieces.
    """
    for position, fragment in enumerate(fragments if isinstance(fragments, list) else ()):
        if isinstance(fragment, dict):
            _add_call(calls, index_of(fragment, position), fragment)


def _add_call(calls: list[dict[str, Any]], index: int, fragment: Mapping[str, Any]) -> None:
    # Gemini's bridges send sparse indexes, so the place in the list is not the index.
    call = next((call for call in calls if call.get("index") == index), None)
    if call is None:
        call = {"index": index, "type": "function", "function": {"name": "", "arguments": ""}}
        calls.append(call)
    function = fragment.get("function")
    if isinstance(function, dict):
        call["function"]["name"] = function.get("name") or call["function"]["name"]
        arguments = function.get("arguments") or ""
        # Ollama's and Gemini's bridges send the object itself.
        whole = arguments if isinstance(arguments, str) else json.dumps(arguments)
        call["function"]["arguments"] += whole
    call |= {k: v for k, v in fragment.items() if k not in {"index", "function"} and v}


def check_completion(document: Any) -> None:
    """Raise `ServerError` unless this is a chat completion with at least one message."""
    try:
        fine = isinstance(document["choices"][0]["message"], dict)
    except (TypeError, KeyError, IndexError):
        fine = False
    if not fine:
        raise ServerError("the answer is JSON, but not a chat completion")


def filtered(content_seen: bool) -> OcxError:
    """The error for `finish_reason: content_filter`."""
    if content_seen:
        return IncompleteError("the answer was cut off by the provider's content filter")
    return RejectedError("the provider's content filter refused the answer")


def refused(refusal: str) -> OcxError:
    """The error for a message that is a refusal and nothing else."""
    return RejectedError(f"the model refused: {refusal}", hint="ask it in another way")


def index_of(fields: Mapping[str, Any], default: int) -> int:
    """`index` if it is a number, else `default`."""
    index = fields.get("index")
    return index if isinstance(index, int) else default


def text_of(content: Any) -> str:
    """The text of `content`: a string, null, or OpenAI's list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict))
    return "".join(text for text in parts if isinstance(text, str))


def reasoning_of(delta: Mapping[str, Any]) -> str:
    """`reasoning_content` (DeepSeek, Qwen) or `reasoning` (OpenRouter): the same text, once."""
    value = delta.get("reasoning_content") or delta.get("reasoning")
    return value if isinstance(value, str) else ""


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

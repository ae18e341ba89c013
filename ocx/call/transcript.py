"""What came back from one request, kept for the history, for --extract and for --schema."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ocx.api.stream_state import reasoning_of, text_of
from ocx.api.surrogates import SurrogateJoiner

if TYPE_CHECKING:
    from ocx.api import Delta, Reply, Stream


class Transcript:
    """Filled while the answer comes; readable at any time, also where it broke off.

    Attributes:
        started: seconds since the epoch.
        usage, model, finish_reason, tool_calls, request_id: as the API sent them.
        attempts: how many requests were sent.
        first_token_seconds: None for an answer that came whole.
        fields: the answer's other fields, where a cost may stand.
    """

    def __init__(self) -> None:
        self.started = time.time()
        self._clock = time.monotonic()
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._stream: Stream | None = None
        self._reply: Reply | None = None

    def begin(self, stream: Stream) -> None:
        self._stream = stream

    def add(self, deltas: Sequence[Delta]) -> None:
        for delta in deltas:
            self._text.append(delta.text)
            if delta.reasoning:
                self._reasoning.append(delta.reasoning)

    def whole(self, answer: Reply) -> None:
        self._reply = answer
        self._text = [text_of(self._message.get("content"))]
        self._reasoning = [reasoning_of(self._message)]

    @property
    def text(self) -> str:
        return _clean(self._text)

    @property
    def reasoning(self) -> str:
        return _clean(self._reasoning)

    @property
    def seconds(self) -> float:
        return self._source.seconds if self._source else time.monotonic() - self._clock

    @property
    def usage(self) -> Mapping[str, Any] | None:
        usage = self._stream.usage if self._stream else self._document.get("usage")
        return usage if isinstance(usage, Mapping) else None

    @property
    def fields(self) -> Mapping[str, Any]:
        return self._document or {"usage": self.usage}

    @property
    def model(self) -> str | None:
        model = self._stream.model if self._stream else self._document.get("model")
        return model if isinstance(model, str) else None

    @property
    def finish_reason(self) -> str | None:
        if self._stream:
            return self._stream.finish_reason
        reason = self._choice.get("finish_reason")
        return reason if isinstance(reason, str) else None

    @property
    def tool_calls(self) -> list[Any] | None:
        calls = self._stream.tool_calls if self._stream else self._message.get("tool_calls")
        return calls if isinstance(calls, list) and calls else None

    @property
    def request_id(self) -> str | None:
        return self._source.request_id if self._source else None

    @property
    def attempts(self) -> int:
        return self._source.attempts if self._source else 1

    @property
    def first_token_seconds(self) -> float | None:
        return self._stream.first_token_seconds if self._stream else None

    @property
    def _source(self) -> Stream | Reply | None:
        return self._stream or self._reply

    @property
    def _document(self) -> Mapping[str, Any]:
        return self._reply.json if self._reply else {}

    @property
    def _choice(self) -> Mapping[str, Any]:
        choices = self._document.get("choices") or [{}]
        choice: Mapping[str, Any] = choices[0]
        return choice

    @property
    def _message(self) -> Mapping[str, Any]:
        message: Mapping[str, Any] = self._choice.get("message") or {}
        return message


def _clean(parts: Sequence[str]) -> str:
    joiner = SurrogateJoiner()
    return joiner.feed("".join(parts)) + joiner.end()

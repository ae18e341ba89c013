"""The JSON, the errors and the server-sent events of the API, in the shapes that it documents."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from ocx.text import compact

Logprobs = list[dict[str, Any]] | None

DONE = b"data: [DONE]\n\n"
_TYPES = {
    401: "authentication_error",
    402: "insufficient_credits",
    429: "rate_limit_error",
    500: "server_error",
    502: "upstream_error",
    503: "server_error",
    504: "upstream_error",
}


@dataclass(eq=False)
class ApiError(Exception):
    """Ends a request with a status and an error body."""

    status: int
    message: str
    code: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        kind = _TYPES.get(self.status, "invalid_request_error")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


def refuse(param: str, message: str, code: str = "invalid_parameter") -> NoReturn:
    """Refuse a parameter of the request.

    Raises:
        ApiError: 400, always.
    """
    raise ApiError(400, message, code, param)


def require(holds: object, param: str, rule: str) -> None:
    """Refuse a parameter of which the rule, such as `must be an object`, does not hold.

    Raises:
        ApiError: 400.
    """
    if not holds:
        refuse(param, f"{param} {rule}")


def retry_headers(seconds: float) -> dict[str, str]:
    """Both names for when to try again; rounded up, so as not to promise too early."""
    whole, milliseconds = math.ceil(seconds), math.ceil(seconds * 1000)
    return {"retry-after": str(whole), "retry-after-ms": str(milliseconds)}


class Usage(NamedTuple):
    """The tokens of a request, named as in the API.

    Attributes:
        cached_tokens: those of the prompt that an upstream had in its cache.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0

    def document(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


def dump(value: Any) -> bytes:
    """Compact JSON; lone surrogates, which UTF-8 cannot hold, stay escaped."""
    try:
        return compact(value).encode()
    except UnicodeEncodeError:
        return compact(value, ascii_only=True).encode()


def event(value: Any) -> bytes:
    return b"data: " + dump(value) + b"\n\n"


class ResponseMeta(NamedTuple):
    """What every chunk and the whole answer of one request share."""

    id: str
    created: int
    model: str

    def chunk(
        self, delta: dict[str, Any], finish: str | None = None, logprobs: Logprobs = None
    ) -> bytes:
        choices = [_choice("delta", delta, finish, logprobs)]
        return event(self._document("chat.completion.chunk", choices))

    def usage_chunk(self, usage: Usage) -> bytes:
        return event(self._document("chat.completion.chunk", [], usage))

    def completion(
        self, message: dict[str, Any], finish: str, usage: Usage | None, logprobs: Logprobs
    ) -> bytes:
        choices = [_choice("message", message, finish, logprobs)]
        return dump(self._document("chat.completion", choices, usage))

    def _document(
        self, kind: str, choices: list[Any], usage: Usage | None = None
    ) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        counted = {} if usage is None else {"usage": usage.document()}
        return {**head, "choices": choices, **counted}


def _choice(
    name: str, value: dict[str, Any], finish: str | None, logprobs: Logprobs
) -> dict[str, Any]:
    choice = {"index": 0, name: value, "finish_reason": finish}
    if logprobs is not None:
        choice["logprobs"] = {"content": logprobs, "refusal": None}
    return choice


def certain(text: str, top: int) -> dict[str, Any]:
    """The log probability of a token that could not have been another."""
    data = list(text.encode("utf-8", "surrogatepass"))
    token = {"token": text, "logprob": 0.0, "bytes": data}
    return {**token, "top_logprobs": [token] if top else []}

"""A row of the input, its request or what is wrong with it, and what became of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ocx.api.answer import reason_of
from ocx.errors import ERRORS, InvalidAnswerError, OcxError, UsageError
from ocx.text import encoder

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

CHAT_PATH = "/chat/completions"
OK = "ok"
UNMET = "invalid_answer"
"""The class of a row whose answer is not as it `expect`s."""
RETRYABLE = frozenset({"rate_limit", "server", "network", "timeout", "incomplete"})
"""Classes of failure that a rerun can mend; the others stay what they are."""

MAYBE_PAID = frozenset({"network", "timeout", "incomplete"})
"""Classes of failure of a request that may have been charged all the same."""

EXIT_CODES = {error.name: error.exit_code for error in ERRORS}

_SHOWN = 80
_encode = encoder(sort_keys=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One request.

    Attributes:
        id: unique in the input.
        line: where the row begins in the input, from 1.
        body: what is sent, complete.
        path: below the base URL.
        source: the input's own fields, for `--merge`.
        expect: what the answer must satisfy: contains, regex, equals, schema.
        instead_of: the model that was asked first, where a fallback is asked.
    """

    id: str
    line: int
    body: Mapping[str, Any]
    path: str = CHAT_PATH
    source: Mapping[str, Any] | None = None
    expect: Mapping[str, Any] | None = None
    instead_of: str | None = None

    @property
    def model(self) -> str:
        return str(self.body.get("model"))


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be sent. `id` is the row's own if it could be read."""

    id: str
    line: int
    message: str
    source: Mapping[str, Any] | None = None


def bad_line(line: int, message: str) -> BadRow:
    """A line that holds no row."""
    return BadRow(line_id(line), line, message)


def line_id(line: int) -> str:
    """The id of a row that has none."""
    return f"line-{line}"


def hash_request(row: Row, base_url: str) -> tuple[str, int]:
    """What makes two requests the same: path, body (with its model) and base URL, never the key.

    Returns: hex digits of SHA-256, and how many bytes were hashed. The order of keys is the same.
    """
    text = _encode([base_url.rstrip("/"), row.path, row.body])
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest(), len(data)


def read_expectation(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The `expect` of a row. Raises UsageError for one that cannot be checked."""
    expect = fields.get("expect")
    if not isinstance(expect, dict):
        return None  # a column of a table may have that name
    for name, wanted in expect.items():
        if name not in _CHECKS:
            raise UsageError(f"expects {name!r}; known are {', '.join(sorted(_CHECKS))}")
        if name == "schema":
            _check_schema(wanted)
        elif name == "contains" and isinstance(wanted, list):
            if not all(isinstance(part, str) for part in wanted):
                raise UsageError("expects contains to be a text or a list of texts")
        elif not isinstance(wanted, str):
            raise UsageError(f"expects {name} to be a text")
        elif name == "regex":
            try:
                re.compile(wanted)
            except (re.error, OverflowError, RecursionError) as error:
                raise UsageError(f"expects a regex that is none: {error}") from None
    return expect


def check_expectation(expect: Mapping[str, Any], text: str) -> None:
    """Raises InvalidAnswerError naming the first of contains, regex, equals, schema that fails."""
    for name, wanted in expect.items():
        if not _CHECKS[name](wanted, text):
            raise InvalidAnswerError(
                f"expected {name} {_shown(wanted)}, got {_shown(text)}", hint=""
            )


def _contains(wanted: Any, text: str) -> bool:
    return all(part in text for part in ([wanted] if isinstance(wanted, str) else wanted))


def _fits(wanted: Any, text: str) -> bool:
    try:
        _schema(json.dumps(wanted, sort_keys=True)).check(text)
    except InvalidAnswerError:
        return False
    return True


_CHECKS: dict[str, Callable[[Any, str], bool]] = {
    "contains": _contains,
    "regex": lambda wanted, text: re.search(wanted, text) is not None,
    "equals": lambda wanted, text: bool(text.strip() == wanted.strip()),
    "schema": _fits,
}


def _check_schema(wanted: Any) -> None:
    if not isinstance(wanted, dict):
        raise UsageError("expects a schema that is not an object")
    import ocx.chat.schema  # noqa: F401 - says so where it cannot be had; no row's fault

    try:
        _schema(json.dumps(wanted, sort_keys=True))
    except UsageError as error:
        raise UsageError(f"expects a schema that is none: {error.message}") from None


@lru_cache(32)
def _schema(text: str) -> Schema:
    from ocx.chat.schema import Schema  # jsonschema, only for schemas

    return Schema(json.loads(text))


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")


def rerun_helps(error: OcxError) -> bool:
    """Whether a plain `--resume` sends the row again: by its class, where the error says nothing.

    A broken tool call may be whole the next time; one that the token limit cut, or a filtered
    answer, will not.
    """
    return error.name in RETRYABLE if error.rerun_helps is None else error.rerun_helps


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """An attempt that brought an answer.

    Attributes:
        text: what is delivered: the message, or what was extracted from it.
        body: the answer as the API sent it.
        credits: what it says it cost, None if it does not.
        requests: how many were sent for it, more than one where a schema asked again.
        raw: the body's own bytes, where it came over the network.
    """

    text: str
    body: Any
    status: int = 200
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    credits: Decimal | None = None
    requests: int = 1
    raw: bytes | None = None

    @property
    def usage(self) -> Mapping[str, Any] | None:
        found = self.body.get("usage") if isinstance(self.body, dict) else None
        return found if isinstance(found, dict) else None

    @property
    def finish_reason(self) -> str | None:
        return self.reason_in(self.body)

    @staticmethod
    def reason_in(body: Any) -> str | None:
        """Of the first choice, if there is one."""
        choices = body.get("choices") if isinstance(body, dict) else None
        first = choices[0] if isinstance(choices, list) and choices else None
        return reason_of(first) if isinstance(first, dict) else None


@dataclass(frozen=True, slots=True)
class RowFailure:
    """An attempt that failed.

    Attributes:
        headers: of the server's refusal, names in lower case.
        body: of the server's refusal, parsed if it is JSON.
        sent: the request went out, so it may have been answered and charged.
        credits: what is known to have been charged all the same.
        requests: how many were sent, more than one where a schema asked again.
    """

    error: OcxError
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    sent: bool = True
    credits: Decimal | None = None
    requests: int = 1

    @property
    def refused(self) -> bool:
        """The server said no, which costs nothing."""
        return (self.error.status or 0) >= 300

    @property
    def maybe_charged(self) -> bool:
        """The request may have been answered; of several, for a schema, an earlier one was."""
        return self.sent and (not self.refused or self.requests > 1)


Outcome = RowAnswer | RowFailure


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a row.

    Attributes:
        sha256: of the request; empty for a row that could not be read.
        seconds: from the first attempt to the end, waiting included.
        credits: of all attempts together, None if unknown.
        unanswered: attempts before the last that may have been charged without an answer.
    """

    row: Row | BadRow
    outcome: Outcome
    sha256: str = ""
    attempts: int = 0
    seconds: float = 0.0
    credits: Decimal | None = None
    credits_source: str = "unknown"
    unanswered: int = 0

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def answer(self) -> RowAnswer | None:
        return self.outcome if isinstance(self.outcome, RowAnswer) else None

    @property
    def error(self) -> OcxError | None:
        return self.outcome.error if isinstance(self.outcome, RowFailure) else None

    @property
    def text(self) -> str | None:
        return self.outcome.text if isinstance(self.outcome, RowAnswer) else None

    @property
    def kind(self) -> str:
        """`ok`, or the name of the error's class."""
        return OK if isinstance(self.outcome, RowAnswer) else self.outcome.error.name

    @property
    def rerun_helps(self) -> bool:
        """Whether a rerun can mend the failure."""
        return isinstance(self.outcome, RowFailure) and rerun_helps(self.outcome.error)

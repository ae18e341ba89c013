"""A row of the input: a request that is ready to be sent, or what is wrong with it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ocx.errors import InvalidAnswerError, UsageError
from ocx.jsontext import encoder

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

CHAT_PATH = "/chat/completions"


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


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one row, before they are a request; `text` rows have the field `prompt`.

    Attributes:
        escaped: there may be half a surrogate pair in them: only an escape of JSON can hold one.
    """

    line: int
    fields: Mapping[str, Any]
    escaped: bool = True


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A line that holds no row."""

    line: int
    message: str


class BadInput(Exception):
    """The row at hand is not usable; the text says why, without the line."""


def line_id(line: int) -> str:
    """The id of a row that has none."""
    return f"line-{line}"


_encode = encoder(sort_keys=True)


def request_bytes(row: Row, base_url: str) -> bytes:
    """The request as it is hashed; the order of the body's keys does not count."""
    text = _encode([base_url.rstrip("/"), row.path, row.body])
    return text.encode("utf-8", "surrogatepass")


def request_sha256(row: Row, base_url: str) -> str:
    """Hex digits."""
    return sha256_of(request_bytes(row, base_url))


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_SHOWN = 80


def check_expectation(expect: Mapping[str, Any], text: str) -> None:
    """Raises: InvalidAnswerError naming the first of contains, regex, equals, schema that fails."""
    for name, wanted in expect.items():
        if not _CHECKS[name](wanted, text):
            raise InvalidAnswerError(
                f"expected {name} {_shown(wanted)}, got {_shown(text)}", hint=""
            )


def validate_expectation(expect: Mapping[str, Any]) -> str | None:
    """What is wrong with an expectation, None for nothing."""
    for name, wanted in expect.items():
        if name == "schema":
            problem = _schema_problem(wanted)
            if problem:
                return problem
        elif name == "contains" and isinstance(wanted, list):
            if not all(isinstance(part, str) for part in wanted):
                return "expects contains to be a text or a list of texts"
        elif not isinstance(wanted, str):
            return f"expects {name} to be a text"
        elif name == "regex":
            try:
                re.compile(wanted)
            except (re.error, OverflowError, RecursionError) as error:
                return f"expects a regex that is none: {error}"
    return None


def _contains(wanted: Any, text: str) -> bool:
    return all(part in text for part in ([wanted] if isinstance(wanted, str) else wanted))


def _matches(wanted: Any, text: str) -> bool:
    return re.search(wanted, text) is not None


def _equals(wanted: Any, text: str) -> bool:
    return bool(text.strip() == wanted.strip())


def _fits(wanted: Any, text: str) -> bool:
    schema = _schema(_canonical(wanted))
    try:
        schema.check(text)
    except InvalidAnswerError:
        return False
    return True


_CHECKS = {"contains": _contains, "regex": _matches, "equals": _equals, "schema": _fits}


def _schema_problem(wanted: Any) -> str | None:
    if not isinstance(wanted, dict):
        return "expects a schema that is not an object"
    import ocx.chat.schema  # noqa: F401 - says so where it cannot be had; no row's fault

    try:
        _schema(_canonical(wanted))
    except UsageError as error:
        return f"expects a schema that is none: {error.message}"
    return None


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


@lru_cache(32)
def _schema(text: str) -> Schema:
    from ocx.chat.schema import Schema  # jsonschema, only for schemas

    return Schema(json.loads(text))


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else _canonical(value)
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")

"""A row of the input: a request that is ready to be sent, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

"""`-f K=V` and `-F K=JSON`: the fields of a raw request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ocx.errors import UsageError
from ocx.jsontext import parse


def parse_fields(texts: Iterable[str], documents: Iterable[str]) -> dict[str, Any]:
    """One mapping of both.

    Raises:
        UsageError: a word has no `=` or bad JSON, or a field is given twice.
    """
    fields: dict[str, Any] = {}
    for flag, words in (("-f", texts), ("-F", documents)):
        for word in words:
            name, equals, text = word.partition("=")
            if not name or not equals:
                raise UsageError(f"{flag} takes NAME=VALUE, not {word!r}")
            if name in fields:
                raise UsageError(f"the field {name} is given twice")
            fields[name] = text if flag == "-f" else _document(name, text)
    return fields


def _document(name: str, text: str) -> Any:
    try:
        return parse(text)
    except (ValueError, RecursionError):
        raise UsageError(f"the field {name} is not JSON", hint="-f sends a text as it is") from None

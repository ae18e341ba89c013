"""The `expect` of a row: what its answer must be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ocx.errors import InvalidAnswerError, UsageError

if TYPE_CHECKING:
    from ocx.chat.schema import Schema

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

"""JSON values as literals of a language: indented for reading, nothing invisible left raw."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Leaf = Callable[[Any], str]

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly (RFC 8259, section 6)."""


def literal(value: Any, leaf: Leaf, key: Leaf, indent: int = 0) -> str:
    """Nested lists and objects over several lines; `leaf` writes scalars, `key` the names."""
    inner = " " * (indent + 2)
    if isinstance(value, Mapping) and value:
        rows = [f"{inner}{key(k)}: {literal(v, leaf, key, indent + 2)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    if isinstance(value, list | tuple) and value:
        rows = [inner + literal(item, leaf, key, indent + 2) for item in value]
        return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"
    if isinstance(value, Mapping):
        return "{}"
    return "[]" if isinstance(value, list | tuple) else leaf(value)


def json_leaf(value: Any) -> str:
    """A scalar as JSON: letters and emoji as they are, what cannot be seen as `\\uXXXX`.

    Invisible characters reorder what a reviewer of the program sees, or break its lines.
    """
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii() or text.isprintable():
        return text.replace("\x7f", "\\u007f")
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def json_text(value: Any) -> str:
    return literal(value, json_leaf, json_leaf)


def ascii_json_text(value: Any) -> str:
    """The same in ASCII only, for languages whose files have no certain encoding."""
    return literal(value, json.dumps, json.dumps).replace("\x7f", "\\u007f")

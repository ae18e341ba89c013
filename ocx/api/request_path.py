"""Paths that stay below the base URL; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from ocx.errors import UsageError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HINT = "a path below the base URL looks like models or chat/completions"


def below_base_url(path: str) -> str:
    """`path` as given. Raises UsageError where it could lead anywhere else.

    A server, or a proxy before it, may decode a segment before it resolves it, so `%2e%2e` is
    `..` here, too.
    """
    name = path.partition("?")[0]
    decoded = unquote(unquote(name))
    if _SCHEME.match(name):
        raise UsageError("the path is a URL; only the base URL is reached", hint=_HINT)
    if "//" in decoded or "\\" in decoded:
        raise UsageError("the path holds // or \\", hint=_HINT)
    if {".", ".."} & set(decoded.split("/")):
        raise UsageError("the path holds . or ..", hint=_HINT)
    if "#" in path:
        raise UsageError("the path holds a fragment (#)", hint="write # as %23")
    return path


def with_query(path: str, fields: Mapping[str, Any]) -> str:
    """`path` with `fields` added to its query: texts as they are, everything else as JSON."""
    pairs = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
    return f"{path}{'&' if '?' in path else '?'}{urlencode(pairs)}"

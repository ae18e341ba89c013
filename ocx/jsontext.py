"""JSON as text: strict when it is read, compact when it is written."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str, **hooks: Any) -> Any:
    """JSON by RFC 8259 and nothing more: NaN and Infinity are refused.

    Args:
        hooks: as `json.loads` takes them.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse, **hooks)


def compact(value: Any, *, ascii_only: bool = False) -> str:
    """`value` without spaces; letters as they are, or all beyond ASCII escaped."""
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")

"""The API's `usage` object: tokens as the server counted them; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Usage = Mapping[str, Any] | None

_LARGEST = 2**63  # what SQLite holds
_CACHED = frozenset({"prompt_tokens_details", "prompt_cache_hit_tokens", "cached_tokens"})


def token_count(usage: Usage, *path: str) -> int | None:
    """A count that stands at `path`; None if the server sent none, or what no count can be."""
    if type(usage) is dict and path[0] not in usage:
        return None
    value: Any = usage
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < _LARGEST else None


def cached_tokens(usage: Usage) -> int | None:
    """Tokens of the prompt that the server had in its cache.

    OpenAI's name, DeepSeek's, Moonshot's; None if there are more of them than of the prompt.
    """
    if type(usage) is dict and _CACHED.isdisjoint(usage):
        return None
    found = _first(
        token_count(usage, "prompt_tokens_details", "cached_tokens"),
        token_count(usage, "prompt_cache_hit_tokens"),
        token_count(usage, "cached_tokens"),
    )
    prompt = token_count(usage, "prompt_tokens")
    return None if found is None or prompt is None or found > prompt else found


def reasoning_tokens(usage: Usage) -> int | None:
    """Tokens that the model thought with; most servers count them in `completion_tokens` too."""
    return _first(
        token_count(usage, "completion_tokens_details", "reasoning_tokens"),
        token_count(usage, "reasoning_tokens"),
    )


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)

"""Texts: made safe to show, counted, the name that was probably meant; JSON read strictly."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

# C0 but tab and newline, DEL, C1; and the characters that reorder what is read (bidi controls).
# Texts, not compiled: few runs need them, and compiling at import is paid by all.
CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_BREAKS = r"[\t\n\u2028\u2029]"


def escape_control(text: str) -> str:
    """`text` with control characters written out (`\\x1b`, `\\u202e`), tab and newline kept."""
    return re.sub(CONTROL, _written, text)


def one_line(text: str) -> str:
    """The same on one line: line breaks and tabs become spaces."""
    return escape_control(re.sub(_BREAKS, " ", text))


def _written(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def counted(number: int, noun: str) -> str:
    """`1 row`, `0 rows`, `1,234 rows`; a noun with another plural than -s does not go in here."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plain_number(number: Decimal) -> str:
    """`0.31`, `10`: written out, without needless zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def did_you_mean(word: str, known: Iterable[str], before: str = ", ") -> str:
    """`, did you mean NAME?` for the end of a message; empty if no name is near."""
    near = nearest(word, known)
    return f"{before}did you mean {near}?" if near else ""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of `known`, or None if no similarity reaches `cutoff` (0 to 1)."""
    from difflib import get_close_matches  # only on the way to a warning or an error

    found = get_close_matches(word, list(known), 1, cutoff)
    return found[0] if found else None


_DEEPEST = 500
"""Levels. How many Python's own parser follows depends on its version, from 900 to 100,000."""


class TooDeep(ValueError):
    """The document is nested more deeply than it is followed."""


def loads(text: str | bytes, **hooks: Any) -> Any:
    """`json.loads`, which raises RecursionError too.

    Raises:
        ValueError: it is not JSON.
        TooDeep: it may be.
    """
    try:
        return json.loads(text, **hooks)
    except RecursionError:
        raise TooDeep("nested too deeply") from None


def parse(text: str, **hooks: Any) -> Any:
    """JSON by RFC 8259 and nothing more: NaN and Infinity are refused.

    Args:
        hooks: as `json.loads` takes them.

    Raises:
        ValueError: it is not JSON.
        TooDeep: it is nested deeper than 500 levels.
    """
    value = loads(text, parse_constant=_refuse, **hooks)
    if text.count("[") + text.count("{") > _DEEPEST and _is_too_deep(value):
        raise TooDeep(f"more than {_DEEPEST} levels")
    return value


def compact(value: Any, *, ascii_only: bool = False) -> str:
    """`value` without spaces; letters as they are, or all beyond ASCII escaped.

    An infinite number (a server may send 1e999) becomes null: JSON has none.
    """
    try:
        return _dump(value, ascii_only)
    except ValueError:
        return _dump(without_infinities(value), ascii_only)


def encoder(*, sort_keys: bool = False, allow_nan: bool = True) -> Callable[[Any], str]:
    """`compact` for many small values that are finite: what the encoder needs is made once."""
    own = json.JSONEncoder(
        ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys, allow_nan=allow_nan
    )
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # PyPy
        return own.encode
    texts = json.encoder.encode_basestring
    pieces = make(None, own.default, texts, None, ":", ",", sort_keys, False, allow_nan)
    return lambda value: "".join(pieces(value, 0))


def _dump(value: Any, ascii_only: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"), allow_nan=False)


def without_infinities(value: Any) -> Any:
    """JSON's value with null for every number that JSON has not."""
    if isinstance(value, dict):
        return {name: without_infinities(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_infinities(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def finite(text: str) -> float:
    """A `parse_float` for what goes into a request, which cannot hold an infinite number.

    Raises:
        ValueError: it is one.
    """
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        lists = [item for item in level if isinstance(item, list)]
        lists += [list(item.values()) for item in level if isinstance(item, dict)]
        if not lists:
            return False
        level = [item for each in lists for item in each]
    return True


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with `change` made to all its texts, names of fields too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(name)): map_texts(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_texts(item, change) for item in value]
    return value

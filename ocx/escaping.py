"""Text that is safe to show: what a model or a server sent is data, not terminal commands."""

from __future__ import annotations

import re

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
